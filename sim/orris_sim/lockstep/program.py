"""The C++ of a tree of modules: one struct per module, with a cycle in three steps."""

from collections import Counter
from collections.abc import Iterator
from textwrap import indent
from typing import NamedTuple

from .expressions import PART, Expressions, Sources, parts
from .netlist import REGISTERS, RESULTS, Netlist, Source, is_instance
from .rtlil import Bit, Cell, LockstepError, Module, Spec, read_modules

CLOCK = "clk"


def lockstep_program(rtlil: str, top: str) -> str:
    """C++ for module `top`, its instances, and theirs.

    The instances of `top` are the lanes, those of each module a set of its own; theirs are computed one
    after the other, all lanes of each at once. Each module becomes a struct of its own name: `i_*` are
    its input ports in 32-bit parts, `o_*` its outputs, which come from registers; `cycle()` does what a
    rising clock edge does.

    Parameters
    ----------
    rtlil : str
        Modules of simple cells, flattened but for those that are instantiated several times.
    top : str

    Raises
    ------
    LockstepError
        If a module has an output that follows an input within a cycle, a loop, a second clock, or a cell
        that is not supported.
    """
    modules = read_modules(rtlil)
    outputs = {name: [port[1:] for port in module.outputs] for name, module in modules.items()}
    structs: dict[str, str] = {}

    def write(name: str, is_top: bool) -> Netlist:
        netlist = Netlist(modules[name], outputs)
        kinds = dict.fromkeys(cell.kind[1:] for cell in netlist.instances)
        children = {kind: write(kind, False).module for kind in kinds}
        if name not in structs:
            structs[name] = _Struct(netlist, children, is_top).text()
        return netlist

    write(top, True)
    return '#include "lanes.h"\n\n' + "\n".join(structs.values())


def _storage(width: int) -> str:
    """Smallest type for a word of memory."""
    return "uint8_t" if width <= 8 else "uint16_t" if width <= 16 else "uint32_t"


def _type(width: int) -> str:
    """Masks for signals of one bit, else words."""
    return "M" if width == 1 else "W"


class _Origin(NamedTuple):
    """A port's part that is an output of a lane."""

    kind: str
    port: str
    lane: int


_MOVES = {-1: "preceding", 0: "beside", 1: "following"}
"""Functions that move an output from one lane to the next, by how far away the output is."""


class _Struct:
    """Writes the struct of one module."""

    def __init__(self, netlist: Netlist, children: dict[str, Module], is_top: bool):
        self._net = netlist
        self._children = children
        self._top = is_top
        self._numbers = {name: number for number, name in enumerate(netlist.cells)}
        self._siblings = {
            kind: [cell for cell in netlist.instances if cell.kind[1:] == kind] for kind in children
        }
        self._instances = {
            cell.name: number for cells in self._siblings.values() for number, cell in enumerate(cells)
        }
        self._loaded: dict[str, tuple[str, int]] = {}
        self._widths = self._wanted_widths()
        self._code = Expressions(self._variable, netlist.sources)
        self._check_clocks()

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
            place = self._place(cell, f"o_{source.port}_{number}")
            lane = self._instances[source.cell]
            self._load(name, f"lane({place}, {lane} % LANES)" if self._top else place, width)
        elif cell.kind in REGISTERS or (cell.kind == "$mem_v2" and self._clocked(cell, source)):
            self._load(f"_{name}", name, width)
            name = f"_{name}"
        return name, width

    def _load(self, name: str, place: str, width: int) -> int:
        self._loaded.setdefault(name, (place, width))
        return width

    def _place(self, cell: Cell, port: str) -> str:
        """A port of a child: the top's children are lanes of vectors, others have vectors of their own."""
        index = self._instances[cell.name]
        return f"each_{cell.kind[1:]}[{f'{index} / LANES' if self._top else index}].{port}"

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
        lines = [f"struct {module.name} {{", f"    using W = {word};", f"    using M = {mask};"]
        lines += indented(self._members())
        lines += [f"    {module.name}() {{ outputs(); }}"]
        lines += ["    void outputs() {", *indented(self._outputs(), 8), "    }"]
        lines += ["    void step() {", *indented(self._step(), 8), "    }"]
        each = "".join(f" for (auto& each : each_{kind}) each.cycle();" for kind in self._children)
        lines += [f"    void cycle() {{ step();{each} outputs(); }}", "};", ""]
        return "\n".join(lines)

    def _members(self) -> Iterator[str]:
        module = self._net.module
        for letter, names in (("i", module.inputs), ("o", module.outputs)):
            for name in names:
                width = module.widths[name]
                yield f"{_type(width)} {', '.join(f'{letter}_{name[1:]}_{k} = {{}}' for k in parts(width))};"
        for cell in self._net.cells.values():
            number = self._numbers[cell.name]
            if cell.kind in REGISTERS and (cell.name, "Q") in self._widths:
                width = self._widths[cell.name, "Q"]
                start = self._code.texts(self._initial(cell)[:width])
                names = ", ".join(f"c{number}_{k} = {text}" for k, text in enumerate(start))
                yield f"{_type(width)} {names};  // {cell.name}"
            elif cell.kind == "$mem_v2":
                yield from self._memory(cell, number)
        for kind, cells in self._siblings.items():
            size = f"({len(cells)} + LANES - 1) / LANES" if self._top else f"{len(cells)}"
            yield f"{kind} each_{kind}[{size}];"

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
            yield f"W {', '.join(f'c{number}_{k} = {{}}' for k in parts(width))};"

    def _initial(self, cell: Cell) -> Sources:
        """Reset value of a register at power on."""
        values = []
        for bit in cell.ports["Q"]:
            start = self._net.module.init.get(bit.wire, 0)
            values.append(Bit("", start >> bit.index & 1))
        return values

    def _values(self, spec: Spec) -> list[str]:
        """The parts of a signal, or the mask of a single bit."""
        return self._code.texts(self._net.sources(spec))

    def _outputs(self) -> list[str]:
        module = self._net.module
        roots = {name: self._port(name) for name in module.outputs}
        lines, stores = self._logic(list(roots.values())), []
        for name, spec in roots.items():
            for k, text in enumerate(self._values(spec)):
                stores.append(f"o_{name[1:]}_{k} = {text};")
        inputs = [place for place, _ in self._loaded.values() if place.startswith("i_")]
        if inputs:
            raise LockstepError(
                f"an output of {module.name} follows its input {inputs[0][2:-2]} within a cycle"
            )
        return [*self._loads(), *lines, *stores]

    def _step(self) -> list[str]:
        stores: list[str] = []
        roots: list[Spec] = []
        reads: list[str] = []
        writes: list[str] = []
        for cell in self._net.cells.values():
            used = [spec for port, spec in cell.ports.items() if port not in (*RESULTS, "CLK")]
            if cell.kind in REGISTERS:
                roots += used if (cell.name, "Q") in self._widths else []
            elif cell.kind == "$mem_v2":
                roots += used
            elif is_instance(cell):
                roots += [cell.ports[name] for name in self._inputs_of(cell)]
        lines = self._logic(roots)
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
        lines = [f"const {_type(width)} {name} = {place};" for name, (place, width) in self._loaded.items()]
        self._loaded = {}
        return lines

    def _logic(self, roots: list[Spec]) -> list[str]:
        """Statements for all cells between registers and `roots`."""
        cone, lines = self._net.cone(roots), []
        for cell in self._net.order:
            if cell.name not in cone or cell.kind in REGISTERS or is_instance(cell):
                continue
            number = self._numbers[cell.name]
            if cell.kind == "$mem_v2":
                texts, width = self._asynchronous_read(cell), cell.parameters["WIDTH"]
            else:
                width = self._widths[cell.name, "Y"]
                texts = self._code.cell(cell, width)
            lines += [f"const {_type(width)} c{number}_{k} = {text};" for k, text in enumerate(texts)]
        return lines

    # -- state -------------------------------------------------------------------------------------
    def _register(self, cell: Cell) -> list[str]:
        number, width = self._numbers[cell.name], self._widths[cell.name, "Q"]
        held = [Source(cell.name, "Q", i) for i in range(width)]
        data = self._net.sources(cell.ports["D"])[:width]
        start = [Bit("", cell.parameters.get("SRST_VALUE", 0) >> i & 1) for i in range(width)]
        enable, reset = (self._control(cell, port) for port in ("EN", "SRST"))
        texts = self._code.texts(data)
        choose = self._code.choose_mask if width == 1 else self._code.choose_word
        if reset and cell.kind != "$sdffe":
            texts = self._code.choice(reset, start, data)
        if enable:
            old = self._code.texts(held)
            texts = [choose(enable, new, before) for new, before in zip(texts, old, strict=True)]
        if reset and cell.kind == "$sdffe":
            values = self._code.texts(start)
            texts = [choose(reset, value, new) for value, new in zip(values, texts, strict=True)]
        return [f"c{number}_{k} = {text};" for k, text in enumerate(texts)]

    def _control(self, cell: Cell, port: str) -> str:
        if port not in cell.ports:
            return ""
        mask = self._code.mask(self._net.source(cell.ports[port][0]))
        return mask if cell.parameters[f"{port}_POLARITY"] else f"~{mask}"

    def _asynchronous_read(self, cell: Cell) -> list[str]:
        if cell.parameters["RD_CLK_ENABLE"]:
            return []
        if cell.parameters["RD_PORTS"] > 1:
            raise LockstepError(f"memory {cell.name} has several read ports")
        number, width = self._numbers[cell.name], self._narrow(cell)
        address = self._code.part(self._net.sources(cell.ports["RD_ADDR"]), 0)
        return [f"read(m{number}_{k}, {address})" for k in parts(width)]

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
        address = self._code.part(self._net.sources(cell.ports["RD_ADDR"]), 0)
        return [
            f"c{number}_{k} = read(m{number}_{k}, {enable}, {address}, {old});" for k, old in enumerate(held)
        ]

    def _writes(self, cell: Cell) -> list[str]:
        number, width, bits = self._numbers[cell.name], cell.parameters["WIDTH"], cell.parameters["ABITS"]
        lines = []
        for port in range(cell.parameters["WR_PORTS"]):
            enables = set(self._net.sources(cell.ports["WR_EN"][port * width : (port + 1) * width]))
            if len(enables) > 1:
                raise LockstepError(f"memory {cell.name} is written in parts of a word")
            enable = self._code.mask(enables.pop())
            place = self._net.sources(cell.ports["WR_ADDR"][port * bits : (port + 1) * bits])
            address = self._code.part(place, 0)
            data = self._net.sources(cell.ports["WR_DATA"][port * width : (port + 1) * width])
            lines += [f"write(m{number}_{k}, {enable}, {address}, {self._code.part(data, k)});"
                      for k in parts(width)]  # fmt: skip
        return lines

    def _inputs_of(self, cell: Cell) -> list[str]:
        """Input ports of an instance."""
        return [name[1:] for name in self._children[cell.kind[1:]].inputs if name[1:] != CLOCK]

    def _child_inputs(self, kind: str) -> list[str]:
        return [
            f"{self._place(cell, f'i_{name}_{k}')} = {text};"
            for cell in self._siblings[kind]
            for name in self._inputs_of(cell)
            for k, text in enumerate(self._values(cell.ports[name]))
        ]

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
                    lines.append(f"put({self._place(cell, f'i_{name}_{k}')}, {number} % LANES, {text});")
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
