"""When ifmap tiles and filters come into the buffer and leave it, RUN by RUN."""

from dataclasses import dataclass

from ..mapper import Mapping, RunItem
from ..mapper.mapping import Area
from ..mapper.residency import taking_turns
from ..mapper.tiling import FilterRun, Part, Tile


@dataclass
class IfmapLoad:
    """Channel blocks [first_block, end_block) of a tile, in the buffer from RUN `begin` to RUN `end`.

    slot : where it is. after : the load that was there before, if any. followed : another one comes after it.
    """

    tile: Tile
    first_block: int
    end_block: int
    begin: int
    end: int
    slot: int = 0
    after: int | None = None
    followed: bool = False


@dataclass(frozen=True)
class FilterUse:
    """The slots of a RUN: from slot `start` of the ring on; loaded for it, and free after it, or kept."""

    start: int
    load: bool
    free: bool


def ifmap_loads(mapping: Mapping, items: list[RunItem]) -> tuple[list[IfmapLoad], list[int | None]]:
    """The loads in order, and for each RUN the index of the one it computes on; None if it sees no ifmap."""
    epochs = [(areas, tiles, taking_turns(mapping, areas)) for areas, tiles in mapping.epochs]
    epoch_of = {tile: number for number, (_, tiles, _) in enumerate(epochs) for tile in tiles}
    window_of = {id(window): at for at, window in enumerate(mapping.windows)}
    loads: list[IfmapLoad] = []
    uses: list[int | None] = []
    known: dict[tuple[Tile, Area], int | None] = {}
    before, latest, turn = None, None, None
    for index, item in enumerate(items):
        area = mapping.area(item.filters, item.part)
        tile = mapping.tile(item.window, area.part)
        group, place = divmod(window_of[id(item.window)], mapping.together)
        key, epoch = (tile, area), (group, epoch_of[item.tile])
        if epoch != before and not mapping.ifmap_stays:
            # Only what the last RUN has used is still of use.
            known = {key: known[key]} if key == latest else {}
        before, latest = epoch, key
        if (place, area) in epochs[epoch_of[item.tile]][2]:
            if turn is not None and turn != key:
                known.pop(turn, None)
            turn = key
        if key not in known:
            known[key] = len(loads) if tile.plane_words else None
            if tile.plane_words:
                loads.append(IfmapLoad(tile, area.first_block, area.end_block, index, index))
        if (number := known[key]) is not None:
            loads[number].end = index
        uses.append(number)
    _hand_out_slots(loads, mapping.buffer.ifmap.slots)
    return loads, uses


def _hand_out_slots(loads: list[IfmapLoad], slots: int) -> None:
    """Slots go to loads in the order in which their last users are through: the order of the tokens."""
    ended = sorted(range(len(loads)), key=lambda number: loads[number].end)
    for number, load in enumerate(loads):
        if number < slots:
            load.slot = number
        else:
            load.after = ended[number - slots]
            load.slot = loads[load.after].slot
            loads[load.after].followed = True


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
