"""Signals and cells as C++ expressions on 32-bit parts; see lanes.h."""

from collections.abc import Callable, Sequence

from .netlist import Source
from .rtlil import Bit, Cell, LockstepError

PART = 32
HALF = 16
"""Signals of up to so many bits are computed in words half as wide, where the machine has them."""

Sources = Sequence[Bit | Source]
Variable = Callable[[Source], tuple[str, int]]
"""Name of the variable that holds a source bit, and the width of the signal it is part of."""

_ZERO = Bit("", 0)


def parts(width: int) -> range:
    """Numbers of the 32-bit parts of a signal."""
    return range((width + PART - 1) // PART)


def form(width: int) -> str:
    """Type of the words that a signal is computed in: H halves, W parts of 32 bits."""
    return "H" if width <= HALF else "W"


def extended(sources: Sources, width: int, signed: bool) -> list[Bit | Source]:
    """`sources` cut, or extended by zeros or by their sign, to `width` bits."""
    fill = sources[-1] if signed and sources else _ZERO
    return [*sources, *[fill] * (width - len(sources))][:width]


class Expressions:
    """C++ for the cells of one module.

    Parameters
    ----------
    variable : function
        See `Variable`.
    sources : function
        From a port's connection to its sources.
    mask : str
        The type of masks.
    """

    def __init__(
        self, variable: Variable, sources: Callable[[list[Bit]], list[Bit | Source]], mask: str = "M"
    ):
        self._variable = variable
        self._sources = sources
        self._true, self._false = f"fixed<{mask}>(true)", f"fixed<{mask}>(false)"
        self._form = "W"

    # -- signals -----------------------------------------------------------------------------------
    def mask(self, source: Bit | Source) -> str:
        """One bit as a mask."""
        if isinstance(source, Bit):
            return self._true if source.index else self._false
        name, width = self._variable(source)
        return name if width == 1 else f"test({name}, {source.index % PART})"

    def number(self, sources: Sources) -> str:
        """A signal of up to 32 bits, in words as wide as it needs."""
        self._form = form(len(sources))
        return self.part(sources, 0)

    def part(self, sources: Sources, number: int) -> str:
        """Part `number` of a signal, as a number in the words of the expression around it."""
        bits = sources[PART * number : PART * (number + 1)]
        constant = sum(1 << i for i, bit in enumerate(bits) if isinstance(bit, Bit) and bit.index)
        terms = [self._constant(constant)] if constant else []
        start = 0
        while start < len(bits):
            end = self._run(bits, start)
            first = bits[start]
            if isinstance(first, Source):
                terms.append(self._piece(first, start, end - start, bits[start:end].count(first)))
            start = end
        return " | ".join(terms) if terms else self._constant(0)

    def _constant(self, value: int) -> str:
        return f"all<{self._form}>({value:#x}u)" if value else f"all<{self._form}>(0u)"

    def texts(self, bits: Sources) -> list[str]:
        """The parts of a signal, or the mask of a single bit."""
        self._form = form(len(bits))
        return [self.mask(bits[0])] if len(bits) == 1 else [self.part(bits, k) for k in parts(len(bits))]

    @staticmethod
    def _run(bits: Sources, start: int) -> int:
        """End of the consecutive bits of one variable, or of copies of one bit, that begin at `start`."""
        first, end = bits[start], start + 1
        if isinstance(first, Bit):
            return end
        step = 0 if bits[start:end + 1].count(first) == 2 else 1
        while end < len(bits):
            index = first.index + step * (end - start)
            if bits[end] != Source(first.cell, first.port, index) or (step and index % PART == 0):
                break
            end += 1
        return end

    def _piece(self, first: Source, place: int, width: int, copies: int) -> str:
        """`width` bits from `first` on, or as many copies of it, moved to bit `place`."""
        ones = (1 << width) - 1
        name, whole = self._variable(first)
        if copies > 1 or whole == 1:
            return f"flag<{self._form}>({self.mask(first)}, {ones << place:#x}u)"
        low, text = first.index % PART, name
        available = min(PART, whole - first.index + low) - low
        if low:
            text = f"({text} >> {low})"
        if form(whole) != self._form:
            text = f"wide({text})" if self._form == "W" else f"half({text})"
        if width < available and place + width < PART:
            text = f"({text} & {ones:#x}u)"
        return f"({text} << {place})" if place else text

    # -- cells -------------------------------------------------------------------------------------
    def cell(self, cell: Cell, width: int) -> list[str]:
        """The parts of a cell's output, of which `width` bits are wanted; a single bit is a mask."""
        self._form = form(width)
        method = _METHODS.get(cell.kind)
        if method is None:
            raise LockstepError(f"a cell of type {cell.kind} cannot be simulated in lockstep: {cell.name}")
        return method(self, cell, width)

    def _port(self, cell: Cell, port: str, width: int | None = None) -> list[Bit | Source]:
        """Sources of A or B, extended as the cell asks for (where both operands have to be signed)."""
        sources = self._sources(cell.ports[port])
        if width is None:
            return sources
        flags = [cell.parameters.get(f"{name}_SIGNED", 0) for name in "AB" if name in cell.ports]
        return extended(sources, width, all(flags))

    def _trim(self, text: str, number: int, width: int) -> str:
        left = width - PART * number
        return text if left >= PART else f"({text}) & {(1 << left) - 1:#x}u"

    def _bitwise(self, cell: Cell, width: int) -> list[str]:
        operands = [self._port(cell, port, width) for port in "AB" if port in cell.ports]
        template = {"$not": "~({})", "$pos": "{}", "$and": "({}) & ({})", "$or": "({}) | ({})",
                    "$xor": "({}) ^ ({})", "$xnor": "~(({}) ^ ({}))"}[cell.kind]  # fmt: skip
        if width == 1:
            return [template.format(*(self.mask(operand[0]) for operand in operands))]
        texts = [template.format(*(self.part(operand, k) for operand in operands)) for k in parts(width)]
        if "~" in template:
            texts = [self._trim(text, k, width) for k, text in enumerate(texts)]
        return texts

    def _mux(self, cell: Cell, width: int) -> list[str]:
        mask = self.mask(self._port(cell, "S")[0])
        return self.choice(mask, self._port(cell, "B")[:width], self._port(cell, "A")[:width])

    def _choose_first(self, cell: Cell, width: int) -> list[str]:
        """A `$pmux`: the piece of B that belongs to the first bit set in S, else A."""
        sources, whole = self._port(cell, "B"), len(cell.ports["A"])
        texts = self.texts(self._port(cell, "A")[:width])
        choose = self.choose_mask if width == 1 else self.choose_word
        for number, select in reversed(list(enumerate(self._port(cell, "S")))):
            piece = self.texts(sources[whole * number : whole * number + width])
            mask = self.mask(select)
            texts = [choose(mask, yes, no) for yes, no in zip(piece, texts, strict=True)]
        return texts

    def choice(self, mask: str, yes: Sources, no: Sources) -> list[str]:
        """The parts of `yes` where the mask is set, else of `no`."""
        choose = self.choose_mask if len(yes) == 1 else self.choose_word
        return [choose(mask, a, b) for a, b in zip(self.texts(yes), self.texts(no), strict=True)]

    def choose_mask(self, mask: str, yes: str, no: str) -> str:
        if no == self._false:
            return f"{mask} & ({yes})"
        if yes == self._false:
            return f"~{mask} & ({no})"
        if yes == self._true:
            return f"{mask} | ({no})"
        return f"({mask} & ({yes})) | (~{mask} & ({no}))"

    def choose_word(self, mask: str, yes: str, no: str) -> str:
        if no == self._constant(0):
            return f"keep({mask}, {yes})"
        if yes == self._constant(0):
            return f"keep(~{mask}, {no})"
        return f"select({mask}, {yes}, {no})"

    def _is_mask(self, source: Bit | Source) -> bool:
        return isinstance(source, Bit) or self._variable(source)[1] == 1

    def _any(self, cell: Cell, port: str) -> str:
        """Whether any bit is set, as a mask."""
        sources = self._port(cell, port)
        terms = [self.mask(source) for source in sources if self._is_mask(source)]
        rest = [source for source in sources if not self._is_mask(source)]
        if rest:
            self._form = form(len(rest))
            words = " | ".join(f"({self.part(rest, k)})" for k in parts(len(rest)))
            terms.append(f"~eq({words}, {self._constant(0)})")
        return f"({' | '.join(terms)})"

    def _all(self, cell: Cell) -> str:
        sources = self._port(cell, "A")
        masks = [self.mask(source) for source in sources if self._is_mask(source)]
        words = [source for source in sources if not self._is_mask(source)]
        self._form = form(len(words))
        for k in parts(len(words)):
            ones = (1 << min(PART, len(words) - PART * k)) - 1
            masks.append(f"eq({self.part(words, k)}, {self._constant(ones)})")
        return " & ".join(masks)

    def _truth(self, cell: Cell, width: int) -> list[str]:
        kind = cell.kind
        if kind in ("$reduce_or", "$reduce_bool"):
            result = self._any(cell, "A")
        elif kind == "$reduce_and":
            result = self._all(cell)
        elif kind == "$logic_not":
            result = f"~{self._any(cell, 'A')}"
        else:
            operator = "&" if kind == "$logic_and" else "|"
            result = f"{self._any(cell, 'A')} {operator} {self._any(cell, 'B')}"
        return self._flag(result, width)

    def _flag(self, mask: str, width: int) -> list[str]:
        """A mask as a cell's output, which may be wider than the one bit that matters."""
        if width == 1:
            return [mask]
        self._form = form(width)
        return [f"flag<{self._form}>({mask}, 0x1u)", *[self._constant(0)] * (len(parts(width)) - 1)]

    def _compare(self, cell: Cell, width: int) -> list[str]:
        wide = max(len(cell.ports["A"]), len(cell.ports["B"]))
        signed = bool(cell.parameters["A_SIGNED"] and cell.parameters["B_SIGNED"])
        self._form = "W" if signed else form(wide)  # a sign is the last bit of a W
        if cell.kind in ("$eq", "$ne"):
            a, b = (self._port(cell, port, wide) for port in "AB")
            if all(self._is_mask(source) for source in (*a, *b)):
                pairs = (f"~({self.mask(x)} ^ {self.mask(y)})" for x, y in zip(a, b, strict=True))
                same = f"({' & '.join(pairs)})"
            else:
                same = " & ".join(f"eq({self.part(a, k)}, {self.part(b, k)})" for k in parts(wide))
            return self._flag(same if cell.kind == "$eq" else f"~({same})", width)
        swap, negate = cell.kind in ("$gt", "$le"), cell.kind in ("$le", "$ge")
        # Padded to whole parts, numbers compare as their last parts do, unless those are equal.
        a, b = (self._port(cell, port, PART * len(parts(wide))) for port in "AB")
        if swap:
            a, b = b, a
        less = ""
        for k in parts(wide):
            x, y = self.part(a, k), self.part(b, k)
            compare = "slt" if signed and k == parts(wide)[-1] else "lt"
            tie = f" | (eq({x}, {y}) & {less})" if less else ""
            less = f"({compare}({x}, {y}){tie})"
        return self._flag(f"~{less}" if negate else less, width)

    def _add(self, cell: Cell, width: int) -> list[str]:
        subtract = cell.kind != "$add"
        if cell.kind == "$neg":
            a, b = [_ZERO] * width, self._port(cell, "A", width)
        else:
            a, b = (self._port(cell, port, width) for port in "AB")
        texts, carry = [], ""
        for k in parts(width):
            x, y = self.part(a, k), self.part(b, k)
            plain = f"(({x}) {'-' if subtract else '+'} ({y}))"
            text = f"({plain} {'-' if subtract else '+'} flag<W>({carry}, 0x1u))" if carry else plain
            if subtract:
                out = f"lt({x}, {y})" + (f" | (eq({x}, {y}) & ({carry}))" if carry else "")
            else:
                out = f"lt({plain}, {x})" + (f" | (eq({plain}, all<W>(~0u)) & ({carry}))" if carry else "")
            carry = out
            texts.append(self._trim(text, k, width))
        if width == 1:
            return [f"test({texts[0]}, 0)"]
        return texts

    def _narrow(self, cell: Cell, width: int) -> None:
        if width > PART:
            raise LockstepError(
                f"{cell.kind} of more than {PART} bits cannot be simulated in lockstep: {cell.name}"
            )

    def _multiply(self, cell: Cell, width: int) -> list[str]:
        self._narrow(cell, width)
        a, b = (self.part(self._port(cell, port, width), 0) for port in "AB")
        product = self._trim(f"({a}) * ({b})", 0, width)
        return [f"test({product}, 0)"] if width == 1 else [product]

    def _shift(self, cell: Cell, width: int) -> list[str]:
        amount = self._port(cell, "B")
        signed = bool(cell.parameters["A_SIGNED"])
        left = cell.kind in ("$shl", "$sshl")
        self._narrow(cell, width)
        if not left:
            self._narrow(cell, len(cell.ports["A"]))
        if cell.parameters["B_SIGNED"] or len(amount) > PART:
            raise LockstepError(f"a shift to both sides cannot be simulated in lockstep: {cell.name}")
        wide = max(width, len(cell.ports["A"]))
        arithmetic = cell.kind == "$sshr" and signed
        if arithmetic:  # a sign is the last bit of a W
            wide = PART
        self._form = form(max(wide, len(amount)))
        value = self.part(extended(self._port(cell, "A"), wide, signed), 0)
        by, bits = self.part(amount, 0), HALF if self._form == "H" else PART
        fits = 1 << len(amount) <= bits
        within = by if fits else f"(({by}) & {bits - 1}u)"
        if left:
            text = f"({value}) << ({within})"
        elif arithmetic:
            text = f"sra({value}, {within})"
        else:
            text = f"({value}) >> ({within})"
        if not fits:
            beyond = f"sra({value}, {self._constant(bits - 1)})" if arithmetic else self._constant(0)
            text = f"select(lt({by}, {self._constant(bits)}), {text}, {beyond})"
        text = self._trim(text, 0, width)
        if width == 1:
            return [f"test({text}, 0)"]
        return [text if self._form == form(width) else f"half({text})"]


_METHODS: dict[str, Callable[[Expressions, Cell, int], list[str]]] = {
    **dict.fromkeys(("$not", "$pos", "$and", "$or", "$xor", "$xnor"), Expressions._bitwise),
    **dict.fromkeys(("$eq", "$ne", "$lt", "$le", "$gt", "$ge"), Expressions._compare),
    **dict.fromkeys(("$reduce_or", "$reduce_bool", "$reduce_and", "$logic_not", "$logic_and", "$logic_or"),
                    Expressions._truth),
    **dict.fromkeys(("$add", "$sub", "$neg"), Expressions._add),
    **dict.fromkeys(("$shl", "$shr", "$sshl", "$sshr", "$shift", "$shiftx"), Expressions._shift),
    "$mul": Expressions._multiply,
    "$mux": Expressions._mux,
    "$pmux": Expressions._choose_first,
}  # fmt: skip
