"""A module with every bit traced to what drives it."""

from dataclasses import dataclass
from graphlib import CycleError, TopologicalSorter

from .rtlil import Bit, Cell, LockstepError, Module, Spec, is_instance

REGISTERS = frozenset({"$dff", "$dffe", "$sdff", "$sdffe", "$sdffce"})
RESULTS = ("Y", "Q", "RD_DATA")
"""Output ports of cells that are no instances."""
_DATA_OUT = {"$mem_v2": "RD_DATA"} | dict.fromkeys(REGISTERS, "Q")


@dataclass(frozen=True)
class Source:
    """A bit of what a cell puts out at `port`, or of a module's input (`cell` is None)."""

    cell: str | None
    port: str
    index: int


class Netlist:
    """Drivers and order of a module's cells.

    Parameters
    ----------
    module : Module
    outputs : dict
        Output ports of every other module that it instantiates, by module name.

    Raises
    ------
    LockstepError
        If its logic has a loop.
    """

    def __init__(self, module: Module, outputs: dict[str, list[str]]):
        self.module = module
        self.cells = {cell.name: cell for cell in module.cells if cell.kind != "$scopeinfo"}
        self._driver: dict[Bit, Bit | Source] = {}
        for left, right in module.connections:
            self._driver.update(zip(left, right, strict=True))
        for name in module.inputs:
            for i in range(module.widths[name]):
                self._driver[Bit(name, i)] = Source(None, name[1:], i)
        for cell in self.cells.values():
            names = outputs[cell.kind[1:]] if is_instance(cell) else [_DATA_OUT.get(cell.kind, "Y")]
            for port in names:
                for i, bit in enumerate(cell.ports.get(port, [])):
                    self._driver[bit] = Source(cell.name, port, i)
        self.instances = module.instances
        self.order = self._order()

    def source(self, bit: Bit) -> Bit | Source:
        """The driver of a bit; a constant bit if it is constant, or nothing drives it."""
        found: Bit | Source = bit
        while isinstance(found, Bit) and found.wire:
            found = self._driver.get(found, Bit("", 0))
        return found

    def sources(self, spec: Spec) -> list[Bit | Source]:
        return [self.source(bit) for bit in spec]

    def inputs_of(self, cell: Cell) -> list[Spec]:
        """What the outputs of a combinational cell, or of an asynchronous read, depend on."""
        if cell.kind == "$mem_v2":
            ports, bits = cell.parameters["RD_PORTS"], cell.parameters["ABITS"]
            address = cell.ports["RD_ADDR"]
            clocked = cell.parameters["RD_CLK_ENABLE"]
            return [address[i * bits : (i + 1) * bits] for i in range(ports) if not clocked >> i & 1]
        if cell.kind in REGISTERS or is_instance(cell):
            return []
        return [spec for port, spec in cell.ports.items() if port != "Y"]

    def feeders(self, specs: list[Spec]) -> set[str]:
        """Cells that drive some of `specs` directly."""
        found = {self.source(bit) for spec in specs for bit in spec}
        return {source.cell for source in found if isinstance(source, Source) and source.cell is not None}

    def _order(self) -> list[Cell]:
        graph = {name: self.feeders(self.inputs_of(cell)) for name, cell in self.cells.items()}
        try:
            return [self.cells[name] for name in TopologicalSorter(graph).static_order()]
        except CycleError as error:
            raise LockstepError(f"module {self.module.name} has a loop of logic: {error.args[1]}") from error

    def cone(self, roots: list[Spec]) -> set[str]:
        """All cells whose values the roots need within a cycle."""
        reached: set[str] = set()
        waiting = self.feeders(roots)
        while waiting:
            name = waiting.pop()
            if name not in reached:
                reached.add(name)
                waiting |= self.feeders(self.inputs_of(self.cells[name]))
        return reached
