"""Whether a placement is one that an ECP5 can be configured for: the rules of nextpnr's own placers."""

from collections import Counter
from collections.abc import Hashable, Iterable, Iterator
from typing import Any

from ..errors import BoardError
from .controls import inverted, slice_controls, tile_controls
from .fabric import LUTS_OF_TILE, Fabric
from .packed_netlist import is_paired, location, net_of, site_of

_Tile = dict[str, dict[str, Any]]
"""What lies in a tile: cells by their place in it, such as SLICEA.FF1."""


def check_legal(module: dict[str, Any], fabric: Fabric) -> None:
    """That each cell of a placed netlist has a site, and the cells of each tile go together.

    nextpnr does not look at this again before it routes: its bitstream would do something else.

    Raises
    ------
    BoardError
        Names the first sites where it is not so, and the rule.
    """
    problems = [*_sites(module), *_tiles(module, fabric), *_chains(module)]
    if problems:
        more = f" and {len(problems) - 3} more" if len(problems) > 3 else ""
        raise BoardError(f"the placement is not legal: {'; '.join(problems[:3])}{more}")


def _sites(module: dict[str, Any]) -> Iterator[str]:
    uses = Counter(site_of(cell) for cell in module["cells"].values())
    if uses[None]:
        yield f"{uses[None]} cells have no site"
    yield from (f"{site} has {count} cells" for site, count in uses.items() if site and count > 1)


def _tiles(module: dict[str, Any], fabric: Fabric) -> Iterator[str]:
    tiles: dict[tuple[int, int], _Tile] = {}
    for name, cell in module["cells"].items():
        if cell["type"] in ("TRELLIS_COMB", "TRELLIS_FF", "TRELLIS_RAMW") and (site := site_of(cell)):
            x, y, place = location(site)
            if _KINDS[cell["type"]] != place[len("SLICEA.") :].rstrip("01"):
                yield f"{name}, a {cell['type']}, lies at {site}"
            tiles.setdefault((x, y), {})[place] = cell
    logic = set(fabric.tiles)
    for (x, y), tile in tiles.items():
        if (x, y) not in logic:
            yield f"X{x}/Y{y} is no logic tile of an {fabric.device}"
        yield from (f"X{x}/Y{y}: {problem}" for problem in _tile(tile))


_KINDS = {"TRELLIS_COMB": "K", "TRELLIS_FF": "FF", "TRELLIS_RAMW": "RAMW"}


def _tile(tile: _Tile) -> Iterator[str]:
    slots = [f"SLICE{'ABCD'[slot // 2]}.{{}}{slot % 2}" for slot in range(LUTS_OF_TILE)]
    luts = [tile.get(slot.format("K")) for slot in slots]
    flip_flops = [tile.get(slot.format("FF")) for slot in slots]
    modes = [lut and lut["parameters"].get("MODE", "LOGIC") for lut in luts]
    if _differ(tile_controls(cell) for cell in flip_flops if cell):
        yield "its flip-flops have different clocks or resets"
    memories = [lut for lut, mode in zip(luts, modes, strict=True) if lut and mode == "DPRAM"]
    polarities = [(inverted(lut, "WCKMUX"), inverted(lut, "WREMUX")) for lut in memories]
    polarities += [(inverted(cell, "CLKMUX"), inverted(cell, "LSRMUX")) for cell in flip_flops if cell]
    if memories and _differ(polarities):
        yield "its RAM and its flip-flops need clocks or resets of different polarity"
    if "DPRAM" in modes[4:]:
        yield "a RAM lies above slice B"
    if "SLICEC.RAMW" in tile and set(modes[4:6]) - {None, "RAMW_BLOCK"}:
        yield "slice C has a RAM's write port and other LUTs"
    if "RAMW_BLOCK" in modes and "SLICEC.RAMW" not in tile:
        yield "LUTs are kept for a write port that is not there"
    for slot in range(0, LUTS_OF_TILE, 2):
        if _differ(slice_controls(cell) for cell in flip_flops[slot : slot + 2] if cell):
            yield f"the flip-flops of slice {'ABCD'[slot // 2]} have different enables"
        if _differ(mode == "CCU2" for mode in modes[slot : slot + 2] if mode):
            yield f"slice {'ABCD'[slot // 2]} has a carry's LUT and another"
    for slot, (lut, flip_flop) in enumerate(zip(luts, flip_flops, strict=True)):
        driven = lut is not None and flip_flop and net_of(lut, "F") == net_of(flip_flop, "DI")
        if flip_flop and is_paired(flip_flop) and not driven:
            yield f"flip-flop {slot} is not with the LUT that drives it"


def _chains(module: dict[str, Any]) -> Iterator[str]:
    """Carries go from a LUT to the next of its tile, from its last to the first of the tile to the right."""
    drivers, readers = {}, {}
    for name, cell in module["cells"].items():
        if cell["type"] == "TRELLIS_COMB" and site_of(cell):
            drivers[net_of(cell, "FCO")] = cell
            readers[net_of(cell, "FCI")] = name, cell
    for net, (name, cell) in readers.items():
        if net is None:
            continue
        x, y, slot = _slot(cell)
        before = (x, y, slot - 1) if slot else (x - 1, y, LUTS_OF_TILE - 1)
        if net not in drivers or _slot(drivers[net]) != before:
            yield f"{name} at {site_of(cell)} is not behind the LUT that its carry comes from"


def _slot(cell: dict[str, Any]) -> tuple[int, int, int]:
    x, y, place = location(site_of(cell) or "")
    return x, y, 2 * "ABCD".index(place[len("SLICE")]) + int(place[-1])


def _differ(values: Iterable[Hashable]) -> bool:
    return len(set(values)) > 1
