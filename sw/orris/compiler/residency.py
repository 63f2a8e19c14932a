"""When ifmap tiles and filters come into the buffer and leave it, RUN by RUN."""

from dataclasses import dataclass

from ..mapper import Mapping, RunItem
from ..mapper.mapping import Area
from ..mapper.tiling import FilterRun, Part, Tile, Window


@dataclass
class IfmapLoad:
    """Channel blocks [first_block, end_block) of a tile, in the buffer from RUN `begin` to RUN `end`."""

    tile: Tile
    first_block: int
    end_block: int
    slot: int
    begin: int
    end: int


@dataclass(frozen=True)
class FilterUse:
    """The slots of a RUN: from slot `start` of the ring on; loaded for it, and free after it, or kept."""

    start: int
    load: bool
    free: bool


def ifmap_loads(mapping: Mapping, items: list[RunItem]) -> tuple[list[IfmapLoad], list[int | None]]:
    """The loads in order, and for each RUN the index of the one it computes on; None if it sees no ifmap."""
    slots, stays = mapping.buffer.ifmap.slots, mapping.ifmap_stays
    loads: list[IfmapLoad] = []
    uses: list[int | None] = []
    known: dict[tuple[Window, Area], int | None] = {}
    for index, item in enumerate(items):
        area = mapping.area(item.filters, item.part)
        key = item.window, area
        if key not in known:
            if not stays:
                known.clear()  # only consecutive RUNs share a tile
            tile = mapping.tile(item.window, area.part)
            known[key] = len(loads) if tile.plane_words else None
            if tile.plane_words:
                place = area.first_block, area.end_block, len(loads) % slots
                loads.append(IfmapLoad(tile, *place, index, index))
        if (number := known[key]) is not None:
            loads[number].end = index
        uses.append(number)
    return loads, uses


def filter_uses(mapping: Mapping, items: list[RunItem]) -> list[FilterUse]:
    """For each RUN, where its filters are and whether they come or go with it."""
    slots, stays = mapping.buffer.filters.slots, mapping.filters_stay
    kept = stays or mapping.order == "windows"
    first, last = mapping.windows[0], mapping.windows[-1]
    starts: dict[tuple[FilterRun, Part], int] = {}
    loaded, result = 0, []
    for item in items:
        key = item.filters, item.part
        load = not kept or item.window is first
        if load:
            starts[key] = loaded % slots
            loaded += item.part.passes
        result.append(FilterUse(starts[key], load, not stays and (not kept or item.window is last)))
    return result
