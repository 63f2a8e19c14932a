"""The text in which the router, a program of its own, gets a netlist, and gives back each net's pips."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from ..errors import BoardError
from ..placement.packed_netlist import Net, PackedNetlist, location, site_of
from .chip_database import ChipDatabase
from .lut_inputs import EXCHANGES
from .pins import left_to_nextpnr, pin_wire


@dataclass(frozen=True)
class Route:
    """A net that the router routes.

    driver : number of the cell.
    sinks : (cell, pin) where a path goes on, of each pin that is connected.
    pins : (cell, port) of the driver, then of each sink.
    wires : numbers of the wires that they are at.
    """

    driver: int
    sinks: tuple[tuple[int, int], ...]
    pins: tuple[tuple[int, str], ...]
    wires: tuple[int, ...]


def routes_of(netlist: PackedNetlist, module: dict[str, Any], database: ChipDatabase) -> list[Route]:
    """What the router routes of a placed netlist: all but clocks, and what has wires of its own.

    Raises
    ------
    BoardError
        A pin is of a kind that the router does not know, or is not where the database has it.
    """
    cells = list(module["cells"].values())

    def wire(pin: tuple[int, str]) -> int:
        x, y, site, name = pin_wire(cells[pin[0]], pin[1])
        return database.pin(x, y, site, name)

    routes = []
    for net in (*netlist.nets, *netlist.constants):
        kept = _kept(net, cells)
        if kept:
            pins = (net.ports[0], *(net.ports[1 + index] for index in kept))
            routes.append(
                Route(net.driver, tuple(net.sinks[index] for index in kept), pins, tuple(map(wire, pins)))
            )
    return routes


def _kept(net: Net, cells: list[dict[str, Any]]) -> list[int]:
    """Numbers of the sinks that the router connects."""
    if left_to_nextpnr(cells[net.driver], net.ports[0][1]):
        return []
    return [
        index
        for index, (cell, port) in enumerate(net.ports[1:])
        if not left_to_nextpnr(cells[cell], port)
    ]  # fmt: skip


def router_text(
    netlist: PackedNetlist, routes: list[Route], module: dict[str, Any], database: ChipDatabase
) -> str:
    """Sections, each with its name and the number of its lines.

    luts: tile, number in it, which inputs may be exchanged; those that may not at will. cells: kind, mode.
    chains: length, LUTs. nets: number of sinks, driver, its wire; cell, pin and wire of each sink.
    """
    luts = []
    for cell in module["cells"].values():
        exchange = EXCHANGES[cell["parameters"].get("MODE", "LOGIC")] if cell["type"] == "TRELLIS_COMB" else 0
        if exchange:
            x, y, site = location(site_of(cell) or "")
            luts.append((y * database.columns + x, lut_number(site), exchange))
    nets = []
    for route in routes:
        sinks = zip(route.sinks, route.wires[1:], strict=True)
        values = [value for (cell, pin), wire in sinks for value in (cell, pin, wire)]
        nets.append((len(route.sinks), route.driver, route.wires[0], *values))
    sections: list[tuple[str, list[tuple[int, ...]]]] = [
        ("luts", luts),
        ("cells", [(cell.kind, cell.mode) for cell in netlist.cells]),
        ("chains", [(len(chain), *chain) for chain in netlist.chains]),
        ("nets", nets),
    ]
    lines = []
    for name, rows in sections:
        lines.append(f"{name} {len(rows)}")
        lines.extend(" ".join(f"{value:d}" for value in row) for row in rows)
    return "\n".join(lines) + "\n"


def lut_number(site: str) -> int:
    """Number in its tile, 0 to 7, of a LUT's site such as SLICEB.K1."""
    return 2 * "ABCD".index(site[len("SLICE")]) + int(site[-1])


def read_pips(path: Path, routes: list[Route]) -> list[npt.NDArray[np.int64]]:
    """The numbers of the pips of each net.

    Raises
    ------
    BoardError
        The text is not of these nets.
    """
    lines = path.read_text().splitlines()
    if len(lines) != len(routes):
        raise BoardError(f"the router gave back {len(lines)} nets of {len(routes)}")
    return [np.array(line.split(), dtype=np.int64) for line in lines]
