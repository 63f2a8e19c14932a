"""Where things live in the global buffer: psums, ifmap tiles, rings of filter slots and ofmap tiles, and
what a fused layer makes of those.

Psums of column j fill bank j from offset 0. What is left of the banks of columns in use (the rests) is taken
by rings whose pieces each fit into one such rest, piece n in that of bank n (a stride of `depth` words), and
by ifmap tiles with a channel block in each of several rests. All else lies one piece behind the other, from
the last rest on to the end of the buffer.
"""

from dataclasses import dataclass, replace

from orris_hw.config import AcceleratorConfig

from .tiling import ceil_div

RING_LIMIT = 255  # slots: bits of the commands' fields, and the largest count of a semaphore
_AHEAD = 8  # filter slots that are worth more than an ifmap tile that stays


@dataclass(frozen=True)
class Ring:
    """`slots` areas of `words` words: units of some that lie together, `stride` words from unit to unit."""

    base: int
    slots: int
    words: int
    stride: int
    unit: int = 1

    def address(self, slot: int) -> int:
        return self.base + slot // self.unit * self.stride + slot % self.unit * self.words


@dataclass(frozen=True)
class Places:
    """Slots of ifmap tiles, each with an address of its own.

    words : of the largest tile. bases : first word of each slot. block_strides : words from channel block to
    channel block; 0 where a tile's blocks follow each other.
    """

    words: int
    bases: tuple[int, ...]
    block_strides: tuple[int, ...]

    @property
    def slots(self) -> int:
        return len(self.bases)

    @property
    def together(self) -> bool:
        """All tiles lie one behind the other."""
        return not any(self.block_strides)


@dataclass(frozen=True)
class Needs:
    """What a mapping keeps in the buffer, in words.

    columns : columns in use. psums : words of a column's psums, 0 if none are kept. ifmap : an ifmap tile.
    ifmap_blocks, ifmap_plane : its channel blocks, and words of one. contents : different ifmap tiles.
    resident : those that are of use at once. filters : a filter slot. filter_slots : least number of slots.
    filter_total : slots of all filters. filter_unit : slots of every RUN, or 1 where RUNs differ.
    ofmap_blocks, ofmap_plane : ofmap tile. ofmap_tiles : their number. ofmap_slots : those of use at once.
    parameters : entries of an ofmap tile, 0 if all entries stay. beside_psums : ifmap tiles may lie in banks
    of psums, which those leave free in most cycles.

    Of a fused layer: results : a tile of its result. result_tiles : their number. operand : the other one's
    tile is there first, and the ofmap tile has to lie like it. kept : what is kept of ofmap tiles for later
    ones, in each of `kept_areas` areas.
    """

    columns: int
    psums: int
    ifmap: int
    ifmap_blocks: int
    ifmap_plane: int
    contents: int
    resident: int
    filters: int
    filter_slots: int
    filter_total: int
    filter_unit: int
    ofmap_blocks: int
    ofmap_plane: int
    ofmap_tiles: int
    ofmap_slots: int
    parameters: int
    results: int = 0
    result_tiles: int = 0
    operand: bool = False
    kept: int = 0
    kept_areas: int = 1
    beside_psums: bool = True

    @property
    def double_filters(self) -> int:
        """Filter slots with which the next filters come while the present ones are in use."""
        return max(self.filter_slots, min(2, self.filter_total))

    @property
    def kept_filters(self) -> int:
        """Filter slots that go before ifmap tiles that stay, but for the case that all do."""
        return max(self.filter_slots, min(_AHEAD, self.filter_total))


@dataclass(frozen=True)
class BufferPlan:
    """The layout; `ofmap_block_stride` is 0 where an ofmap tile's channel blocks follow each other. `results`
    and `kept` have no words where nothing is fused."""

    psum_words: int
    ifmap: Places
    filters: Ring
    ofmap: Ring
    ofmap_block_stride: int
    results: Ring
    kept: Ring

    def merit(self, needs: Needs) -> tuple[int, ...]:
        """Larger is better: two filter slots and two ifmap tiles rather than one; the ofmap tiles of use at
        once; all ifmap tiles, or those of use at once; some that stay while others take turns; the rest."""
        tiles, filters = self.ifmap.slots, self.filters.slots
        stay = 3 if tiles >= needs.contents else 2 if tiles >= needs.resident else min(tiles, 2) - 1
        return (
            min(filters, needs.double_filters),
            min(stay, 1),
            min(self.ofmap.slots, needs.ofmap_slots),
            stay,
            tiles if stay > 1 or filters >= needs.kept_filters else min(tiles, 2),
            self.ifmap.together,
            self.ofmap.slots,
            filters,
        )


def plan_buffer(config: AcceleratorConfig, needs: Needs) -> BufferPlan | None:
    """The best layout that fits, or None."""
    ofmap_limit = config.post_processing.channels // needs.parameters if needs.parameters else 2
    rests = needs.columns - 1 if needs.psums else 0  # the last column's rest joins the banks behind it
    behind = {needs.filter_slots, needs.double_filters, needs.kept_filters}
    unit = needs.filter_unit if needs.filter_slots > rests else 1
    most = min(rests, RING_LIMIT // unit)
    beside = {min(most, ceil_div(slots, unit)) * unit for slots in (needs.kept_filters, needs.filter_total)}
    plans = [
        plan
        for ofmap_slots in {min(needs.ofmap_tiles, ofmap_limit, n) for n in (1, 2)}
        for split in (True, False)
        for in_rests, slots in ((False, behind), (True, beside))
        for filters in slots
        if needs.filter_slots <= filters <= RING_LIMIT
        and (plan := _lay_out(config, needs, ofmap_slots, split, filters, in_rests)) is not None
    ]
    return _apart(config, needs, max(plans, key=lambda plan: plan.merit(needs))) if plans else None


def _apart(config: AcceleratorConfig, needs: Needs, plan: BufferPlan) -> BufferPlan:
    """The same plan, where there is room with all that lies behind each other clear of the psums' banks, and
    each in banks of its own: a bank serves one reader and one writer a cycle, psums before all others."""
    if not plan.ifmap.together:
        return plan
    depth, first = config.global_buffer.depth, min(plan.ifmap.bases)
    for unit in (depth, 1):
        at = needs.columns * depth if needs.psums else 0
        ifmap, at = _one_behind_the_other(needs, plan.ifmap.slots, at), at + plan.ifmap.slots * needs.ifmap
        rings: dict[str, Ring] = {}
        for name in ("ofmap", "filters", "results", "kept"):
            ring: Ring = getattr(plan, name)
            if ring.base >= first:  # not in the rests of the psums' banks
                at = ceil_div(at, unit) * unit
                rings[name] = replace(ring, base=at)
                at += ring.slots * ring.stride
        if at <= config.glb_words:
            return replace(plan, ifmap=ifmap, **rings)
    return plan


def _one_behind_the_other(needs: Needs, slots: int, base: int) -> Places:
    return Places(needs.ifmap, tuple(base + n * needs.ifmap for n in range(slots)), (0,) * slots)


def _lay_out(
    config: AcceleratorConfig, needs: Needs, ofmap_slots: int, split: bool, filter_slots: int, in_rests: bool
) -> BufferPlan | None:
    """As many ifmap tiles as there is room for and use of.

    split : the ofmap's channel blocks go to the rests of the banks. in_rests : so do the filters, just
    `filter_slots` of them; otherwise they are behind, so many at least.
    """
    depth = config.global_buffer.depth
    rests = needs.columns - 1 if needs.psums else 0  # the last column's rest joins the banks behind it
    used, free = [needs.psums] * rests, rests * depth + needs.psums
    room = config.glb_words - free

    blocks, plane = needs.ofmap_blocks, needs.ofmap_plane
    if split:
        if needs.operand or ofmap_slots * blocks > rests or needs.psums + plane > depth:
            return None
        ofmap, block_stride = Ring(needs.psums, ofmap_slots, blocks * plane, blocks * depth), depth
        used[: ofmap_slots * blocks] = [needs.psums + plane] * (ofmap_slots * blocks)
    else:
        ofmap, block_stride = Ring(0, ofmap_slots, blocks * plane, blocks * plane), 0
        room -= ofmap_slots * blocks * plane
    results = Ring(0, min(ofmap_slots, needs.result_tiles), needs.results, needs.results)
    kept = Ring(0, needs.kept_areas, needs.kept, needs.kept)
    room -= results.slots * results.words + kept.slots * kept.words

    filters = Ring(0, filter_slots, needs.filters, needs.filters)
    if in_rests:
        unit = needs.filter_unit if filter_slots > rests else 1
        filters, end = replace(filters, base=used[0], stride=depth, unit=unit), used[0] + unit * needs.filters
        if end > depth:
            return None
        used[: filter_slots // unit] = [end] * (filter_slots // unit)
    else:
        room -= filter_slots * needs.filters
    if room < 0:
        return None

    behind = min(room // needs.ifmap, needs.contents) if needs.ifmap else needs.contents
    in_banks = _in_rests(config, needs, used, needs.contents - behind) if needs.beside_psums else []
    tiles = min(behind + len(in_banks), RING_LIMIT)
    if tiles < needs.contents:
        tiles = min(tiles, max(needs.resident, 2))
    if tiles == 0:
        return None
    behind = min(tiles, behind)
    ifmap = _one_behind_the_other(needs, behind, free)
    free += behind * needs.ifmap
    bases = tuple(in_banks[: tiles - behind])
    ifmap = Places(ifmap.words, ifmap.bases + bases, ifmap.block_strides + (depth,) * len(bases))
    if not split:
        ofmap = replace(ofmap, base=free)
        free += ofmap_slots * blocks * plane
    results, kept = replace(results, base=free), replace(kept, base=free + results.slots * results.words)
    free = kept.base + kept.slots * kept.words
    if not in_rests:
        most = min(needs.filter_total, RING_LIMIT)
        filters = replace(filters, base=free, slots=min(most, (config.glb_words - free) // needs.filters))
    return BufferPlan(needs.psums, ifmap, filters, ofmap, block_stride, results, kept)


def _in_rests(config: AcceleratorConfig, needs: Needs, used: list[int], most: int) -> list[int]:
    """First words of up to `most` ifmap tiles with a channel block in each of some neighbouring rests, of
    which `used` words are taken."""
    depth, blocks = config.global_buffer.depth, needs.ifmap_blocks
    used, result = list(used), []
    bank, placed = 0, False
    while blocks <= len(used) and len(result) < most:
        if bank + blocks > len(used):
            if not placed:
                break
            bank, placed = 0, False
        offset = max(used[bank : bank + blocks])
        if offset + needs.ifmap_plane <= depth:
            used[bank : bank + blocks] = [offset + needs.ifmap_plane] * blocks
            result.append(bank * depth + offset)
            bank, placed = bank + blocks, True
        else:
            bank += 1
    return result
