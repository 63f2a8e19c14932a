"""Programs that go wrong end in the error state, harm nothing, and leave the accelerator fit for the next."""

from dataclasses import replace

import numpy as np
import pytest

from orris.compiler import CompiledLayer, compile_layer
from orris.driver import Device, DeviceError
from orris.golden import LayerData
from orris.layers import ConvLayer, Padding
from orris.mapper import map_layer
from orris_hw.commands import COMMAND_BITS, FORMATS
from orris_hw.config import preset
from orris_hw.register_map import REGISTER, ErrorCode
from orris_sim import Simulator
from orris_sim.layer_run import golden_ofmap, layer_data

TINY = preset("tiny")
LAYER = ConvLayer(name="good", M=12, C=8, H=12, W=12, R=3, S=3, padding=Padding.all(1))
COMMAND_BYTES = COMMAND_BITS // 8
CANARY = 4096
"""Bytes of memory on either side of what the layer uses."""


class Bench:
    """A good program in a memory full of canaries."""

    def __init__(self, seed: int):
        self.data: LayerData = layer_data(LAYER, TINY, seed)
        mapping = map_layer(LAYER, TINY)
        weights, requant = self.data.weights, self.data.requant
        self.good: CompiledLayer = compile_layer(LAYER, mapping, TINY, weights, requant, base=CANARY)
        self.golden = golden_ofmap(mapping, self.data)
        self.simulator = Simulator(TINY, memory_bytes=self.good.memory_size + CANARY, stalls=0.1, seed=seed)
        numbers = np.random.default_rng(seed)
        self.simulator.memory[:] = numbers.integers(0, 256, len(self.simulator.memory), np.uint8)
        self.device = Device(self.simulator, TINY)

    def stops(self, program: CompiledLayer, code: ErrorCode, commands: range) -> int:
        """Run a program that stops with `code` at one of `commands`, and wrote only to its window."""
        self.device.load(program, self.data.ifmap)
        before = self.simulator.memory.copy()
        self.device.start(program)
        self.simulator.wait(1_000_000)
        with pytest.raises(DeviceError) as caught:
            self.device.finish(0)
        index = self.read("ERROR_INDEX")
        assert (caught.value.code, caught.value.command) == (code, index)
        assert self.read("ERROR_CODE") == code
        assert REGISTER["STATUS"].unpack(self.read("STATUS")) == {"busy": 0, "done": 0, "error": 1}
        assert index in commands
        changed = np.flatnonzero(self.simulator.memory != before)
        base, limit = program.write_window
        assert ((changed >= base) & (changed < limit)).all()
        return index

    def recovers(self) -> None:
        """The good program runs, bit-exactly, and nothing but its ofmap has changed."""
        self.device.load(self.good, self.data.ifmap)
        before = self.simulator.memory.copy()
        result = self.device.run_layer(self.good, self.data.ifmap)
        assert np.array_equal(result.ofmap, self.golden)
        base, limit = self.good.write_window
        after = self.simulator.memory
        assert (after[:base] == before[:base]).all() and (after[limit:] == before[limit:]).all()

    def read(self, name: str) -> int:
        return self.simulator.read_register(REGISTER[name].offset)

    # -- programs that are wrong in one place ---------------------------------------------------------
    def commands(self, name: str) -> list[int]:
        """Indices of the commands of that kind."""
        opcodes = self.good.program[::COMMAND_BYTES]
        return [index for index, opcode in enumerate(opcodes) if opcode == FORMATS[name].opcode]

    def patched(self, index: int, name: str, **changes: int) -> CompiledLayer:
        """The good program with fields of one command changed."""
        place = slice(index * COMMAND_BYTES, (index + 1) * COMMAND_BYTES)
        command = FORMATS[name].unpack(self.good.program[place]) | changes
        return self.replaced(index, FORMATS[name].pack(command))

    def replaced(self, index: int, command: bytes) -> CompiledLayer:
        before, behind = index * COMMAND_BYTES, (index + 1) * COMMAND_BYTES
        program = self.good.program[:before] + command + self.good.program[behind:]
        (*segments, (address, _)) = self.good.segments
        segments.append((address, np.frombuffer(program, np.uint8)))
        return replace(self.good, program=program, segments=tuple(segments))


@pytest.fixture
def bench(seed):
    bench = Bench(seed)
    with bench.simulator:
        yield bench


def just(index: int) -> range:
    return range(index, index + 1)


@pytest.mark.parametrize("opcode", [0, 8, 63, 255])
def test_an_unknown_opcode(bench, opcode):
    index = bench.commands("RUN")[-1]
    program = bench.replaced(index, bytes([opcode] + [0] * (COMMAND_BYTES - 1)))
    bench.stops(program, ErrorCode.BAD_OPCODE, just(index))
    bench.recovers()


def test_a_load_from_outside_the_read_window(bench):
    index = bench.commands("LOAD")[-1]
    address = bench.good.read_window[1]
    bench.stops(bench.patched(index, "LOAD", address=address), ErrorCode.MEMORY_RANGE, just(index))
    bench.recovers()


def test_a_load_to_outside_the_buffer(bench):
    index = bench.commands("LOAD")[-1]
    program = bench.patched(index, "LOAD", buffer_address=TINY.glb_words - 1)
    bench.stops(program, ErrorCode.GLB_RANGE, just(index))
    bench.recovers()


def test_a_store_from_outside_the_buffer(bench):
    index = bench.commands("STORE")[0]
    program = bench.patched(index, "STORE", buffer_address=TINY.glb_words - 1)
    bench.stops(program, ErrorCode.GLB_RANGE, just(index))
    bench.recovers()


@pytest.mark.parametrize("field", ["ifmap_base", "filter_base", "ofmap_base"])
def test_a_run_that_leaves_the_buffer(bench, field):
    index = bench.commands("RUN")[-1]
    program = bench.patched(index, "RUN", **{field: TINY.glb_words - 1})
    bench.stops(program, ErrorCode.GLB_RANGE, just(index))
    bench.recovers()


def test_a_run_that_the_array_cannot_hold(bench):
    index = bench.commands("RUN")[0]
    bench.stops(bench.patched(index, "RUN", rows=TINY.array.rows + 1), ErrorCode.BAD_FIELD, just(index))
    bench.recovers()


@pytest.mark.parametrize("words", [0, 1, 20])
def test_a_write_window_too_small(bench, words):
    """Canaries behind the window, right where the program would have written on."""
    base = bench.good.write_window[0]
    program = replace(bench.good, write_window=(base, base + 8 * words))
    index = bench.stops(program, ErrorCode.MEMORY_RANGE, range(bench.good.commands))
    assert index in bench.commands("STORE")
    bench.recovers()


def test_a_store_to_an_address_that_is_no_ones(bench):
    index = bench.commands("STORE")[0]
    program = bench.patched(index, "STORE", address=0xFFFF_FFF8)
    bench.stops(program, ErrorCode.MEMORY_RANGE, just(index))
    bench.recovers()


def test_the_memory_refuses_a_read(bench):
    address = bench.good.ifmap.address
    bench.simulator.fail_reads(address, address + 64)
    index = bench.stops(bench.good, ErrorCode.BUS_READ, range(bench.good.commands))
    assert index in bench.commands("LOAD")
    bench.simulator.fail_reads(0, 0)
    bench.recovers()


def test_the_memory_refuses_the_program(bench):
    address = bench.good.program_address
    bench.simulator.fail_reads(address, address + 8)
    bench.stops(bench.good, ErrorCode.BUS_READ, just(0))
    bench.simulator.fail_reads(0, 0)
    bench.recovers()


def test_the_memory_refuses_a_write(bench):
    address = bench.good.ofmap.address
    bench.simulator.fail_writes(address + 64, address + 72)
    index = bench.stops(bench.good, ErrorCode.BUS_WRITE, range(bench.good.commands))
    assert index in bench.commands("STORE")
    bench.simulator.fail_writes(0, 0)
    bench.recovers()


def test_a_program_that_waits_for_ever(bench):
    """A RUN waits for a token that nobody gives."""
    index = bench.commands("RUN")[0]
    bench.stops(bench.patched(index, "RUN", wait_ifmap=15), ErrorCode.TIMEOUT, range(bench.good.commands))
    bench.recovers()


def test_a_program_without_an_end(bench):
    """The last command ends a program as END does."""
    end = bench.good.commands - 1
    assert bench.commands("END") == [end]
    program = replace(bench.good, program=bench.good.program[: end * COMMAND_BYTES])
    assert np.array_equal(bench.device.run_layer(program, bench.data.ifmap).ofmap, bench.golden)
