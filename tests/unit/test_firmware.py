"""The firmware of microcontrolled accelerators, as the image in their ROM, on a model of its machine."""

import numpy as np
import pytest

from campaign import Place, bench, draw
from firmware_machine import FirmwareMachine
from orris.compiler import compile_layer
from orris.driver import Device, DeviceError
from orris.golden import Requant, conv2d, random_layer_data
from orris.layers import ConvLayer, Padding
from orris.mapper import map_layer
from orris_hw.commands import BARRIER, END, LOAD, RUN, SIGNAL, STORE
from orris_hw.config import AcceleratorConfig
from orris_hw.microcontroller.compile import STACK_BYTES, compile_firmware
from orris_hw.microcontroller.image import firmware_image, image_digest, sources_digest
from orris_hw.register_map import REGISTER, ErrorCode
from wild_programs import Wild


def configuration(name: str, pads: tuple[int, int, int], glb: tuple[int, int], channels: int):
    """One PE; scratchpads (filter, ifmap, psum), global buffer (banks, depth), parameter entries."""
    return AcceleratorConfig(
        name=name,
        array=dict(rows=1, columns=1),
        scratchpads=dict(zip(("filter", "ifmap", "psum"), pads, strict=True)),
        global_buffer=dict(zip(("banks", "depth"), glb, strict=True)),
        networks=dict(psum_bits=32),
        post_processing=dict(lanes=1, channels=channels),
        vector=dict(lanes=0),
        control=dict(kind="microcontroller", counters="few"),
    )


PLACES = {
    place.config.name: place
    for place in (
        Place(configuration("usual", (256, 16, 16), (2, 1024), 64), 20_000, 1),
        Place(configuration("least", (8, 4, 1), (4, 16), 8), 3_000, 1),
        Place(configuration("odd", (72, 13, 7), (3, 128), 40), 10_000, 1),
        Place(configuration("most", (1024, 63, 64), (3, 1024), 256), 20_000, 1),
    )
}
USUAL = PLACES["usual"].config
CYCLES = 100_000_000
WILD_PROGRAMS = 150
LONG_WILD_PROGRAMS = 10_000
LAYERS, LONG_LAYERS = 30, 1_000
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


class Machine:
    """The usual machine with a memory of random bytes, of which it may read and write a part."""

    MEMORY, READABLE, WRITABLE, CODE = 1 << 16, (0x1000, 0xE000), (0x4000, 0x9000), 0xC000

    def __init__(self, seed: int):
        self.machine = FirmwareMachine(USUAL, self.MEMORY, seed)
        self.machine.memory[:] = np.random.default_rng(seed).integers(0, 256, self.MEMORY, np.uint8)
        self.device = Device(self.machine, USUAL)
        self.registers = {
            "READ_BASE": self.READABLE[0], "READ_LIMIT": self.READABLE[1],
            "WRITE_BASE": self.WRITABLE[0], "WRITE_LIMIT": self.WRITABLE[1], "TIMEOUT": 5_000,
        }  # fmt: skip
        layer = ConvLayer(name="good", M=8, C=8, H=6, W=6, R=3, S=3, padding=Padding.all(1))
        self.data = random_layer_data(layer, seed)
        self.good = compile_layer(
            layer, map_layer(layer, USUAL), USUAL, self.data.weights, self.data.requant, base=self.WRITABLE[0]
        )
        self.golden = conv2d(layer, self.data.ifmap, self.data.weights, self.data.requant)

    def read(self, name: str) -> int:
        return self.machine.read_register(REGISTER[name].offset)

    def write(self, name: str, value: int) -> None:
        self.machine.write_register(REGISTER[name].offset, value)

    def run(self, program: list[bytes], cycles: int = 100_000_000) -> tuple[ErrorCode, int]:
        """How a program ends, and where; it writes nothing outside of what it may."""
        self.machine.write_memory(self.CODE, b"".join(program))
        before = self.machine.memory.copy()
        self.device.reset()
        settings = {"PROGRAM_ADDRESS": self.CODE, "PROGRAM_COMMANDS": len(program)}
        for name, value in (self.registers | settings).items():
            self.write(name, value)
        self.write("CONTROL", REGISTER["CONTROL"].pack(start=1, irq_enable=1))
        assert self.machine.wait(cycles)
        code = ErrorCode(self.read("ERROR_CODE"))
        status = REGISTER["STATUS"].unpack(self.read("STATUS"))
        assert status == {"busy": 0, "done": code == 0, "error": code != 0}
        first, behind = self.WRITABLE
        changed = np.flatnonzero(before != self.machine.memory)
        assert ((changed >= first) & (changed < behind)).all()
        return code, self.read("ERROR_INDEX")

    def recovers(self) -> bool:
        """The next good program runs."""
        result = self.device.run_layer(self.good, self.data.ifmap, max_cycles=10_000_000)
        return np.array_equal(result.ofmap, self.golden)


@pytest.fixture
def bench_machine(seed):
    bench = Machine(seed)
    yield bench
    assert bench.recovers()
    assert bench.machine.stack_used <= STACK_BYTES
    bench.machine.close()


def load(**fields: int) -> bytes:
    """From the beginning of the readable memory to that of the buffer, one word, unless told otherwise."""
    return LOAD.pack({"address": Machine.READABLE[0], "row_words": 1, "rows": 1, "planes": 1} | fields)


def store(**fields: int) -> bytes:
    return STORE.pack({"address": Machine.WRITABLE[0], "row_words": 1, "rows": 1, "planes": 1} | fields)


LAST_WORD = USUAL.glb_words - 1
LAST_PARAMETER = 2 * USUAL.post_processing.channels - 1


@pytest.mark.parametrize(
    ("commands", "code", "index"),
    [
        ([], ErrorCode.NONE, 0),
        ([load(), store(), END.pack({}), bytes(64)], ErrorCode.NONE, 0),
        ([load(), store(), BARRIER.pack({})], ErrorCode.NONE, 0),
        ([load(), bytes(64)], ErrorCode.BAD_OPCODE, 1),
        ([load(), bytes([7]) + bytes(63)], ErrorCode.BAD_OPCODE, 1),  # VECTOR: there is no vector unit
        ([load(planes=0)], ErrorCode.BAD_FIELD, 0),
        ([load(rows=0)], ErrorCode.BAD_FIELD, 0),
        ([load(row_words=0)], ErrorCode.BAD_FIELD, 0),
        ([load(ring=2, ring_start=2)], ErrorCode.BAD_FIELD, 0),
        ([load(address=Machine.READABLE[0] + 4)], ErrorCode.BAD_FIELD, 0),
        ([store(planes=0)], ErrorCode.BAD_FIELD, 0),
        ([RUN.pack({})], ErrorCode.BAD_FIELD, 0),
        ([load(address=Machine.READABLE[0] - 8)], ErrorCode.MEMORY_RANGE, 0),
        ([load(address=Machine.READABLE[1] - 8)], ErrorCode.NONE, 0),
        ([load(address=Machine.READABLE[1] - 8, row_words=2)], ErrorCode.MEMORY_RANGE, 0),
        ([load(address=Machine.READABLE[1])], ErrorCode.MEMORY_RANGE, 0),
        ([load(address=(1 << 32) - 8)], ErrorCode.MEMORY_RANGE, 0),
        ([load(), store(address=Machine.WRITABLE[1])], ErrorCode.MEMORY_RANGE, 1),
        ([load(), store(address=Machine.WRITABLE[0] - 8)], ErrorCode.MEMORY_RANGE, 1),
        ([load(buffer_address=LAST_WORD)], ErrorCode.NONE, 0),
        ([load(buffer_address=LAST_WORD, row_words=2)], ErrorCode.GLB_RANGE, 0),
        ([store(buffer_address=LAST_WORD + 1)], ErrorCode.GLB_RANGE, 0),
        ([load(parameters=1, buffer_address=LAST_PARAMETER)], ErrorCode.NONE, 0),
        ([load(parameters=1, buffer_address=LAST_PARAMETER + 1)], ErrorCode.GLB_RANGE, 0),
        ([load(wait=3)], ErrorCode.TIMEOUT, 0),
        ([SIGNAL.pack({"semaphore": 3, "count": 1}), load(wait=3)], ErrorCode.NONE, 0),
        ([SIGNAL.pack({"semaphore": 3, "count": 255})] * 2, ErrorCode.SEMAPHORE, 1),
        ([SIGNAL.pack({"semaphore": 0, "count": 255})] * 2, ErrorCode.NONE, 0),
        ([SIGNAL.pack({"semaphore": 3, "count": 2}), load(planes=2, each=1, wait=3)], ErrorCode.NONE, 0),
        ([SIGNAL.pack({"semaphore": 3, "count": 1}), load(planes=2, each=1, wait=3)], ErrorCode.TIMEOUT, 1),
        # A barrier takes tokens away.
        ([SIGNAL.pack({"semaphore": 3, "count": 1}), BARRIER.pack({}), load(wait=3)], ErrorCode.TIMEOUT, 2),
        # Units overtake each other, by as many commands as are queued; those of a unit do not.
        ([*[store(wait=1)] * 5, load(signal=1, planes=5, each=1)], ErrorCode.NONE, 0),
        ([*[store(wait=1)] * 6, load(signal=1, planes=6, each=1)], ErrorCode.TIMEOUT, 5),
        ([load(wait=1), load(signal=1)], ErrorCode.TIMEOUT, 1),
    ],
)
def test_ends_of_programs(bench_machine, commands, code, index):
    assert bench_machine.run(commands) == (code, index)


@pytest.mark.parametrize(("write", "code"), [(False, ErrorCode.BUS_READ), (True, ErrorCode.BUS_WRITE)])
def test_memory_that_answers_with_an_error(bench_machine, write, code):
    place = Machine.WRITABLE[0] if write else Machine.READABLE[0]
    bench_machine.machine.fail(write, place + 8, place + 12)
    program = [load(), store(), load(row_words=3), store(row_words=3)]
    assert bench_machine.run(program) == (code, 3 if write else 2)
    bench_machine.machine.fail(write, 0, 0)


def test_a_program_that_moves_is_patiently_waited_for(bench_machine):
    """A row takes longer than the watchdog waits, which counts from the last thing that was done."""
    bench_machine.registers["TIMEOUT"] = 3_000
    assert bench_machine.run([load(row_words=400), store(row_words=400)] * 3)[0] == ErrorCode.NONE


def test_loads_in_a_ring(bench_machine, seed):
    """Planes 1, 2, 0, 1, 2 ... of three, more planes than a byte counts."""
    count, words = 300, 2
    at = Machine.READABLE[0] + 8 * np.arange(count * words).reshape(count, words)
    expected = np.zeros((3, words), np.int64)
    values = bench_machine.machine.memory.view("<i8")
    for plane in range(count):
        expected[(1 + plane) % 3] = values[at[plane] // 8]
    program = [
        load(row_words=words, planes=count, plane_stride=8 * words, buffer_address=7,
             buffer_plane_stride=words, ring=3, ring_start=1),
        BARRIER.pack({}),
        store(row_words=3 * words, buffer_address=7),
    ]  # fmt: skip
    assert bench_machine.run(program)[0] == ErrorCode.NONE
    base = Machine.WRITABLE[0] // 8
    assert np.array_equal(bench_machine.machine.memory.view("<i8")[base : base + 3 * words], expected.ravel())
    straight = [load(row_words=words, planes=count, plane_stride=8 * words, buffer_plane_stride=words),
                BARRIER.pack({}), store(row_words=count * words)]  # fmt: skip
    assert bench_machine.run(straight)[0] == ErrorCode.NONE
    stored = bench_machine.machine.memory.view("<i8")[base : base + count * words]
    assert np.array_equal(stored, bench_machine.machine.memory.view("<i8")[at.ravel() // 8])


@pytest.mark.parametrize("rounding", ["none", "single", "double"])
def test_every_scale(rounding, seed):
    """Sums up to the rails, all multipliers and shifts, any clamp."""
    rng = np.random.default_rng(seed)
    layer = ConvLayer(name="scales", M=64, C=4, H=1, W=30, R=1, S=1)
    for _ in range(12):
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


def wild_programs(seed: int, count: int) -> set[ErrorCode]:
    """How programs end, of so many."""
    wild, bench = Wild(USUAL, Machine.MEMORY, Machine.WRITABLE[0]), Machine(seed)
    ends = set()
    for number in range(seed, seed + count):
        _, program = wild.draw(number)
        code, index = bench.run(program)
        assert index <= len(program), number
        ends.add(code)
        if number % 10 == 0:
            assert bench.recovers()
    assert bench.machine.stack_used <= STACK_BYTES
    return ends


def test_wild_programs(seed):
    """Whatever the program, it ends in a defined state, writes only where it may, and the next one runs."""
    ends = wild_programs(seed, WILD_PROGRAMS)
    assert ends >= {ErrorCode.NONE, ErrorCode.BAD_OPCODE, ErrorCode.BAD_FIELD, ErrorCode.TIMEOUT}


@pytest.mark.long
def test_many_wild_programs(seed):
    assert wild_programs(seed, LONG_WILD_PROGRAMS) == set(ErrorCode) - {
        ErrorCode.BUS_READ,
        ErrorCode.BUS_WRITE,
    }


@pytest.mark.long
def test_the_compiler_makes_this_image(tmp_path):
    pytest.importorskip("ziglang", reason="make firmware installs the compiler")
    assert compile_firmware(tmp_path) == firmware_image()
