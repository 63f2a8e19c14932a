"""Programs of the vector unit's layers, run by the command model: the golden layer, the words foretold."""

import random

import numpy as np
import pytest

from command_model import CommandModel
from orris.compiler import CompileError, Placement, compile_vector, vector_commands, vector_layouts
from orris.golden import PoolParameters, TensorError
from orris.layers import AddLayer, ConcatLayer, Padding, PoolLayer, UpsampleLayer
from orris_hw.commands import STORE, VECTOR
from orris_hw.config import PRESETS, AcceleratorConfig
from orris_sim.vector_run import golden_vector
from random_vector_layers import random_data, random_vector_layer

TINY, ORRIS = PRESETS["tiny"], PRESETS["orris-168"]
LEAST = AcceleratorConfig(
    name="least",
    array=dict(rows=1, columns=1),
    scratchpads=dict(filter=8, ifmap=4, psum=1),
    global_buffer=dict(banks=2, depth=16),
    networks=dict(psum_bits=32),
    post_processing=dict(lanes=1, channels=8),
)
WIDE = PRESETS["eyeriss-v1"].derive({"global_buffer": {"banks": 14, "depth": 16}, "vector": {"lanes": 4}})


def check(layer, config, seed):
    ifmaps, parameters = random_data(layer, config, seed)
    compiled = compile_vector(layer, config, parameters, base=128)
    rng = np.random.default_rng(seed)
    memory = rng.integers(0, 256, compiled.memory_size, dtype=np.uint8)
    for address, content in (*compiled.segments, *compiled.pack_ifmaps(*ifmaps)):
        memory[address : address + len(content)] = content
    canary = memory.copy()
    model = CommandModel(config, memory, seed)
    model.read_window, model.write_window = compiled.read_window, compiled.write_window
    model.run(compiled.program_address, compiled.commands)
    start, size = compiled.ofmap.address, compiled.ofmap.layout.bytes
    canary[start : start + size] = memory[start : start + size]
    assert np.array_equal(memory, canary), "memory outside the ofmap changed"
    ofmap = compiled.unpack_ofmap(memory[start : start + size])
    np.testing.assert_array_equal(ofmap, golden_vector(layer, ifmaps, parameters))
    assert {name: model.counts[name] for name in compiled.expected_counts} == compiled.expected_counts
    return compiled


@pytest.mark.parametrize("config, words", [
    pytest.param(TINY, 400, id="tiny"), pytest.param(LEAST, 40, id="least"),
    pytest.param(WIDE, 100, id="int16"),
])  # fmt: skip
@pytest.mark.parametrize("case", range(15))
def test_random_layers(config, words, case, seed):
    rng = random.Random(seed)
    layer = random_vector_layer(rng, words)
    print(layer)
    check(layer, config, seed)


@pytest.mark.parametrize("layer", [
    PoolLayer(kind="average", C=9, H=40, W=30),  # a window larger than the buffer
    PoolLayer(kind="max", C=1, H=9, W=40, R=9, S=39, U=1, V=1, padding=Padding(8, 38, 8, 38)),
    PoolLayer(kind="max", C=3, H=20, W=20, R=1, S=1, U=7, V=3),
    PoolLayer(kind="average", C=70, H=1, W=1),
    ConcatLayer(channels=(1,) * 17, H=5, W=3),
    ConcatLayer(channels=(200, 3, 100), H=2, W=2, N=3),
    UpsampleLayer(C=3, H=2, W=50, factor=3),
    AddLayer(C=100, H=3, W=1),
], ids=str)  # fmt: skip
def test_extremes(layer, seed):
    check(layer, LEAST, seed)


def test_one_region_for_all_windows_inside():
    """Only windows at the edge take commands of their own: at most three times three in a tile."""
    for size in (12, 30, 60):
        layer = PoolLayer(kind="average", C=8, H=size, W=size, R=3, S=3, U=1, V=1, padding=Padding.all(1))
        compiled = compile_vector(layer, ORRIS, PoolParameters.plain(np.int8))
        opcodes = [compiled.program[64 * n] for n in range(compiled.commands)]
        assert 9 <= opcodes.count(VECTOR.opcode) <= 9 * opcodes.count(STORE.opcode)


def refusal(make):
    with pytest.raises((CompileError, TensorError)) as caught:
        make()
    return str(caught.value)


def test_refusals():
    layer, plain = PoolLayer(name="p", kind="max", C=8, H=4, W=4), PoolParameters.plain(np.int8)
    bare = TINY.derive({"name": "bare", "vector": {"lanes": 0}})
    assert refusal(lambda: compile_vector(layer, bare, plain)) == (
        "p: bare has no vector unit, which PoolLayer needs: set vector.lanes to 1 or more"
    )
    assert refusal(lambda: compile_vector(layer, TINY)) == (
        "p: parameters are NoneType, PoolLayer takes PoolParameters"
    )
    assert refusal(lambda: compile_vector(UpsampleLayer(C=1, H=1, W=1), TINY, plain)) == (
        "upsample: parameters are PoolParameters, UpsampleLayer takes none"
    )
    assert refusal(lambda: compile_vector(layer, TINY, plain, base=5)).startswith("base = 5: must be a mul")
    assert refusal(lambda: compile_vector(UpsampleLayer(C=1, H=1, W=1, factor=4), LEAST)) == (
        "upsample: factor = 4 takes 1 + factor^2 = 17 words, half the global buffer of least has 16: enlarge "
        "global_buffer.depth, or use two layers"
    )
    huge = PoolLayer(name="huge", kind="max", C=2048, H=2048, W=1024)
    assert refusal(lambda: compile_vector(huge, TINY, plain)).startswith("huge: takes 4294969344 bytes of")
    (ifmap,), ofmap = vector_layouts(layer, TINY)
    for ifmaps, out, message in (
        ([], Placement(0, ofmap), "p has 1 ifmaps, not 0"),
        ([Placement(4, ifmap)], Placement(0, ofmap), "p: an ifmap is at 4, expected a multiple of 8 below"),
        ([Placement(0, ofmap)], Placement(0, ofmap), "p: an ifmap is placed as"),
    ):
        assert refusal(lambda i=ifmaps, o=out: vector_commands(layer, TINY, plain, i, o)).startswith(message)
    with pytest.raises(TensorError, match="p has 1 ifmaps, not 2"):
        compile_vector(layer, TINY, plain).pack_ifmaps(np.zeros(1), np.zeros(1))
