"""Depthwise layers by stacked sets on the accelerator's RTL: bit-exact, the counters as predicted."""

import random

import pytest

from orris.layers import ConvLayer, LayerError, Padding
from orris.mapper import DepthwiseMapping, map_layer
from orris.mapper.depthwise import map_depthwise
from orris_hw.config import AcceleratorConfig, preset
from orris_sim.layer_run import MemoryModel, run_layer

# Four lanes of a word at once, by two sets on each other and two side by side; parameters for two blocks.
STACKED = preset("tiny").derive(
    {
        "name": "stacked",
        "array": {"rows": 7, "columns": 5},
        "networks": {"x_lanes": 2, "psum_bits": 160},
        "post_processing": {"lanes": 2, "channels": 16},
    }
)
# All eight lanes, where a lane of post-processing serves both sets of a row.
MERGED = STACKED.derive(
    {
        "name": "merged",
        "array": {"rows": 12, "columns": 6},
        "networks": {"psum_bits": 192},
        "post_processing": {"lanes": 3, "channels": 64},
    }
)
CONFIGS = {config.name: config for config in (preset("tiny"), STACKED, MERGED)}


def random_layer(numbers: random.Random) -> ConvLayer:
    """Any depthwise layer of one filter a channel: odd sizes, strides, padding, several images."""
    while True:
        R, S = numbers.choice([1, 2, 3, 3, 3, 5]), numbers.choice([1, 2, 3, 3, 3, 5])
        pad = (numbers.randrange(R), numbers.randrange(S), numbers.randrange(R), numbers.randrange(S))
        channels = numbers.choice([2, 8, 16, numbers.randint(2, 70)])
        size = 26 if channels <= 16 else 9
        try:
            return ConvLayer(
                N=numbers.choice([1, 1, 2]),
                G=channels,
                M=channels,
                C=1,
                H=numbers.randint(1, size),
                W=numbers.randint(1, size),
                R=R,
                S=S,
                U=numbers.randint(1, 3),
                V=numbers.randint(1, 3),
                padding=Padding(*pad),
                ifmap_zeros=numbers.choice([0.0, 0.5]),
            )
        except LayerError:
            pass


@pytest.mark.parametrize("config", CONFIGS.values(), ids=CONFIGS)
def test_random_layers(config: AcceleratorConfig, seed: int) -> None:
    numbers = random.Random(seed)
    done = 0
    while done < 12:
        layer = random_layer(numbers)
        mapping = map_depthwise(layer, config)
        if mapping is None:
            continue
        memory = MemoryModel(
            latency=numbers.choice([0, 100]), bandwidth=numbers.choice([8.0, 3.0, 16.0]),
            stalls=numbers.choice([0.0, 0.3]),
        )  # fmt: skip
        begin = numbers.randrange(1 << 30)
        report = run_layer(layer, config, seed=begin, mapping=mapping, memory=memory).report
        assert report.problem is None, f"{layer}\n{mapping.as_dict()}"
        assert report.mismatches == 0, f"{layer}\n{mapping.as_dict()}"
        assert report.surprises == {}, f"{layer}\n{mapping.as_dict()}"
        done += 1


def test_the_mapper_chooses_it_where_it_applies() -> None:
    layer = ConvLayer(G=16, M=16, C=1, H=14, W=14, R=3, S=3, padding=Padding.all(1))
    assert isinstance(map_layer(layer, MERGED), DepthwiseMapping)
    twice = ConvLayer(G=16, M=32, C=1, H=14, W=14, R=3, S=3, padding=Padding.all(1))
    assert not isinstance(map_layer(twice, MERGED), DepthwiseMapping)
