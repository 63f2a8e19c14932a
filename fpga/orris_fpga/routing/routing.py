"""From a placed netlist to a routed one."""

import json
from collections.abc import Callable, Iterable
from dataclasses import replace
from pathlib import Path
from typing import Any

from ..errors import BoardError
from ..placement.fabric import Fabric
from ..placement.packed_netlist import MODULE, location, read_netlist, site_of
from .chip_database import ChipDatabase, Pip, Wire, installed_database, wire_text
from .exchange import Route, lut_number, read_pips, router_text, routes_of
from .legality import check_routes
from .lut_inputs import exchange_inputs
from .negotiation import Round, negotiate
from .settings import RouterSettings

SPEEDS = ("6", "7", "8")
"""Speed grades in the order of the database."""
_STRENGTH = 1
"""nextpnr's strength of a wire of a router's choice."""


def route_netlist(
    placed: Path,
    routed: Path,
    fabric: Fabric,
    clock_hz: float,
    *,
    speed: str = "6",
    settings: RouterSettings | None = None,
    progress: Callable[[Round], None] | None = None,
) -> list[Round]:
    """Routes all but clocks of a placed netlist; nextpnr adds these with `--no-pack --no-place`.

    Parameters
    ----------
    placed : JSON with a site for every cell, as `place_netlist` writes it.
    routed : written: the same with the routes of nets, and inputs of LUTs exchanged. The router's own files
        lie beside it.
    fabric : of the device.
    clock_hz : that the design should reach.
    speed : grade of the device.
    settings : of the router; by default its own.
    progress : told of each round.

    Raises
    ------
    OrrisError
        Wires stay overused, the netlist has what the router does not know, nextpnr's chip database is not
        there or of another layout, or there is no C++ compiler.
    """
    database = installed_database(fabric.database)
    design = json.loads(placed.read_text())
    module = design["modules"][MODULE]
    netlist = read_netlist(module, placed=True)
    routes = routes_of(netlist, module, database)
    text, found = routed.with_suffix(".netlist"), routed.with_suffix(".pips")
    text.write_text(router_text(netlist, routes, module, database))
    arguments = (settings or RouterSettings()).arguments(clock_hz)
    rounds = negotiate(database.path, SPEEDS.index(speed), text, found, arguments, progress)
    pips = (database.pips(numbers) for numbers in read_pips(found, routes))
    give_routes(module, routes, pips, database)
    check_routes(module, database)
    routed.write_text(json.dumps(design))
    return rounds


def give_routes(
    module: dict[str, Any], routes: list[Route], pips: Iterable[list[Pip]], database: ChipDatabase
) -> None:
    """Gives nets their routes, as nextpnr writes them, and makes exchanges of LUT inputs in the LUTs."""
    cells = list(module["cells"].values())
    names = {net["bits"][0]: net for net in module["netnames"].values() if len(net["bits"]) == 1}
    exchanges: dict[tuple[int, int, str], dict[str, str]] = {}
    for route, of_net in zip(routes, pips, strict=True):
        driver, port = route.pins[0]
        bit = cells[driver]["connections"][port][0]
        if bit not in names:
            raise BoardError(f"the net at {port} of {list(module['cells'])[driver]} has no name")
        names[bit]["attributes"]["ROUTING"] = _routing(database.wire_name(route.wires[0]), of_net, exchanges)
    for cell in cells:
        if cell["type"] == "TRELLIS_COMB":
            x, y, site = location(site_of(cell) or "")
            if moved := exchanges.pop((x, y, str(lut_number(site))), None):
                exchange_inputs(cell, moved)
    if exchanges:
        raise BoardError(f"the router exchanges inputs of {len(exchanges)} LUTs that are not there")


def _routing(
    source: Wire, pips: list[Pip], exchanges: dict[tuple[int, int, str], dict[str, str]]
) -> str:
    """Wires, each with the pip into it. Pips that exchange inputs become straight ones, and are noted."""
    entries = {source: ""}
    for pip in pips:
        if pip.exchanges:  # from a wire such as B3 to the input A of LUT 3, A3_SLICE
            came, wanted = pip.source[2], pip.target[2]
            exchanges.setdefault((pip.x, pip.y, came[1]), {})[wanted[0]] = came[0]
            pip = replace(pip, target=(*pip.target[:2], f"{came}_SLICE"))
        entries[pip.target] = pip.name
    return ";".join(f"{wire_text(wire)};{pip};{_STRENGTH}" for wire, pip in entries.items())
