"""The firmware of microcontrolled accelerators, as the image in their ROM, on a model of its machine."""

import numpy as np
import pytest

from campaign import bench, draw
from firmware_machine import FirmwareMachine
from firmware_programs import ENDS, PLACES, USUAL, Bench, load, store
from orris.compiler import compile_layer
from orris.driver import Device, DeviceError
from orris.golden import Requant, conv2d
from orris.layers import ConvLayer
from orris.mapper import map_layer
from orris_hw.commands import BARRIER
from orris_hw.microcontroller.compile import STACK_BYTES, compile_firmware
from orris_hw.microcontroller.image import firmware_image, image_digest, sources_digest
from orris_hw.register_map import ErrorCode

CYCLES = 100_000_000
WILD_PROGRAMS = 60
LONG_WILD_PROGRAMS = 10_000
LAYERS, LONG_LAYERS = 15, 1_000
"""For each configuration."""


def test_the_image_is_compiled_from_these_sources():
    assert image_digest() == sources_digest(), "run make firmware"


def test_the_image_has_no_other_instruction_than_the_core():
    """RV32I without FENCE, ECALL and CSRs, and the multiplications; every word of the image is one."""
    functions = {0x67: {0}, 0x63: {0, 1, 4, 5, 6, 7}, 0x03: {0, 1, 2, 4, 5}, 0x23: {0, 1, 2}}
    for place, word in enumerate(firmware_image()):
        opcode, function, upper = word & 127, word >> 12 & 7, word >> 25
        if opcode == 0x33:
            allowed = function < 4 if upper == 1 else function in (0, 5) if upper == 32 else upper == 0
        elif opcode == 0x13:
            allowed = function not in (1, 5) or upper == 0 or (function == 5 and upper == 32)
        else:
            allowed = opcode in (0x37, 0x17, 0x6F) or function in functions.get(opcode, ())
        assert allowed, f"{word:08x} at {4 * place:#x}"


def random_layers(name: str, seed: int, count: int) -> None:
    place, problems = PLACES[name], []
    with bench(place, FirmwareMachine, CYCLES) as machine:
        for number in range(seed, seed + count):
            case = draw(place, number)
            if problem := machine.problem(case):
                problems.append(f"{number}: {case.layer}\n{case.mapping.as_dict()}\n{problem}")
    assert not problems, "\n".join(problems)


@pytest.mark.parametrize("name", PLACES)
def test_random_layers(name, seed):
    """Bit-exact, the words of memory and the commands are the mapping's, and nothing else is written."""
    random_layers(name, seed, LAYERS)


@pytest.mark.long
@pytest.mark.parametrize("name", PLACES)
def test_many_random_layers(name, seed):
    random_layers(name, seed, LONG_LAYERS)


@pytest.fixture
def machine(seed):
    machine = Bench(FirmwareMachine, seed)
    yield machine
    assert machine.recovers()
    assert machine.machine.stack_used <= STACK_BYTES
    machine.close()


@pytest.mark.parametrize(("commands", "code", "index"), ENDS)
def test_ends_of_programs(machine, commands, code, index):
    assert machine.run(commands) == (code, index)


@pytest.mark.parametrize(("write", "code"), [(False, ErrorCode.BUS_READ), (True, ErrorCode.BUS_WRITE)])
def test_memory_that_answers_with_an_error(machine, write, code):
    place = Bench.WRITABLE[0] if write else Bench.READABLE[0]
    machine.machine.fail(write, place + 8, place + 12)
    program = [load(), store(), load(row_words=3), store(row_words=3)]
    assert machine.run(program) == (code, 3 if write else 2)
    machine.machine.fail(write, 0, 0)


@pytest.mark.parametrize("write", [False, True])
def test_memory_that_does_not_answer(machine, write):
    """The host finds which command waits, and what was counted until then, though firmware is not asked."""
    assert machine.run([load()]) == (ErrorCode.NONE, 0)
    before = machine.device.counters()
    place = Bench.WRITABLE[0] if write else Bench.READABLE[0]
    machine.machine.fail(write, place + 16, place + 24, silent=True)
    program = [load(), store(), load(row_words=3), store(row_words=3)]
    assert machine.run(program) == (ErrorCode.TIMEOUT, 3 if write else 2)
    counted = machine.device.counters()
    assert counted["commands"] in (3, 4) and counted["cycles"] > before["cycles"]
    assert counted["dram_write_words"] == (4 if write else 1)
    machine.machine.fail(write, 0, 0)


def test_a_program_that_moves_is_patiently_waited_for(machine):
    """A row takes longer than the watchdog waits, which counts from the last thing that was done."""
    machine.registers["TIMEOUT"] = 3_000
    assert machine.run([load(row_words=400), store(row_words=400)] * 3)[0] == ErrorCode.NONE


@pytest.mark.parametrize("token", ["ifmap", "filter", "ofmap"])
def test_a_run_takes_its_tokens(machine, token):
    assert machine.run_waits(token)


def test_the_upper_half_of_the_addresses_is_another(machine):
    """Where no memory is, nothing is read: least of all the memory in the lower half."""
    machine.registers |= {"READ_BASE": 0, "READ_LIMIT": (1 << 32) - 1}
    assert machine.run([load(), load(address=(1 << 31) + Bench.READABLE[0])]) == (ErrorCode.BUS_READ, 1)


def test_loads_in_a_ring(machine, seed):
    """Planes 1, 2, 0, 1, 2 ... of three, more planes than a byte counts."""
    count, words = 300, 2
    at = Bench.READABLE[0] + 8 * np.arange(count * words).reshape(count, words)
    expected = np.zeros((3, words), np.int64)
    values = machine.machine.memory.view("<i8")
    for plane in range(count):
        expected[(1 + plane) % 3] = values[at[plane] // 8]
    program = [
        load(row_words=words, planes=count, plane_stride=8 * words, buffer_address=7,
             buffer_plane_stride=words, ring=3, ring_start=1),
        BARRIER.pack({}),
        store(row_words=3 * words, buffer_address=7),
    ]  # fmt: skip
    assert machine.run(program)[0] == ErrorCode.NONE
    base = Bench.WRITABLE[0] // 8
    assert np.array_equal(machine.machine.memory.view("<i8")[base : base + 3 * words], expected.ravel())
    straight = [load(row_words=words, planes=count, plane_stride=8 * words, buffer_plane_stride=words),
                BARRIER.pack({}), store(row_words=count * words)]  # fmt: skip
    assert machine.run(straight)[0] == ErrorCode.NONE
    stored = machine.machine.memory.view("<i8")[base : base + count * words]
    assert np.array_equal(stored, machine.machine.memory.view("<i8")[at.ravel() // 8])


@pytest.mark.parametrize("rounding", ["none", "single", "double"])
def test_every_scale(rounding, seed):
    """Sums up to the rails, all multipliers and shifts, any clamp."""
    rng = np.random.default_rng(seed)
    layer = ConvLayer(name="scales", M=64, C=4, H=1, W=30, R=1, S=1)
    for _ in range(5):
        ifmap = rng.integers(-128, 128, layer.ifmap_shape).astype(np.int8)
        weights = rng.integers(-128, 128, layer.weights_shape).astype(np.int8)
        rail = 1 << 31
        bias = rng.choice([-rail, rail - 1, *rng.integers(-rail, rail, 62)], 64) >> rng.integers(0, 31, 64)
        multiplier = rng.choice([0, 1, rail // 2, rail - 1, *rng.integers(0, rail, 60)], 64)
        shift = rng.permutation(np.arange(-31, 33))
        low, high = np.sort(rng.integers(-128, 128, 2)).tolist()
        zeros = rng.integers(-128, 128, 2).tolist()
        requant = Requant(bias, multiplier, np.minimum(shift, 30), *zeros, low, high, rounding)
        compiled = compile_layer(layer, map_layer(layer, USUAL), USUAL, weights, requant)
        machine = FirmwareMachine(USUAL, compiled.memory_size, seed)
        result = Device(machine, USUAL).run_layer(compiled, ifmap, max_cycles=CYCLES)
        assert np.array_equal(result.ofmap, conv2d(layer, ifmap, weights, requant))
        machine.close()


def test_another_configuration_is_refused(seed):
    machine = FirmwareMachine(USUAL, 1 << 12, seed)
    with pytest.raises(DeviceError, match="GEOMETRY_SCRATCHPADS.filter is 256, expected 72"):
        Device(machine, USUAL.derive({"scratchpads": {"filter": 72}}))
    machine.close()


def test_wild_programs(machine, seed):
    """Whatever the program, it ends in a defined state, writes only where it may, and the next one runs."""
    ends = machine.wild(seed, WILD_PROGRAMS)
    assert ends >= {ErrorCode.NONE, ErrorCode.BAD_OPCODE, ErrorCode.BAD_FIELD, ErrorCode.TIMEOUT}


@pytest.mark.long
def test_many_wild_programs(machine, seed):
    assert machine.wild(seed, LONG_WILD_PROGRAMS) == set(ErrorCode) - {
        ErrorCode.BUS_READ,
        ErrorCode.BUS_WRITE,
    }


@pytest.mark.long
def test_the_compiler_makes_this_image(tmp_path):
    pytest.importorskip("ziglang", reason="make firmware installs the compiler")
    assert compile_firmware(tmp_path) == firmware_image()
