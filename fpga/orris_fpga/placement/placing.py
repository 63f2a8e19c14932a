"""From a packed netlist to a placed one."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

from .annealing import Phase, anneal
from .exchange import netlist_text, read_placement
from .fabric import Fabric
from .legality import check_legal
from .multiplier_controls import share_controls
from .packed_netlist import MODULE, check_room, read_netlist
from .settings import AnnealerSettings

_PLACED, _FIXED = 1, 5
"""nextpnr's strengths of a site: of the placer's choice, of the user's."""


def place_netlist(
    packed: Path,
    placed: Path,
    fabric: Fabric,
    clock_hz: float,
    *,
    seed: int = 1,
    settings: AnnealerSettings | None = None,
    progress: Callable[[Phase], None] | None = None,
) -> list[Phase]:
    """Places what nextpnr packed; nextpnr routes the result with `--no-pack --no-place`.

    Parameters
    ----------
    packed : JSON of nextpnr's `--pack-only --write`.
    placed : written: the same with a site for every cell. The annealer's own files lie beside it.
    fabric : of the device.
    clock_hz : that the design should reach.
    seed : the same gives the same placement.
    settings : of the annealer; by default its own.
    progress : told of each phase.

    Returns
    -------
    list of Phase
        The first is the legal start.

    Raises
    ------
    OrrisError
        The design is larger than the device, finds no legal place, or has what the placer does not know;
        there is no C++ compiler.
    """
    design = json.loads(packed.read_text())
    module = design["modules"][MODULE]
    netlist = read_netlist(module)
    check_room(netlist, fabric)
    text, sites = placed.with_suffix(".netlist"), placed.with_suffix(".sites")
    text.write_text(netlist_text(netlist, fabric))
    arguments = (settings or AnnealerSettings()).arguments(seed, clock_hz)
    phases = anneal(text, sites, arguments, progress)
    give_sites(module, read_placement(sites, netlist))
    check_legal(module, fabric)
    share_controls(module)
    module["settings"]["place"] = format(1, "032b")
    placed.write_text(json.dumps(design))
    return phases


def give_sites(module: dict[str, Any], sites: dict[str, str]) -> None:
    """Gives the cells of a netlist, by name, their sites, as nextpnr writes them after its own placement."""
    for name, cell in module["cells"].items():
        attributes = cell["attributes"]
        fixed = attributes.pop("BEL", None)
        if name in sites:
            attributes["NEXTPNR_BEL"] = sites[name]
            attributes["BEL_STRENGTH"] = format(_PLACED, "032b")
        elif fixed is not None and "NEXTPNR_BEL" not in attributes:
            attributes["NEXTPNR_BEL"] = fixed
            attributes["BEL_STRENGTH"] = format(_FIXED, "032b")
