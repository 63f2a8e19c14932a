"""Reads RTLIL as Yosys writes it: modules of wires, cells and connections."""

from collections.abc import Iterator
from dataclasses import dataclass, field

from ..errors import SimulationError


class LockstepError(SimulationError):
    """A module that cannot be simulated in lockstep."""


@dataclass(frozen=True)
class Bit:
    """A bit of a wire; or a constant, if `wire` is empty: then `index` is its value."""

    wire: str
    index: int


def is_instance(cell: "Cell") -> bool:
    """Whether a cell is a module itself."""
    return cell.kind.startswith("\\")


Spec = list[Bit]
"""What a port is connected to, least significant bit first."""


@dataclass
class Cell:
    kind: str
    name: str
    parameters: dict[str, int] = field(default_factory=dict)
    ports: dict[str, Spec] = field(default_factory=dict)


@dataclass
class Module:
    name: str
    widths: dict[str, int] = field(default_factory=dict)
    init: dict[str, int] = field(default_factory=dict)
    inputs: list[str] = field(default_factory=list)
    outputs: list[str] = field(default_factory=list)
    cells: list[Cell] = field(default_factory=list)
    connections: list[tuple[Spec, Spec]] = field(default_factory=list)

    @property
    def instances(self) -> list[Cell]:
        """Cells that are modules themselves."""
        return [cell for cell in self.cells if is_instance(cell)]


def constant(text: str) -> Spec:
    """`4'01x0` or `3`; an unknown bit is taken as 0."""
    width, mark, digits = text.partition("'")
    if not mark:
        return [Bit("", int(text) >> i & 1) for i in range(32)]
    bits = [Bit("", int(digit == "1")) for digit in reversed(digits.removeprefix("s"))]
    return (bits + [Bit("", 0)] * int(width))[: int(width)]


def value(spec: Spec) -> int:
    """The number that constant bits stand for."""
    return sum(bit.index << i for i, bit in enumerate(spec))


class _Reader:
    def __init__(self, module: Module):
        self._module = module

    def spec(self, tokens: list[str]) -> Spec:
        """Takes one signal from the front of `tokens`."""
        token = tokens.pop(0)
        if token == "{":
            parts = []
            while tokens[0] != "}":
                parts.append(self.spec(tokens))
            tokens.pop(0)
            bits = [bit for part in reversed(parts) for bit in part]
        elif token[0] in "\\$":
            bits = [Bit(token, i) for i in range(self._module.widths[token])]
        else:
            bits = constant(token)
        while tokens and tokens[0].startswith("["):
            high, _, low = tokens.pop(0)[1:-1].partition(":")
            bits = bits[int(low or high) : int(high) + 1]
        return bits

    def wire(self, words: list[str], init: int | None) -> None:
        module, name = self._module, words[-1]
        module.widths[name] = int(words[words.index("width") + 1]) if "width" in words else 1
        if init is not None:
            module.init[name] = init
        if "input" in words:
            module.inputs.append(name)
        if "output" in words:
            module.outputs.append(name)

    def body(self, lines: Iterator[str]) -> Module:
        cell: Cell | None = None
        init: int | None = None
        for line in lines:
            words = line.split()
            match words:
                case ["attribute", "\\init", text]:
                    init = value(constant(text))
                case ["wire", *rest]:
                    self.wire(rest, init)
                    init = None
                case ["cell", kind, name]:
                    cell = Cell(kind, name)
                    self._module.cells.append(cell)
                case ["parameter", *_, name, text] if cell and not text.startswith('"'):
                    cell.parameters[name[1:]] = value(constant(text))
                case ["connect", port, *tokens] if cell:
                    cell.ports[port[1:]] = self.spec(tokens)
                case ["connect", *tokens]:
                    self._module.connections.append((self.spec(tokens), self.spec(tokens)))
                case ["end"] if cell:
                    cell = None
                case ["end"]:
                    break
                case ["process", *_]:
                    raise LockstepError(f"module {self._module.name} has a process left")
        return self._module


def read_modules(text: str) -> dict[str, Module]:
    """The modules of an RTLIL text by name."""
    modules = {}
    lines = iter(text.splitlines())
    for line in lines:
        if line.startswith("module "):
            name = line.split()[1][1:]
            modules[name] = _Reader(Module(name)).body(lines)
    return modules
