"""Where things live in the global buffer: psums, and rings of ifmap tiles, filter slots and ofmap tiles, and
of what a fused layer makes of those.

Psums of column j fill bank j from offset 0. What is left of the banks of columns in use is taken by rings
whose pieces each fit into one such rest (piece n in bank n: a stride of `depth` words); the other rings lie
one piece behind the other, from the last rest on to the end of the buffer.
"""

from dataclasses import dataclass, replace

from orris_hw.config import AcceleratorConfig

RING_LIMIT = 255  # slots: bits of the commands' fields, and the largest count of a semaphore


@dataclass(frozen=True)
class Ring:
    """`slots` areas of `words` words, `stride` words apart."""

    base: int
    slots: int
    words: int
    stride: int

    def address(self, slot: int) -> int:
        return self.base + slot * self.stride


@dataclass(frozen=True)
class Needs:
    """What a mapping keeps in the buffer, in words.

    columns : columns in use. psums : words of a column's psums, 0 if none are kept. ifmap : an ifmap tile.
    contents : different ifmap tiles. resident : those that are of use at once. filters : a filter slot.
    filter_slots : least number of slots. filter_total : slots of all filters. ofmap_blocks, ofmap_plane :
    ofmap tile. ofmap_tiles : their number. parameters : entries of an ofmap tile, 0 if all entries stay.

    Of a fused layer: results : a tile of its result. result_tiles : their number. operand : the other one's
    tile is there first, and the ofmap tile has to lie like it. kept : what is kept of ofmap tiles for later
    ones, in each of `kept_areas` areas.
    """

    columns: int
    psums: int
    ifmap: int
    contents: int
    resident: int
    filters: int
    filter_slots: int
    filter_total: int
    ofmap_blocks: int
    ofmap_plane: int
    ofmap_tiles: int
    parameters: int
    results: int = 0
    result_tiles: int = 0
    operand: bool = False
    kept: int = 0
    kept_areas: int = 1


@dataclass(frozen=True)
class BufferPlan:
    """The layout; `ofmap_block_stride` is 0 where an ofmap tile's channel blocks follow each other. `results`
    and `kept` have no words where nothing is fused."""

    psum_words: int
    ifmap: Ring
    filters: Ring
    ofmap: Ring
    ofmap_block_stride: int
    results: Ring
    kept: Ring


def plan_buffer(config: AcceleratorConfig, needs: Needs) -> BufferPlan | None:
    """The best layout that fits, or None: all ifmap tiles, else two, else one; two ofmap tiles, else one,
    of a fused layer's result as many; then as many filter slots as there is room for, and two rather than
    one before all else."""
    useful = needs.contents, needs.resident, 2, 1
    ifmap_choices = sorted({min(needs.contents, n) for n in useful if n <= RING_LIMIT}, reverse=True)
    ofmap_limit = config.post_processing.channels // needs.parameters if needs.parameters else 2
    ofmap_choices = sorted({min(needs.ofmap_tiles, ofmap_limit, n) for n in (2, 1)}, reverse=True)
    double = max(needs.filter_slots, min(2, needs.filter_total))
    for least in sorted({double, needs.filter_slots}, reverse=True):
        for ifmap_slots in ifmap_choices:
            for ofmap_slots in ofmap_choices:
                plans = [
                    plan
                    for split in (True, False)
                    if (plan := _lay_out(config, needs, ifmap_slots, ofmap_slots, split)) is not None
                    and plan.filters.slots >= least
                ]
                if plans:
                    return _apart(config, needs, max(plans, key=lambda plan: plan.filters.slots))
    return None


def _apart(config: AcceleratorConfig, needs: Needs, plan: BufferPlan) -> BufferPlan:
    """The same plan, where there is room with the rings behind each other clear of the psums' banks, and each
    in banks of its own: a bank serves one reader and one writer a cycle, psums before all others."""
    depth = config.global_buffer.depth
    for unit in (depth, 1):
        free = needs.columns * depth if needs.psums else 0
        moved: dict[str, Ring] = {}
        for name in ("ifmap", "ofmap", "filters", "results", "kept"):
            ring: Ring = getattr(plan, name)
            if ring.base >= plan.ifmap.base:  # not in the rests of the psums' banks
                moved[name] = replace(ring, base=free)
                free += -(-ring.slots * ring.stride // unit) * unit
        if free <= config.glb_words:
            return replace(plan, **moved)
    return plan


def _lay_out(
    config: AcceleratorConfig, needs: Needs, ifmap_slots: int, ofmap_slots: int, split: bool
) -> BufferPlan | None:
    """`split`: the ofmap's channel blocks go to the rests of the banks."""
    depth = config.global_buffer.depth
    rests = needs.columns - 1 if needs.psums else 0  # the last column's rest joins the banks behind it
    offset, free = needs.psums, rests * depth + needs.psums

    ifmap = Ring(free, ifmap_slots, needs.ifmap, needs.ifmap)
    free += ifmap_slots * needs.ifmap

    blocks, plane = needs.ofmap_blocks, needs.ofmap_plane
    if split:
        if needs.operand or plane > depth - offset or ofmap_slots * blocks > rests:
            return None
        ofmap, block_stride = Ring(offset, ofmap_slots, blocks * plane, blocks * depth), depth
        offset += plane
    else:
        ofmap, block_stride = Ring(free, ofmap_slots, blocks * plane, blocks * plane), 0
        free += ofmap_slots * blocks * plane
    results = Ring(free, min(ofmap_slots, needs.result_tiles), needs.results, needs.results)
    free += results.slots * results.words
    kept = Ring(free, needs.kept_areas, needs.kept, needs.kept)
    free += kept.slots * kept.words
    if free > config.glb_words:
        return None

    most = min(needs.filter_total, RING_LIMIT)
    behind = min(most, (config.glb_words - free) // needs.filters)
    beside = min(most, rests) if needs.filters <= depth - offset else 0
    if max(behind, beside) == 0:
        return None
    filters = (
        Ring(free, behind, needs.filters, needs.filters)
        if behind > beside
        else Ring(offset, beside, needs.filters, depth)
    )
    return BufferPlan(needs.psums, ifmap, filters, ofmap, block_stride, results, kept)
