"""Layers of the vector unit on the accelerator's RTL: bit-exact, and the words as foretold."""

import random

import numpy as np
import pytest

from campaign import PLACES
from orris.compiler import Placement, compile_vector, pack_program, vector_commands
from orris.driver import Device, DeviceError
from orris.golden import AddParameters, PoolParameters, add, pool
from orris.layers import AddLayer, Padding, PoolLayer
from orris_hw.commands import BARRIER, END, VECTOR
from orris_hw.config import preset
from orris_hw.register_map import ErrorCode
from orris_sim import Simulator
from orris_sim.layer_run import MemoryModel
from orris_sim.vector_run import random_vector_data, run_vector_layer
from random_vector_layers import random_data, random_vector_layer

TINY = preset("tiny")


def check(layer, config, seed, memory=None):
    ifmaps, parameters = random_data(layer, config, seed)
    run = run_vector_layer(layer, config, ifmaps, parameters, seed=seed, memory=memory)
    assert run.problem is None and run.mismatches == 0 and run.surprises == {}, (layer, parameters)
    return run


def random_layers(config, seed, count):
    rng = random.Random(seed)
    for number in range(count):
        layer = random_vector_layer(rng, min(2000, 2 * config.glb_words))
        memory = MemoryModel(
            latency=rng.choice([0, 5, 100, 300]), bandwidth=rng.choice([8.0, 2.5, 16.0]),
            stalls=rng.choice([0.0, 0.3, 0.7]),
        )  # fmt: skip
        print(f"layer {number}: {layer} {memory}")
        check(layer, config, seed + number, memory)


@pytest.mark.parametrize("name", PLACES)
def test_random_layers(name, seed):
    random_layers(PLACES[name].config, seed, 8)


@pytest.mark.long
@pytest.mark.parametrize("name", PLACES)
def test_many_random_layers(name, seed):
    random_layers(PLACES[name].config, seed, 120)


PUBLISHED = {
    "alexnet pool1": PoolLayer(kind="max", C=96, H=55, W=55, R=3, S=3, U=2, V=2),
    "resnet18 pool1": PoolLayer(kind="max", C=64, H=112, W=112, R=3, S=3, U=2, V=2, padding=Padding.all(1)),
    "resnet18 add": AddLayer(C=64, H=56, W=56),
    "mobilenet average": PoolLayer(kind="average", C=1024, H=7, W=7),
}


@pytest.mark.parametrize("name", PUBLISHED)
def test_cycles_as_predicted_on_the_flagship(name, seed):
    """Within a quarter of what the busiest of memory port, read port and vector unit needs by itself."""
    run = check(PUBLISHED[name], preset("orris-168"), seed)
    cycles = run.counters["cycles"]
    print(f"{name}: {cycles:,} cycles, predicted {run.predicted_cycles:,}")
    assert run.predicted_cycles * 0.95 <= cycles <= run.predicted_cycles * 1.25


def test_two_layers_in_one_program(seed):
    """An addition whose result takes the place of an operand, then pooling, with a barrier in between."""
    add_layer, pool_layer = AddLayer(C=11, H=9, W=8), PoolLayer(kind="max", C=11, H=9, W=8, R=2, S=2)
    operands, parameters = random_vector_data(add_layer, TINY, seed)
    clamp = PoolParameters(act_min=-50, act_max=50)
    first, second = compile_vector(add_layer, TINY, parameters), compile_vector(pool_layer, TINY, clamp)
    a, b = first.ifmaps
    ofmap = Placement(first.memory_size + 63 & ~63, second.ofmap.layout)
    commands = [
        *vector_commands(add_layer, TINY, parameters, [a, b], a),
        (BARRIER, {}),
        *vector_commands(pool_layer, TINY, clamp, [a], ofmap),
        (END, {}),
    ]
    program = pack_program(commands)

    class Chained:
        program_address = ofmap.address + (ofmap.layout.bytes + 63 & ~63)
        commands = len(program) // 64
        read_window = write_window = (0, program_address + len(program))

    with Simulator(TINY, memory_bytes=Chained.read_window[1], stalls=0.2, seed=seed) as simulator:
        device = Device(simulator, TINY)
        for address, content in first.pack_ifmaps(*operands):
            simulator.write_memory(address, content)
        simulator.write_memory(Chained.program_address, program)
        device.start(Chained)
        device.finish(200_000)
        content = simulator.read_memory(ofmap.address, ofmap.layout.bytes)
    assert isinstance(parameters, AddParameters)
    want = pool(pool_layer, add(add_layer, *operands, parameters), clamp)
    np.testing.assert_array_equal(second.unpack_ofmap(content), want)


GOOD = {
    "op": 0, "first": 1, "last": 1, "planes": 1, "rows": 1, "columns": 4, "R": 1, "S": 1, "mask": 255,
    "source_column_stride": 1, "target": 100, "target_column_stride": 1,
}  # fmt: skip


@pytest.mark.parametrize("change, code", [
    ({"rows": 0}, ErrorCode.BAD_FIELD),
    ({"op": 2, "R": 1}, ErrorCode.BAD_FIELD),
    ({"source": TINY.glb_words - 2}, ErrorCode.GLB_RANGE),
    ({"source_column_stride": (1 << 20) - 1}, ErrorCode.GLB_RANGE),
    ({"target": TINY.glb_words}, ErrorCode.GLB_RANGE),
    ({"op": 1, "target_column_stride": TINY.glb_words}, ErrorCode.GLB_RANGE),
    ({"wait_b": 3}, ErrorCode.TIMEOUT),
    ({"last": 0, "columns": 1}, None),
    ({}, None),
], ids=str)  # fmt: skip
def test_errors(change, code):
    """What cannot be run stops the program with a code and the command's index; the next program runs."""
    program = pack_program([(VECTOR, GOOD), (VECTOR, GOOD | change), (END, {})])

    class Program:
        program_address, commands = 0, 3
        read_window, write_window = (0, 4096), (0, 0)

    with Simulator(TINY, memory_bytes=4096) as simulator:
        device = Device(simulator, TINY)
        simulator.write_memory(0, program)
        for _ in range(2):
            device.start(Program, timeout=2000)
            if code is None:
                device.finish(20_000)
                continue
            with pytest.raises(DeviceError) as caught:
                device.finish(20_000)
            # A standstill is reported with the command that the sequencer is at.
            assert (caught.value.code, caught.value.command) == (code, 2 if code == ErrorCode.TIMEOUT else 1)


@pytest.mark.parametrize("op", range(4))
def test_a_command_without_end_is_broken_off(op):
    """All loops as long as their fields allow: as many taps as the square of 64 words, and no more."""
    config = PLACES["one-pe"].config
    endless = GOOD | {
        "op": op, "planes": 4095, "rows": 8191, "columns": 8191, "R": 2 if op == 2 else 8191,
        "source_column_stride": 0, "target": 32, "target_column_stride": 0,
    }  # fmt: skip
    program = pack_program([(VECTOR, endless), (END, {})])

    class Program:
        program_address, commands = 0, 2
        read_window, write_window = (0, 4096), (0, 0)

    with Simulator(config, memory_bytes=4096) as simulator:
        device = Device(simulator, config)
        simulator.write_memory(0, program)
        for _ in range(2):
            device.start(Program, timeout=2000)
            with pytest.raises(DeviceError) as caught:
                device.finish(64 * 64 * 8 + 2000)
            assert (caught.value.code, caught.value.command) == (ErrorCode.BAD_FIELD, 0)
