"""Areas of the global buffer: apart from each other, and ifmap tiles in them when they are of use."""

import random
from dataclasses import replace

import pytest

from orris.compiler.residency import ifmap_loads
from orris.layers import find_layer
from orris.mapper import BufferPlan, Mapping
from orris.mapper.buffer import Needs, plan_buffer
from orris.mapper.counts import ifmap_load_words
from orris.mapper.residency import epoch_loads, taking_turns
from orris_hw.config import PRESETS, AcceleratorConfig
from random_mappings import random_mapping, turn_taking

TINY, ORRIS = PRESETS["tiny"], PRESETS["orris-168"]


def places(config: AcceleratorConfig, needs: Needs, plan: BufferPlan) -> list[list[int]]:
    """The words of each area of the buffer."""
    depth, blocks = config.global_buffer.depth, needs.ofmap_blocks
    found = [list(range(bank * depth, bank * depth + plan.psum_words)) for bank in range(needs.columns)]
    for base, stride in zip(plan.ifmap.bases, plan.ifmap.block_strides, strict=True):
        starts = [base + n * stride for n in range(needs.ifmap_blocks)] if stride else [base]
        found.append([at + n for at in starts for n in range(needs.ifmap_plane if stride else needs.ifmap)])
    for ring in (plan.filters, plan.results, plan.kept):
        found += [[ring.address(slot) + n for n in range(ring.words)] for slot in range(ring.slots)]
    for slot in range(plan.ofmap.slots):
        stride = plan.ofmap_block_stride or needs.ofmap_plane
        starts = [plan.ofmap.address(slot) + n * stride for n in range(blocks)]
        found.append([at + n for at in starts for n in range(needs.ofmap_plane)])
    return found


def random_needs(rng: random.Random, columns: int) -> Needs:
    blocks, plane = rng.randint(1, 6), rng.randint(1, 60)
    contents, total, unit = rng.randint(1, 40), rng.randint(1, 60), rng.choice((1, 1, 2, 3))
    fused = rng.random() < 0.3
    return Needs(
        columns=rng.randint(1, columns), psums=rng.choice((0, rng.randint(1, 60))),
        ifmap=blocks * plane, ifmap_blocks=blocks, ifmap_plane=plane, contents=contents,
        resident=rng.randint(1, contents), filters=rng.randint(1, 60),
        filter_slots=unit * rng.randint(1, total), filter_total=unit * total, filter_unit=unit,
        ofmap_blocks=rng.randint(1, 4), ofmap_plane=rng.randint(1, 50), ofmap_tiles=rng.randint(1, 9),
        ofmap_slots=rng.randint(1, 2), parameters=rng.choice((0, 8)), results=rng.randint(1, 50) * fused,
        result_tiles=rng.randint(1, 9) * fused, operand=fused and rng.random() < 0.5,
        kept=rng.randint(1, 50) * fused, kept_areas=rng.randint(1, 3),
        beside_psums=rng.random() < 0.8,
    )  # fmt: skip


def test_areas_are_apart(seed):
    rng, planned = random.Random(seed), 0
    config = TINY.derive({"array": {"columns": 8}, "global_buffer": {"banks": 12, "depth": 128}})
    while planned < 500:
        needs = random_needs(rng, 8)
        if (plan := plan_buffer(config, needs)) is None:
            continue
        planned += 1
        words = [word for area in places(config, needs, plan) for word in area]
        assert len(words) == len(set(words)), f"areas overlap: {needs}, {plan}"
        assert max(words) < config.glb_words, plan
        assert needs.beside_psums or plan.ifmap.together
        assert plan.filters.slots >= needs.filter_slots and plan.ifmap.slots <= needs.contents


def test_tiles_are_there_while_they_are_used(seed):
    """No slot holds two tiles at once, a tile is there for every RUN, and as many words come as foretold."""
    rng = random.Random(seed)
    for _ in range(100):
        mapping = rng.choice((random_mapping, turn_taking))(rng)
        items = list(mapping.schedule())
        loads, uses = ifmap_loads(mapping, items)
        for index, (item, use) in enumerate(zip(items, uses, strict=True)):
            area = mapping.area(item.filters, item.part)
            tile = mapping.tile(item.window, area.part)
            if use is None:
                assert tile.plane_words == 0
                continue
            load = loads[use]
            assert load.begin <= index <= load.end
            assert (load.tile, load.first_block, load.end_block) == (tile, area.first_block, area.end_block)
        by_slot: dict[int, int] = {}
        for number, load in enumerate(loads):
            before = by_slot.get(load.slot)
            assert load.after == before
            if before is not None:
                assert loads[before].end < load.begin and loads[before].followed
            by_slot[load.slot] = number
        assert not any(loads[number].followed for number in by_slot.values())
        words = sum((load.end_block - load.first_block) * load.tile.plane_words for load in loads)
        assert words == ifmap_load_words(mapping), mapping


@pytest.mark.parametrize("slots, turns", [(1, 16), (2, 16), (8, 10), (9, 8), (14, 3), (15, 2), (16, 0)])
def test_tiles_that_take_turns(slots, turns):
    """Of conv3's 16 tiles in two images: never two of them one after the other in a single slot."""
    layer = replace(find_layer("alexnet.conv3"), N=2)
    mapping = Mapping(
        layer, ORRIS, p=8, q=4, e=13, t=1, positions=13, rows=12, chunk=32, pixel_lanes=8, held="chunk",
        group=2,
    )  # fmt: skip
    ifmap = mapping.buffer.ifmap
    some = replace(ifmap, bases=(0,) * slots, block_strides=(0,) * slots)
    object.__setattr__(mapping, "plan", replace(mapping.buffer, ifmap=some))
    [(areas, tiles)] = mapping.epochs
    chosen = taking_turns(mapping, areas)
    assert len(chosen) == turns
    uses = [(window, area) for window in range(2) for area in areas]
    places = [n for n, use in enumerate(uses) if use in chosen]
    if turns == 17 - slots < 16:  # in one slot
        following = [*places[1:], places[0] + 16]
        assert all(after - before > 1 for before, after in zip(places, following, strict=True))
    loads = epoch_loads(mapping, areas, tiles)
    assert loads == {use: len(tiles) if use in chosen else 1 for use in uses}
