"""When ifmap tiles and filters come into the buffer and leave it, RUN by RUN."""

from dataclasses import dataclass

from ..mapper import Mapping, RunItem
from ..mapper.mapping import Area
from ..mapper.tiling import FilterRun, Part, Tile


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
    slots, stays, resident = mapping.buffer.ifmap.slots, mapping.ifmap_stays, mapping.resident
    epoch_of = {tile: epoch for epoch, (_, tiles) in enumerate(mapping.epochs) for tile in tiles}
    group_of = {id(window): at // mapping.together for at, window in enumerate(mapping.windows)}
    loads: list[IfmapLoad] = []
    uses: list[int | None] = []
    known: dict[tuple[Tile, Area], int | None] = {}
    before, latest = None, None
    for index, item in enumerate(items):
        area = mapping.area(item.filters, item.part)
        tile = mapping.tile(item.window, area.part)
        key, epoch = (tile, area), (group_of[id(item.window)], epoch_of[item.tile])
        if not stays and (epoch != before or not resident):
            # Of use again are the areas of an epoch, if there is room for them, or else the latest one.
            known = {key: known[key]} if key == latest else {}
        before, latest = epoch, key
        if key not in known:
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
    together, windows = mapping.together, mapping.windows
    first = {id(windows[at]) for at in range(0, 1 if stays else len(windows), together)}
    last = {id(windows[at]) for at in range(together - 1, len(windows), together)}
    starts: dict[tuple[FilterRun, Part], int] = {}
    loaded, result = 0, []
    for item in items:
        key = item.filters, item.part
        load = id(item.window) in first
        if load:
            starts[key] = loaded % slots
            loaded += item.part.passes
        result.append(FilterUse(starts[key], load, not stays and id(item.window) in last))
    return result
