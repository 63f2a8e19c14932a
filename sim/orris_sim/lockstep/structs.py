"""The struct of one module: its ports and registers, and what a clock edge does with them."""

import re
from collections import Counter
from collections.abc import Iterator, Sequence
from textwrap import indent
from typing import NamedTuple

from .expressions import PART, Expressions, Sources, form, parts
from .netlist import REGISTERS, RESULTS, Netlist, Source
from .rtlil import Bit, Cell, LockstepError, Module, Spec, is_instance

CLOCK = "clk"


def _storage(width: int) -> str:
    """Smallest type for a word of memory."""
    return "uint8_t" if width <= 8 else "uint16_t" if width <= 16 else "uint32_t"


def _type(width: int) -> str:
    """Masks for signals of one bit, else words."""
    return "M" if width == 1 else form(width)


def _kept(width: int, part: int) -> str:
    """The type in which a struct keeps a part of a signal.

    As narrow as it can be: all of a struct is read and written in every cycle, for all columns, and is to
    stay in the processor's first cache.
    """
    left = width - PART * part
    return "M" if width == 1 else "Bytes" if left <= 8 else "Halves" if left <= 16 else "W"


def assign(place: str, width: int, texts: list[str]) -> list[str]:
    """Statements that keep the parts of a signal at `place`."""
    return [f"{place}_{k} = {_narrow(width, k, text)};" for k, text in enumerate(texts)]


def _narrow(width: int, part: int, text: str) -> str:
    kept = _kept(width, part)
    return f"narrow<{kept}>({text})" if kept in ("Bytes", "Halves") else text


def set_of(kind: str) -> str:
    """Name of the struct of several vectors of a module; see `sets`."""
    return f"{kind}_set"


class _Origin(NamedTuple):
    """A port's part that is an output of a lane."""

    kind: str
    port: str
    lane: int


_MOVES = {-1: "preceding", 0: "beside", 1: "following"}
"""Functions that move an output from one lane to the next, by how far away the output is."""


def _in_order(cell: Cell) -> list[str | int]:
    """Sorts `row_2` before `row_10`: lanes beside each other are neighbours in the hardware."""
    return [int(text) if text.isdigit() else text for text in re.split(r"(\d+)", cell.name)]


class Struct:
    """Writes the struct of one module."""

    def __init__(self, netlist: Netlist, children: dict[str, Module], is_top: bool):
        self._net = netlist
        self._children = children
        self._top = is_top
        self._numbers = {name: number for number, name in enumerate(netlist.cells)}
        self._siblings = {
            kind: sorted((cell for cell in netlist.instances if cell.kind[1:] == kind), key=_in_order)
            for kind in children
        }
        self._instances = {
            cell.name: number for cells in self._siblings.values() for number, cell in enumerate(cells)
        }
        self._in_sets = {kind for kind, module in children.items() if not is_top and not module.instances}
        self._loaded: dict[str, tuple[str, int]] = {}
        self._widths = self._wanted_widths()
        self._code = Expressions(self._variable, netlist.sources)
        self._check_clocks()
        self._check_outputs()

    # -- names -------------------------------------------------------------------------------------
    def _wanted_widths(self) -> dict[tuple[str, str], int]:
        """How many bits of each cell's output anything looks at."""
        module = self._net.module
        cells = self._net.cells.values()
        specs = [spec for cell in cells for port, spec in cell.ports.items() if port not in RESULTS]
        specs += [self._port(name) for name in module.outputs]
        widths: dict[tuple[str, str], int] = {}
        for source in {self._net.source(bit) for spec in specs for bit in spec}:
            if isinstance(source, Source) and source.cell is not None:
                key = source.cell, source.port
                widths[key] = max(widths.get(key, 0), source.index + 1)
        return widths

    def _port(self, name: str) -> Spec:
        return [Bit(name, i) for i in range(self._net.module.widths[name])]

    def _width(self, source: Source) -> int:
        if source.cell is None:
            return self._net.module.widths[f"\\{source.port}"]
        cell = self._net.cells[source.cell]
        if is_instance(cell):
            return self._children[cell.kind[1:]].widths[f"\\{source.port}"]
        if cell.kind == "$mem_v2":  # its words are whole, however few bits of them are looked at
            return cell.parameters["WIDTH"]
        return self._widths[source.cell, source.port]

    def _variable(self, source: Source) -> tuple[str, int]:
        """The local variable of a source; what it is loaded from is noted if it is not computed."""
        width, number = self._width(source), source.index // 32
        if source.cell is None:
            name = f"i_{source.port}_{number}"
            return f"_{name}", self._load(f"_{name}", name, width)
        cell = self._net.cells[source.cell]
        name = f"c{self._numbers[source.cell]}_{number}"
        if is_instance(cell):
            name = f"c{self._numbers[source.cell]}_{source.port}_{number}"
            place = self._place(cell, f"o_{source.port}_{number}", width)
            lane = self._instances[source.cell]
            if self._top:
                place = f"lane({place}, {lane} % LANES)"
            elif width == 1 and cell.kind[1:] in self._in_sets:
                place = f"get({place}, {lane})"
            self._load(name, place, width)
        elif cell.kind in REGISTERS or (cell.kind == "$mem_v2" and self._clocked(cell, source)):
            self._load(f"_{name}", name, width)
            name = f"_{name}"
        return name, width

    def _load(self, name: str, place: str, width: int) -> int:
        self._loaded.setdefault(name, (place, width))
        return width

    def _place(self, cell: Cell, port: str, width: int) -> str:
        """A port of a child: the top's children are lanes of vectors, others have vectors of their own."""
        index, kind = self._instances[cell.name], cell.kind[1:]
        if kind not in self._in_sets:
            return f"each_{kind}[{f'{index} / LANES' if self._top else index}].{port}"
        return f"each_{kind}.{port}" if width == 1 else f"each_{kind}.each[{index}].{port}"

    @staticmethod
    def _clocked(cell: Cell, source: Source) -> bool:
        return bool(cell.parameters["RD_CLK_ENABLE"] >> (source.index // cell.parameters["WIDTH"]) & 1)

    def _check_clocks(self) -> None:
        for cell in self._net.cells.values():
            for port in ("CLK", "RD_CLK", "WR_CLK"):
                wrong = cell.kind.startswith("$") and any(
                    source != Source(None, CLOCK, 0) and source != Bit("", 0)
                    for source in self._net.sources(cell.ports.get(port, []))
                )
                if wrong or not cell.parameters.get("CLK_POLARITY", 1):
                    raise LockstepError(f"{cell.name} has a clock of its own")

    # -- text --------------------------------------------------------------------------------------
    def text(self) -> str:
        module = self._net.module
        word, mask = ("uint32_t", "uint32_t") if self._top else ("V", "Mask")
        narrow = ("uint32_t", "uint32_t", "uint32_t") if self._top else ("Half", "V8", "V16")
        types = zip(("W", "M", "H", "Bytes", "Halves"), (word, mask, *narrow), strict=True)
        lines = [f"struct {module.name} {{", *(f"    using {name} = {kind};" for name, kind in types)]
        lines += indented(self._members())
        lines += [f"    {module.name}() {{ outputs(); }}"]
        lines += ["    void outputs() {", *indented(self._outputs(), 8), "    }"]
        lines += ["    void step() {", *indented(self._step(), 8), "    }"]
        each = "".join(
            f" each_{kind}.cycle();"
            if kind in self._in_sets
            else f" for (auto& each : each_{kind}) each.cycle();"
            for kind in self._children
        )
        lines += [f"    void cycle() {{ step();{each} outputs(); }}", "};", ""]
        return "\n".join(lines)

    def _members(self) -> Iterator[str]:
        module = self._net.module
        for letter, names in (("i", module.inputs), ("o", module.outputs)):
            for name in names:
                yield from self._kept_members(f"{letter}_{name[1:]}", module.widths[name])
        for cell in self._net.cells.values():
            number = self._numbers[cell.name]
            if cell.kind in REGISTERS and (cell.name, "Q") in self._widths:
                width = self._widths[cell.name, "Q"]
                start = self._code_for(width).texts(self._initial(cell)[:width])
                yield from self._kept_members(f"c{number}", width, start, f"  // {cell.name}")
            elif cell.kind == "$mem_v2":
                yield from self._memory(cell, number)
        for kind, cells in self._siblings.items():
            size = f"({len(cells)} + LANES - 1) / LANES" if self._top else f"{len(cells)}"
            in_set = kind in self._in_sets
            yield f"{set_of(kind)}<{size}> each_{kind};" if in_set else f"{kind} each_{kind}[{size}];"

    def _memory(self, cell: Cell, number: int) -> Iterator[str]:
        width, places = cell.parameters["WIDTH"], 1 << cell.parameters["ABITS"]
        if cell.parameters["INIT"]:
            raise LockstepError(f"memory {cell.name} does not start with zeros")
        for k in parts(width):
            lanes = "1" if self._top else "LANES"
            yield f"{_storage(width - 32 * k)} m{number}_{k}[{lanes}][{places}] = {{}};  // {cell.name}"
        if cell.parameters["RD_CLK_ENABLE"]:
            if cell.parameters["RD_PORTS"] > 1 or cell.parameters["RD_INIT_VALUE"]:
                raise LockstepError(f"memory {cell.name} has several read ports")
            yield from self._kept_members(f"c{number}", width)

    def _kept_members(
        self, name: str, width: int, start: Sequence[str] = (), comment: str = ""
    ) -> Iterator[str]:
        """Declares the parts of a signal that is kept."""
        for k in parts(width):
            value = _narrow(width, k, start[k]) if start else "{}"
            yield f"{_kept(width, k)} {name}_{k} = {value};{comment}"

    def _initial(self, cell: Cell) -> Sources:
        """Reset value of a register at power on."""
        values = []
        for bit in cell.ports["Q"]:
            start = self._net.module.init.get(bit.wire, 0)
            values.append(Bit("", start >> bit.index & 1))
        return values

    def _code_for(self, width: int) -> Expressions:
        """What writes expressions that are kept in signals of `width` bits."""
        return self._code

    def _at(self, name: str, width: int) -> str:
        """Where a signal, or a memory with words of `width` bits, is kept."""
        return name

    def _values(self, spec: Spec) -> list[str]:
        """The parts of a signal, or the mask of a single bit."""
        return self._code.texts(self._net.sources(spec))

    def _outputs(self) -> list[str]:
        module = self._net.module
        roots = {name: self._port(name) for name in module.outputs}
        lines, stores = self._logic(list(roots.values())), []
        for name, spec in roots.items():
            stores += assign(f"o_{name[1:]}", module.widths[name], self._values(spec))
        return [*self._loads(), *lines, *stores]

    def _check_outputs(self) -> None:
        module = self._net.module
        roots = [self._port(name) for name in module.outputs]
        cells = [self._net.cells[name] for name in self._net.cone(roots)]
        specs = roots + [spec for cell in cells for spec in self._net.inputs_of(cell)]
        for source in (self._net.source(bit) for spec in specs for bit in spec):
            if isinstance(source, Source) and source.cell is None:
                raise LockstepError(
                    f"an output of {module.name} follows its input {source.port} within a cycle"
                )

    def _roots(self) -> list[Spec]:
        """What a clock edge looks at."""
        roots: list[Spec] = []
        for cell in self._net.cells.values():
            used = [spec for port, spec in cell.ports.items() if port not in (*RESULTS, "CLK")]
            if cell.kind in REGISTERS:
                roots += used if (cell.name, "Q") in self._widths else []
            elif cell.kind == "$mem_v2":
                roots += used
            elif is_instance(cell):
                roots += [cell.ports[name] for name in self._inputs_of(cell)]
        return roots

    def _step(self) -> list[str]:
        stores: list[str] = []
        reads: list[str] = []
        writes: list[str] = []
        lines = self._logic(self._roots())
        for cell in self._net.cells.values():
            if cell.kind in REGISTERS and (cell.name, "Q") in self._widths:
                stores += self._register(cell)
            elif cell.kind == "$mem_v2":
                reads += self._synchronous_read(cell)
                writes += self._writes(cell)
        for kind in self._children:
            stores += self._lane_inputs(kind) if self._top else self._child_inputs(kind)
        return [*self._loads(), *lines, *reads, *writes, *stores]

    def _loads(self) -> list[str]:
        lines = [
            f"const M {name} = {place};"
            if width == 1
            else f"const {form(width)} {name} = {'half' if form(width) == 'H' else 'wide'}({place});"
            for name, (place, width) in self._loaded.items()
        ]
        self._loaded = {}
        return lines

    def _logic(self, roots: list[Spec]) -> list[str]:
        """Statements for all cells between registers and `roots`."""
        cone, lines = self._net.cone(roots), []
        for cell in self._net.order:
            if cell.name not in cone or cell.kind in REGISTERS or is_instance(cell):
                continue
            lines += self._cell(cell, "c")
        return lines

    def _cell(self, cell: Cell, prefix: str, kind: str | None = None) -> list[str]:
        """Declares the parts of a cell's output, of type `kind` if it is not that of their width."""
        number = self._numbers[cell.name]
        if cell.kind == "$mem_v2":
            texts, width = self._asynchronous_read(cell), cell.parameters["WIDTH"]
        else:
            width = self._widths[cell.name, "Y"]
            texts = self._code.cell(cell, width)
        kind = kind or _type(width)
        return [f"const {kind} {prefix}{number}_{k} = {text};" for k, text in enumerate(texts)]

    # -- state -------------------------------------------------------------------------------------
    def _register(self, cell: Cell) -> list[str]:
        number, width = self._numbers[cell.name], self._widths[cell.name, "Q"]
        held = [Source(cell.name, "Q", i) for i in range(width)]
        data = self._net.sources(cell.ports["D"])[:width]
        start = [Bit("", cell.parameters.get("SRST_VALUE", 0) >> i & 1) for i in range(width)]
        code = self._code_for(width)
        enable, reset = (self._control(code, cell, port) for port in ("EN", "SRST"))
        texts = code.texts(data)
        choose = code.choose_mask if width == 1 else code.choose_word
        if reset and cell.kind != "$sdffe":
            texts = code.choice(reset, start, data)
        if enable:
            old = code.texts(held)
            texts = [choose(enable, new, before) for new, before in zip(texts, old, strict=True)]
        if reset and cell.kind == "$sdffe":
            values = code.texts(start)
            texts = [choose(reset, value, new) for value, new in zip(values, texts, strict=True)]
        return assign(self._at(f"c{number}", width), width, texts)

    def _control(self, code: Expressions, cell: Cell, port: str) -> str:
        if port not in cell.ports:
            return ""
        mask = code.mask(self._net.source(cell.ports[port][0]))
        return mask if cell.parameters[f"{port}_POLARITY"] else f"~{mask}"

    def _asynchronous_read(self, cell: Cell) -> list[str]:
        if cell.parameters["RD_CLK_ENABLE"]:
            return []
        if cell.parameters["RD_PORTS"] > 1:
            raise LockstepError(f"memory {cell.name} has several read ports")
        number, width = self._numbers[cell.name], self._narrow(cell)
        address = self._code.number(self._net.sources(cell.ports["RD_ADDR"]))
        return [f"read<{form(width)}>({self._at(f'm{number}', width)}_{k}, {address})" for k in parts(width)]

    @staticmethod
    def _narrow(cell: Cell) -> int:
        """Width of a memory's words, more than the one bit that would have to be a mask."""
        if cell.parameters["WIDTH"] == 1:
            raise LockstepError(f"memory {cell.name} has words of one bit")
        return cell.parameters["WIDTH"]

    def _synchronous_read(self, cell: Cell) -> list[str]:
        if not cell.parameters["RD_CLK_ENABLE"]:
            return []
        if cell.parameters["RD_TRANSPARENCY_MASK"]:
            raise LockstepError(f"memory {cell.name} reads what is being written")
        number, width = self._numbers[cell.name], self._narrow(cell)
        enable = self._code.mask(self._net.source(cell.ports["RD_EN"][0]))
        held = self._code.texts([Source(cell.name, "RD_DATA", i) for i in range(width)])
        address = self._code.number(self._net.sources(cell.ports["RD_ADDR"]))
        memory, kind = self._at(f"m{number}", width), form(width)
        reads = [f"read<{kind}>({memory}_{k}, {enable}, {address}, {old})" for k, old in enumerate(held)]
        return assign(self._at(f"c{number}", width), width, reads)

    def _writes(self, cell: Cell) -> list[str]:
        number, width, bits = self._numbers[cell.name], cell.parameters["WIDTH"], cell.parameters["ABITS"]
        lines = []
        for port in range(cell.parameters["WR_PORTS"]):
            enables = set(self._net.sources(cell.ports["WR_EN"][port * width : (port + 1) * width]))
            if len(enables) > 1:
                raise LockstepError(f"memory {cell.name} is written in parts of a word")
            enable = self._code.mask(enables.pop())
            place = self._net.sources(cell.ports["WR_ADDR"][port * bits : (port + 1) * bits])
            address = self._code.number(place)
            data = self._net.sources(cell.ports["WR_DATA"][port * width : (port + 1) * width])
            memory = self._at(f"m{number}", width)
            lines += [f"write({memory}_{k}, {enable}, {address}, {text});"
                      for k, text in enumerate(self._code.texts(data))]  # fmt: skip
        return lines

    def _inputs_of(self, cell: Cell) -> list[str]:
        """Input ports of an instance."""
        return [name[1:] for name in self._children[cell.kind[1:]].inputs if name[1:] != CLOCK]

    def _child_inputs(self, kind: str) -> list[str]:
        widths = self._children[kind].widths
        return [
            line
            for cell in self._siblings[kind]
            for name in self._inputs_of(cell)
            for line in self._give(cell, name, widths[f"\\{name}"])
        ]

    def _give(self, cell: Cell, name: str, width: int) -> list[str]:
        """Statements for an input port of a child."""
        place, texts = self._place(cell, f"i_{name}", width), self._values(cell.ports[name])
        if width == 1 and cell.kind[1:] in self._in_sets:
            return [f"put({place}_0, {self._instances[cell.name]}, {texts[0]});"]
        return assign(place, width, texts)

    def _lane_inputs(self, kind: str) -> list[str]:
        """Inputs of the lanes. What most get from the same port of the next lane moves as a vector."""
        cells, lines = self._siblings[kind], []
        for name in self._inputs_of(cells[0]):
            for k in parts(self._children[kind].widths[f"\\{name}"]):
                moves = Counter(
                    (function, origin.kind, origin.port)
                    for number, cell in enumerate(cells)
                    if (origin := self._origin(cell.ports[name], k))
                    and (function := _MOVES.get(origin.lane - number))
                )
                move, times = moves.most_common(1)[0] if moves else (None, 0)
                if len({tuple(self._net.sources(cell.ports[name])) for cell in cells}) == 1:
                    text = self._values(cells[0].ports[name])[k]
                    lines.append(f"for (auto& each : each_{kind}) put_all(each.i_{name}_{k}, {text});")
                    continue
                if move and times > 1:
                    function, other, port = move
                    lines.append(
                        f"for (size_t v = 0; v < vectors(each_{kind}); ++v) "
                        f"each_{kind}[v].i_{name}_{k} = {function}(each_{other}, &{other}::{port}, v);"
                    )
                for number, cell in enumerate(cells):
                    origin = self._origin(cell.ports[name], k)
                    if origin and times > 1 and (_MOVES.get(origin.lane - number), *origin[:2]) == move:
                        continue
                    text = self._values(cell.ports[name])[k]
                    place = self._place(cell, f"i_{name}_{k}", len(cell.ports[name]))
                    lines.append(f"put({place}, {number} % LANES, {text});")
        return lines

    def _origin(self, spec: Spec, number: int) -> "_Origin | None":
        """The part of a lane's output that part `number` of a signal is, if it is one."""
        bits = self._net.sources(spec)[PART * number : PART * (number + 1)]
        first = bits[0]
        if not isinstance(first, Source) or first.cell not in self._instances or first.index % PART:
            return None
        left = self._width(first) - first.index
        whole = [Source(first.cell, first.port, first.index + i) for i in range(min(PART, left))]
        # A port of one bit is a mask, the last bit of a wider one is not.
        if bits != whole or (self._width(first) == 1) != (len(spec) == 1):
            return None
        kind = self._net.cells[first.cell].kind[1:]
        return _Origin(kind, f"o_{first.port}_{first.index // PART}", self._instances[first.cell])


def indented(lines: list[str] | Iterator[str], by: int = 4) -> list[str]:
    return [indent(line, " " * by) for line in lines]
