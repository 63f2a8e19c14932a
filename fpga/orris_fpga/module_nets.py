"""Who drives and who reads each bit of a module of a netlist in Yosys' JSON."""

from collections import defaultdict
from collections.abc import Iterator
from typing import Any

CONSTANTS = frozenset({"0", "1", "x", "z"})
PORT = ("", "")
"""Stands among the readers and drivers for a port of the module itself."""

Bit = int | str
Pin = tuple[str, str]
"""Name of a cell, name of its port."""


class Nets:
    """Pins on every bit, as they are when this is made: removing a cell does not change it.

    Parameters
    ----------
    module : one of `modules` of Yosys' JSON.
    """

    def __init__(self, module: dict[str, Any]):
        self.cells: dict[str, Any] = module["cells"]
        self._readers: dict[Bit, list[Pin]] = defaultdict(list)
        self._drivers: dict[Bit, Pin] = {}
        for port in module["ports"].values():
            for bit in port["bits"]:
                if port["direction"] == "input":
                    self._drivers[bit] = PORT
                else:
                    self._readers[bit].append(PORT)
        for name, cell in self.cells.items():
            for port, bits in cell["connections"].items():
                for bit in bits:
                    if cell["port_directions"][port] == "input":
                        self._readers[bit].append((name, port))
                    else:
                        self._drivers[bit] = (name, port)

    def of_type(self, kind: str) -> Iterator[dict[str, Any]]:
        return (cell for cell in self.cells.values() if cell["type"] == kind)

    def readers(self, bit: Bit) -> list[Pin]:
        return self._readers.get(bit, []) if bit not in CONSTANTS else []

    def driver(self, bit: Bit, kind: str) -> str | None:
        """The cell that drives a bit, if it is of type `kind`."""
        name = self._drivers.get(bit, PORT)[0] if bit not in CONSTANTS else ""
        return name if name and name in self.cells and self.cells[name]["type"] == kind else None
