"""Many vectors of one module at once, with the logic on single bits done for all of them together.

Half of what a PE computes in a cycle is logic on single bits. One vector's worth of it fills 16 of a
register's bits; that of all columns fills the register. So a set's cycle goes in turns: logic on bits for
all vectors together, then words for one vector after the other, then bits that depend on those, and so on.
"""

from collections.abc import Callable, Iterator, Sequence

from .expressions import Expressions, form
from .netlist import REGISTERS, Netlist, Source
from .rtlil import Cell, Module, Spec
from .structs import Struct, assign, indented, set_of

_ON_BITS = ("$not", "$pos", "$and", "$or", "$xor", "$xnor", "$mux")
"""Cells whose first output bit follows from the first bits of their operands."""
_ON_MASKS = ("$pmux", "$eq", "$ne", "$reduce_or", "$reduce_bool", "$reduce_and",
             "$logic_not", "$logic_and", "$logic_or")  # fmt: skip
"""Cells that are logic on bits where all their operands are signals of one bit."""

Statements = Callable[[], list[str]]


class Set(Struct):
    """Writes the struct of a set; the module has no instances.

    Turns are numbered: even ones are of bits, odd ones of words.
    """

    def __init__(self, netlist: Netlist, children: dict[str, Module]):
        super().__init__(netlist, children, False)
        self._words = Expressions(self._word_variable, netlist.sources)
        self._masks = Expressions(self._mask_variable, netlist.sources, "S")
        self._code = self._words
        self._turns: dict[str, int] = {}
        self._turn = 0
        self._held: dict[str, str] = {}
        """Masks that turns of bits read, as they were before the clock edge."""
        self._shared: dict[str, Source] = {}
        """Results of a turn of words that others need: masks, bits of words, words."""
        self._taps: dict[str, int] = {}
        """The turn in which a bit of a word is looked up for turns of bits."""

    # -- names -------------------------------------------------------------------------------------
    def _code_for(self, width: int) -> Expressions:
        return self._masks if width == 1 else self._words

    def _at(self, name: str, width: int) -> str:
        return name if width == 1 else f"one.{name}"

    def _kept_place(self, source: Source) -> str | None:
        """Where the set keeps a source, unless it is computed."""
        width = self._width(source)
        if source.cell is None:
            return self._at(f"i_{source.port}_{source.index // 32}", width)
        cell = self._net.cells[source.cell]
        if cell.kind in REGISTERS or (cell.kind == "$mem_v2" and self._clocked(cell, source)):
            return self._at(f"c{self._numbers[source.cell]}_{source.index // 32}", width)
        return None

    def _number(self, source: Source) -> str:
        name = f"i_{source.port}" if source.cell is None else f"c{self._numbers[source.cell]}"
        return f"{name}_{source.index // 32}"

    def _word_variable(self, source: Source) -> tuple[str, int]:
        """The local variable of a source in a turn of words."""
        width, name, place = self._width(source), self._number(source), self._kept_place(source)
        if place is not None:
            place = place if width > 1 else f"get({place}, n)"
            return f"_{name}", self._load(f"_{name}", place, width)
        turn = self._turns[source.cell or ""]
        if turn == self._turn:
            return name, width
        if turn % 2:
            self._shared[f"all_{name}"] = source
        place = f"get(all_{name}, n)" if width == 1 else f"all_{name}[n]"
        return name, self._load(name, place, width)

    def _mask_variable(self, source: Source) -> tuple[str, int]:
        """The variable of a bit in a turn of bits, for all vectors."""
        width, name = self._width(source), self._number(source)
        if width > 1:
            name = f"bit_{name}_{source.index % 32}"
            self._taps[name] = min(self._taps.get(name, self._turn), self._turn - 1)
            self._shared[name] = source
            return name, 1
        place = self._kept_place(source)
        if place is not None:
            self._held[f"_{name}"] = place
            return f"_{name}", 1
        if self._turns[source.cell or ""] % 2:
            self._shared[f"all_{name}"] = source
        return f"all_{name}", 1

    # -- turns -------------------------------------------------------------------------------------
    def _on_bits(self, cell: Cell) -> bool:
        if cell.kind == "$mem_v2" or self._widths.get((cell.name, "Y")) != 1:
            return False
        if cell.kind in _ON_BITS:
            return True
        sources = {self._net.source(bit) for spec in self._net.inputs_of(cell) for bit in spec}
        return cell.kind in _ON_MASKS and all(
            self._width(source) == 1 for source in sources if isinstance(source, Source)
        )

    def _after(self, cell: Cell, on_bits: bool) -> int:
        """The first turn in which a cell's operands are there."""
        turn = 0 if on_bits else 1
        for spec in self._net.inputs_of(cell):
            for source in self._net.sources(spec[:1] if cell.kind in _ON_BITS and on_bits else spec):
                if isinstance(source, Source):
                    word = self._width(source) > 1
                    given = self._turns.get(source.cell or "", 1 if word else 0)
                    turn = max(turn, given + (given % 2 == on_bits))
        return turn

    def _take_turns(self, roots: Sequence[Spec]) -> list[Cell]:
        """Gives each cell between registers and `roots` its turn; returns them in order."""
        cone = self._net.cone(list(roots))
        cells = [cell for cell in self._net.order if cell.name in cone and cell.kind not in REGISTERS]
        cells = [cell for cell in cells if not cell.parameters.get("RD_CLK_ENABLE")]
        self._turns = {}
        for cell in cells:
            self._turns[cell.name] = self._after(cell, self._on_bits(cell))
        return cells

    def _wait(self, cells: list[Cell], last: int, words: set[str]) -> None:
        """Moves words to the turn that needs them, so that few are kept from one turn to another.

        `words` are cells that the statements at the end of the last turn of words look at.
        """
        latest = dict.fromkeys(words, last)
        for cell in reversed(cells):
            turn = self._turns[cell.name]
            if turn % 2:
                turn = self._turns[cell.name] = max(turn, latest.get(cell.name, turn))
            before = turn if turn % 2 else turn - 1
            for feeder in self._net.feeders(self._net.inputs_of(cell)):
                latest[feeder] = min(latest.get(feeder, before), before)

    def _cycle(self, roots: Sequence[Spec], words: Statements, masks: Statements) -> list[str]:
        """Statements for all cells before `roots`, then `words` for each vector and `masks` for all."""
        cells = self._take_turns(roots)
        last = max([1, *self._turns.values()])
        last += last % 2 == 0
        self._wait(cells, last, self._net.feeders(list(roots)))
        self._shared, self._taps, self._held = {}, {}, {}
        texts: dict[int, list[str]] = {}
        for turn in range(0, last + 2, 2):  # these say what they need of the words
            self._turn, self._code = turn, self._masks
            ours = [cell for cell in cells if self._turns[cell.name] == turn]
            texts[turn] = [line for cell in ours for line in self._cell(cell, "all_c", "S")]
            texts[turn] += masks() if turn == last + 1 else []
        declared: list[str] = []
        for turn in range(last, 0, -2):  # later ones say what they need of the earlier
            self._turn, self._code, self._loaded = turn, self._words, {}
            ours = [cell for cell in cells if self._turns[cell.name] == turn]
            lines = [line for cell in ours for line in self._cell(cell, "c")]
            for name, source in list(self._shared.items()):  # which may ask for more of earlier turns
                home = self._taps.get(name, self._turns.get(source.cell or "", 0))
                if home != turn:
                    continue
                wide = self._width(source) > 1 and name not in self._taps
                variable = self._word_variable(source)[0] if wide else self._words.mask(source)
                lines.append(f"all_{variable}[n] = {variable};" if wide else f"put({name}, n, {variable});")
                declared.append(f"{form(self._width(source))} {name}[N];" if wide else f"S {name};")
            lines += words() if turn == last else []
            lines = ["auto& one = each[n];", *self._loads(), *lines]
            texts[turn] = ["for (size_t n = 0; n < N; ++n) {", *indented(lines), "}"] if lines[1:] else []
        held = [f"const S {name} = {place};" for name, place in self._held.items()]
        return [*held, *declared, *(line for turn in sorted(texts) for line in texts[turn])]

    # -- text --------------------------------------------------------------------------------------
    def text(self) -> str:
        name = set_of(self._net.module.name)
        masks, words = [], []
        for line in self._members():
            (masks if line.startswith("S ") else words).append(line)
        lines = [
            f"template <size_t N> struct {name} {{",
            "    using W = V;",
            "    using M = Mask;",
            "    using S = Masks<N>;",
            "    using H = Half;",
            "    using Bytes = V8;",
            "    using Halves = V16;",
            *indented(masks),
            "    struct {",
            *indented(words, 8),
            "    } each[N];",
            f"    {name}() {{ outputs(); }}",
            "    void outputs() {",
            *indented(self._outputs(), 8),
            "    }",
            "    void cycle() {",
            *indented(self._step(), 8),
            "        outputs();",
            "    }",
            "};",
            "",
        ]
        return "\n".join(lines)

    def _kept_members(
        self, name: str, width: int, start: Sequence[str] = (), comment: str = ""
    ) -> Iterator[str]:
        for line in super()._kept_members(name, width, start, comment):
            yield f"S{line[1:]}" if width == 1 else line

    def _outputs(self) -> list[str]:
        module = self._net.module
        names = {wide: [name for name in module.outputs if (module.widths[name] > 1) == wide]
                 for wide in (False, True)}  # fmt: skip

        def give(wide: bool) -> list[str]:
            code = self._words if wide else self._masks
            return [
                line
                for name in names[wide]
                for line in assign(
                    self._at(f"o_{name[1:]}", module.widths[name]),
                    module.widths[name],
                    code.texts(self._net.sources(self._port(name))),
                )
            ]

        roots = [self._port(name) for name in module.outputs]
        return self._cycle(roots, lambda: give(True), lambda: give(False))

    def _step(self) -> list[str]:
        cells = self._net.cells.values()
        registers = [cell for cell in cells if cell.kind in REGISTERS and (cell.name, "Q") in self._widths]
        memories = [cell for cell in cells if cell.kind == "$mem_v2"]
        wide = [cell for cell in registers if self._widths[cell.name, "Q"] > 1]

        def words() -> list[str]:
            lines = [line for cell in memories for line in self._synchronous_read(cell)]
            lines += [line for cell in memories for line in self._writes(cell)]
            return lines + [line for cell in wide for line in self._register(cell)]

        def masks() -> list[str]:
            return [line for cell in registers if cell not in wide for line in self._register(cell)]

        return self._cycle(self._roots(), words, masks)
