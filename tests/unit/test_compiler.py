"""Compiled programs, run by the command model: exactly the golden layer, and exactly the words foretold."""

import random
from dataclasses import replace

import numpy as np
import pytest

from command_model import CommandModel
from orris.compiler import CompiledLayer, CompileError, compile_layer, pack_activations, unpack_activations
from orris.compiler.layout import ActivationLayout
from orris.golden import TensorError, conv2d, conv2d_fixed_point, random_layer_data
from orris.layers import ConvLayer, Padding, find_layer
from orris.mapper import MappingError, map_layer
from orris_hw.config import PRESETS
from random_mappings import turn_taking
from random_shapes import random_layer

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


@pytest.mark.parametrize("number", range(12))
@pytest.mark.parametrize("config", [TINY, V1, ORRIS], ids=lambda config: config.name)
def test_random_layer(config, number, seed):
    layer = random_layer(random.Random(seed), 200_000)
    print(layer)
    check_layer(layer, config, seed)


@pytest.mark.parametrize("number", range(30))
def test_random_mapping(number, seed):
    """Slow mappings are right, too: small tiles, chunks of channels, either order."""
    rng = random.Random(seed)
    layer = random_layer(rng, 200_000)
    config = rng.choice([TINY, TINY, V1])
    wish = {
        "e": rng.randint(1, 3), "positions": rng.randint(1, 9), "p": rng.randint(1, 6),
        "q": 1, "chunk": rng.randint(1, 6), "order": rng.choice(["filters", "windows"]),
    }  # fmt: skip
    bounds = {"e": layer.E, "positions": layer.F, "p": layer.filters_per_group, "chunk": layer.C}
    wish = {name: min(value, bounds[name]) if name in bounds else value for name, value in wish.items()}
    wish = {name: value for name, value in wish.items() if rng.random() < 0.7}
    if "chunk" in wish:
        wish["q"] = 1
    print(layer, config.name, wish)
    mapping = map_layer(layer, config, **wish)
    check_layer(layer, config, seed, mapping)


@pytest.mark.parametrize("number", range(12))
def test_filters_are_loaded_once_for_a_group_of_windows(number, seed):
    """They stay in the buffer while the filters pass, or do not all fit."""
    rng, tried = random.Random(seed), 0
    config = TINY.derive({"global_buffer": {"depth": 512}})
    while tried < 3:
        layer = replace(random_layer(rng, 200_000), N=rng.choice((1, 2, 3, 4)))
        wish = {name: 1 for name in ("q", "p") if rng.random() < 0.3} | {"e": rng.randint(1, min(4, layer.E))}
        try:
            mapping = map_layer(layer, config, order="filters", **wish)
            groups = [n for n in range(2, 13) if len(mapping.windows) % n == 0]
            if not groups:
                continue
            mapping = replace(mapping, group=rng.choice(groups))
        except MappingError:
            continue
        print(layer, mapping.as_dict())
        check_layer(layer, config, seed, mapping)
        tried += 1


def test_parameters_come_with_the_tiles():
    """More filters than post-processing holds parameters for."""
    layer = ConvLayer(name="wide", C=8, M=150, H=6, W=6, R=3, S=3, padding=Padding.all(1))
    mapping = check_layer(layer, TINY, 1)
    assert mapping.needs.parameters


def test_channels_are_split_where_the_buffer_is_small():
    layer = ConvLayer(name="deep", C=512, M=16, H=7, W=7, R=3, S=3, padding=Padding.all(1))
    mapping = check_layer(layer, TINY, 1)
    assert mapping.chunk < layer.C


@pytest.mark.parametrize("name", ["mobilenetv1.dw12", "mobilenetv1.dw13", "resnet18.layer4.0.downsample"])
def test_real_layers(name, seed):
    check_layer(find_layer(name), ORRIS, seed)


@pytest.mark.parametrize(
    "config, number",
    [*((ORRIS, n) for n in range(1, 6)), (V1, 3)],
    ids=lambda value: getattr(value, "name", str(value)),
)
def test_alexnet(config, number, seed):
    check_layer(find_layer(f"alexnet.conv{number}"), config, seed)


def test_ifmap_tiles_that_take_turns(seed):
    rng = random.Random(seed)
    for _ in range(8):
        while (mapping := turn_taking(rng)).layer.macs > 100_000:
            pass
        check_layer(mapping.layer, mapping.config, rng.getrandbits(32), mapping)


@pytest.mark.parametrize(
    "shape, width, lanes", [((2, 3, 4, 5), 8, 4), ((1, 9, 3, 4), 8, 8), ((1, 2, 3, 7), 16, 2)]
)
def test_activations_survive_packing(shape, width, lanes, seed):
    rng = np.random.default_rng(seed)
    layout = ActivationLayout(*shape, width, lanes)
    tensor = rng.integers(-(1 << (width - 1)), 1 << (width - 1), shape).astype(f"i{width // 8}")
    packed = pack_activations(tensor, layout, fill=-1)
    assert len(packed) == layout.bytes
    assert np.array_equal(unpack_activations(packed, layout), tensor)
    for n, c, y, x in ((0, 0, 0, 0), tuple(size - 1 for size in shape)):
        at = layout.offset(n, c // lanes, y, x // layout.pixels)
        lane = x % layout.pixels * lanes + c % lanes
        assert packed[at : at + 8].view(layout.dtype)[lane] == tensor[n, c, y, x]


@pytest.fixture
def small():
    layer = ConvLayer(name="small", C=3, M=4, H=6, W=6, R=3, S=3)
    return layer, map_layer(layer, TINY), random_layer_data(layer, 1)


def test_wrong_tensors_are_refused(small):
    layer, mapping, data = small
    with pytest.raises(TensorError, match=r"^small: weights \(M, C, R, S\) has shape \(4, 3, 3\), expected"):
        compile_layer(layer, mapping, TINY, data.weights[:, :, 0], data.requant)
    with pytest.raises(TensorError, match="^small: weights hold 200, but 8-bit values are -128 to 127$"):
        compile_layer(layer, mapping, TINY, np.full(layer.weights_shape, 200), data.requant)
    with pytest.raises(TensorError, match="is of type float64, expected"):
        compile_layer(layer, mapping, TINY, data.weights.astype(float), data.requant)
    other = random_layer_data(ConvLayer(C=3, M=5, H=6, W=6, R=3, S=3), 1).requant
    with pytest.raises(TensorError, match="^parameters are for 5 channels, the layer has M = 4$"):
        compile_layer(layer, mapping, TINY, data.weights, other)
    compiled = compile_layer(layer, mapping, TINY, data.weights, data.requant)
    with pytest.raises(TensorError, match=r"has shape \(1, 3, 6, 5\), expected \(1, 3, 6, 6\)$"):
        compiled.pack_ifmap(data.ifmap[..., :5])


def test_what_does_not_belong_together_is_refused(small):
    layer, mapping, data = small
    with pytest.raises(CompileError, match="^small on orris-168: the mapping is for small on tiny$"):
        compile_layer(layer, mapping, ORRIS, data.weights, data.requant)
    with pytest.raises(CompileError, match="^small: product_shift = 3, expected 0 for integer arithmetic$"):
        compile_layer(layer, mapping, TINY, data.weights, data.requant, product_shift=3)
    with pytest.raises(CompileError, match="^base = 4: must be a multiple of 64, not negative$"):
        compile_layer(layer, mapping, TINY, data.weights, data.requant, base=4)


def test_base_moves_everything(small):
    layer, mapping, data = small
    compiled = compile_layer(layer, mapping, TINY, data.weights, data.requant, base=4096)
    assert compiled.write_window[0] == 4096 and compiled.read_window[0] == compiled.write_window[1]
    ofmap, _ = run(compiled, data.ifmap, 1)
    assert np.array_equal(ofmap, conv2d(layer, data.ifmap, data.weights, data.requant))
