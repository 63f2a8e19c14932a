"""Compiled programs, executed by the command model: exactly the golden layer, and exactly the words foretold."""

import random

import numpy as np
import pytest
from command_model import CommandModel

from orris.compiler import CompiledLayer, CompileError, compile_layer, pack_activations, unpack_activations
from orris.compiler.layout import ActivationLayout
from orris.golden import TensorError, conv2d, conv2d_fixed_point, random_layer_data
from orris.layers import ConvLayer, Padding, find_layer
from orris.mapper import MappingError, map_layer
from orris_hw.config import PRESETS

TINY, V1, ORRIS = PRESETS["tiny"], PRESETS["eyeriss-v1"], PRESETS["orris-168"]


def run(compiled: CompiledLayer, ifmap, seed: int):
    """The ofmap, and the model that computed it."""
    rng = np.random.default_rng(seed)
    memory = rng.integers(0, 256, compiled.memory_size, dtype=np.uint8)
    canary = memory.copy()
    placed = [*compiled.segments, (compiled.ifmap.address, compiled.pack_ifmap(ifmap))]
    for address, content in placed:
        memory[address : address + len(content)] = content
        canary[address : address + len(content)] = content
    model = CommandModel(compiled.config, memory, seed)
    model.read_window, model.write_window = compiled.read_window, compiled.write_window
    model.run(compiled.program_address, compiled.commands)
    start, size = compiled.ofmap.address, compiled.ofmap.layout.bytes
    canary[start : start + size] = memory[start : start + size]
    assert np.array_equal(memory, canary), "memory outside the ofmap changed"
    return compiled.unpack_ofmap(memory[start : start + size]), model


def check_layer(layer: ConvLayer, config, seed: int, mapping=None, **data):
    """Map, compile, run; compare with the golden layer and the closed formulas."""
    mapping = mapping or map_layer(layer, config)
    values = random_layer_data(
        layer, seed, data_width=config.data_width, arithmetic=config.arithmetic,
        psum_width=config.psum_width, **data,
    )  # fmt: skip
    compiled = compile_layer(layer, mapping, config, values.weights, values.requant, values.product_shift)
    ofmap, model = run(compiled, values.ifmap, seed)
    if config.arithmetic == "integer":
        expected = conv2d(layer, values.ifmap, values.weights, values.requant, config.psum_width)
    else:
        expected = conv2d_fixed_point(
            layer, values.ifmap, values.weights, values.requant, mapping.accumulation_order(),
            values.product_shift, config.psum_width,
        )  # fmt: skip
    assert np.array_equal(ofmap, expected), mapping.as_dict()
    counts = {name: model.counts[name] for name in compiled.expected_counts}
    assert counts == compiled.expected_counts, mapping.as_dict()
    return mapping


def random_layer(rng: random.Random) -> ConvLayer:
    G = rng.choice((1, 1, 1, 1, 2, 3, 8, 16))
    R, S = rng.choice((1, 2, 3, 3, 5, 7)), rng.choice((1, 2, 3, 3, 5, 7))
    C = rng.choice((1, 2, 3, 4, 6, 8, 16, 24)) if G < 8 else rng.choice((1, 2, 3))
    return ConvLayer(
        name="random",
        N=rng.choice((1, 1, 1, 2)),
        G=G,
        C=C,
        M=G * rng.choice((1, 2, 3, 5, 8, 13, 16, 40)),
        H=rng.randint(R, R + 12),
        W=rng.randint(S, S + 20),
        R=R,
        S=S,
        U=rng.choice((1, 1, 2, 3)),
        V=rng.choice((1, 1, 2, 3)),
        padding=Padding(*(rng.randint(0, taps - 1) for taps in (R, S, R, S))),
    )


@pytest.mark.parametrize("number", range(40))
@pytest.mark.parametrize("config", [TINY, V1, ORRIS], ids=lambda config: config.name)
def test_random_layer(config, number, seed):
    layer = random_layer(random.Random(seed))
    print(layer)
    check_layer(layer, config, seed)


@pytest.mark.parametrize("number", range(40))
def test_random_mapping(number, seed):
    """Slow mappings are right, too: small tiles, chunks of channels, either order."""
    rng = random.Random(seed)
    layer = random_layer(rng)
    config = rng.choice([TINY, TINY, V1])
    wish = {
        "e": rng.randint(1, 3), "t": rng.randint(1, 2), "positions": rng.randint(1, 9),
        "p": rng.randint(1, 6), "order": rng.choice(["filters", "windows"]),
    }  # fmt: skip
    if rng.random() < 0.6:
        q = rng.choice((1, 2, 4))
        wish |= {"q": q, "chunk": q * rng.randint(1, 3)}
    wish = {name: value for name, value in wish.items() if rng.random() < 0.7}
    print(layer, config.name, wish)
    try:
        mapping = map_layer(layer, config, **wish)
    except MappingError as error:
        pytest.skip(str(error))
    check_layer(layer, config, seed, mapping)
