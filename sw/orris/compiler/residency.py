"""When ifmap tiles and filters come into the buffer and leave it, RUN by RUN."""

from dataclasses import dataclass

from ..mapper import Mapping, RunItem
from ..mapper.tiling import Window


@dataclass
class IfmapLoad:
    """Channel blocks [first_block, end_block) of a window, in the buffer from RUN `begin` to RUN `end`."""

    window: Window
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


def ifmap_loads(mapping: Mapping, items: list[RunItem]) -> tuple[list[IfmapLoad], list[int]]:
    """The loads in order, and for each RUN the index of the one it computes on."""
    slots, stays = mapping.buffer.ifmap.slots, mapping.ifmap_stays
    loads: list[IfmapLoad] = []
    uses: list[int] = []
    known: dict[tuple[Window, int, int], int] = {}
    for index, item in enumerate(items):
        first, end = mapping.block_range(item.filters, item.chunk)
        key = item.window, first, end
        if key not in known:
            if not stays:
                known.clear()  # only consecutive RUNs share a tile
            known[key] = len(loads)
            loads.append(IfmapLoad(item.window, first, end, len(loads) % slots, index, index))
        loads[known[key]].end = index
        uses.append(known[key])
    return loads, uses


def filter_uses(mapping: Mapping, items: list[RunItem]) -> list[FilterUse]:
    """For each RUN, where its filters are and whether they come or go with it."""
    slots, stays = mapping.buffer.filters.slots, mapping.filters_stay
    kept = stays or mapping.order == "windows"
    first, last = mapping.windows[0], mapping.windows[-1]
    starts: dict[tuple[object, object], int] = {}
    loaded, result = 0, []
    for item in items:
        key = item.filters, item.chunk
        load = not kept or item.window is first
        if load:
            starts[key] = loaded % slots
            loaded += item.chunk.passes
        result.append(FilterUse(starts[key], load, not stays and (not kept or item.window is last)))
    return result
