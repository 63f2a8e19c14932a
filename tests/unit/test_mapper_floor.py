"""What the mappings of a shape cannot be below: no more than any of them has; the search misses nothing."""

import random
from functools import partial

import pytest

from orris.cost import Criteria, choice
from orris.layers import ConvLayer, Padding
from orris.mapper import best_mappings, search
from orris.mapper.floor import Floor
from orris_hw.config import PRESETS

TINY = PRESETS["tiny"]
BUFFERS = [dict(banks=8, depth=depth) for depth in (32, 64, 256, 1024)]


def random_layer(rng: random.Random) -> ConvLayer:
    R, S, G = rng.choice([1, 2, 3, 5, 11]), rng.choice([1, 3, 4, 7]), rng.choice([1, 1, 1, 2, 3])
    D = rng.choice([1, 1, 1, 2])
    above, beside = rng.randint(0, min(2, (R - 1) * D)), rng.randint(0, min(2, (S - 1) * D))
    return ConvLayer(
        name="random", N=rng.choice([1, 1, 2]), G=G, C=rng.choice([1, 3, 8, 12, 20, 33]),
        M=G * rng.choice([1, 4, 9, 16, 26]), H=R * D + rng.randint(0, 18), W=S * D + rng.randint(0, 20),
        R=R, S=S, U=rng.randint(1, 3), V=rng.randint(1, 3), D=D,
        padding=Padding(above, beside, above, beside),
    )  # fmt: skip


@pytest.mark.parametrize("name", ["tiny", "orris-168", "eyeriss-v1"])
def test_no_mapping_is_below(name):
    seed = random.randrange(1 << 32)
    print("seed", seed)
    rng, checked = random.Random(seed), 0
    while checked < 40:
        layer = random_layer(rng)
        config = PRESETS[name].derive({"global_buffer": rng.choice(BUFFERS)} if name == "tiny" else {})
        weight = rng.choice([0.0, 0.3, 1.0])
        estimate = choice._Estimate(layer, config, Criteria(weight))
        looked = search._Search(layer, config, estimate, {}, None, None)
        for lanes in {config.block, 1 << rng.randrange(config.block.bit_length())}:
            floor = Floor(layer, config, lanes, False)
            looked._thorough = rng.random() < 0.3
            shapes = list(looked._candidates(lanes))
            for cycles, shape in rng.sample(shapes, min(6, len(shapes))):
                counts = floor.counts(**shape).counts
                least = estimate.least(cycles, partial(floor.counts, **shape))
                for mapping in looked._mappings(shape, lanes):
                    found = estimate._counters(mapping)
                    assert all(found[name] >= count for name, count in counts.items()), (mapping, counts)
                    assert least <= estimate.rank(mapping)[0] + 1e-9, mapping
                    checked += 1


@pytest.mark.parametrize(
    "layer, e, share",
    [
        (dict(C=8, M=32, H=66, W=34), 4, 1.0),  # all filters stay
        (dict(C=64, M=32, H=34, W=34), 4, 0.9),  # filters for every window
        (dict(C=128, M=16, H=12, W=12), 4, 0.9),  # ifmaps for every ofmap tile
    ],
)
def test_words_that_are_loaded_again_count(layer, e, share):
    layer = ConvLayer(name="reloaded", R=3, S=3, **layer)
    shape = dict(q=2, rows=3, p=8, e=e, t=1, positions=min(16, layer.F))
    estimate = choice._Estimate(layer, TINY, Criteria(0.0))
    looked = search._Search(layer, TINY, estimate, {}, None, None)
    loads = [estimate._counters(mapping)["glb_load_write"] for mapping in looked._mappings(shape, TINY.block)]
    least = Floor(layer, TINY, TINY.block, False).counts(**shape).counts["glb_load_write"]
    assert share * min(loads) <= least <= min(loads)


@pytest.mark.parametrize("weight", [0.0, 0.4, 1.0])
def test_the_search_misses_nothing_that_it_passes_over(weight, monkeypatch):
    seed = random.randrange(1 << 32)
    print("seed", seed)
    rng = random.Random(seed)
    layer = ConvLayer(
        name="small", C=4, M=rng.choice([6, 8]), H=rng.randint(4, 5),
        W=rng.randint(4, 6), R=rng.randint(1, 3), S=3,
    )  # fmt: skip
    config = TINY.derive({"global_buffer": dict(banks=8, depth=rng.choice([16, 32]))})
    estimate = choice._Estimate(layer, config, Criteria(weight))
    found = estimate.rank(best_mappings(layer, config, estimate, 16)[0])
    monkeypatch.setattr(search, "_SHAPES", 1 << 30)
    monkeypatch.setattr(search._Search, "_beyond", lambda self, least, best, count: False)
    assert found == estimate.rank(best_mappings(layer, config, estimate, 16)[0])
