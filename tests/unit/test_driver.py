"""The driver against a device of registers, with the command model inside."""

import numpy as np
import pytest

from command_model import CommandModel, ProgramError
from orris.compiler import compile_layer
from orris.driver import Device, DeviceError
from orris.golden import TensorError, conv2d, random_layer_data
from orris.layers import ConvLayer, Padding
from orris.mapper import map_layer
from orris_hw.config import PRESETS
from orris_hw.register_map import IDENT, REGISTER, ErrorCode, constants, counter_offset

TINY = PRESETS["tiny"]
LAYER = ConvLayer(name="small", C=5, M=9, H=8, W=9, R=3, S=3, padding=Padding.all(1))


class ModelTransport:
    """Registers as in the register map; the command model runs the program in `wait`."""

    def __init__(self, config, size: int = 1 << 16):
        self.config = config
        self.registers = {REGISTER[name].offset: value for name, value in constants(config).items()}
        self.memory = np.zeros(size, np.uint8)
        self.log: list[tuple[int, int]] = []
        self.fault: tuple[ErrorCode, int] | None = None
        self.hangs = False

    def write_register(self, offset, value):
        self.log.append((offset, value))
        if offset == REGISTER["CONTROL"].offset:
            if REGISTER["CONTROL"].unpack(value)["soft_reset"]:
                self.registers[REGISTER["STATUS"].offset] = 0
            return
        self.registers[offset] = value

    def read_register(self, offset):
        return self.registers.get(offset, 0)

    def write_memory(self, address, content):
        self.memory[address : address + len(content)] = content

    def read_memory(self, address, size):
        return self.memory[address : address + size].copy()

    def _register(self, name):
        return self.registers[REGISTER[name].offset]

    def wait(self, max_cycles):
        assert self.log[-1] == (REGISTER["CONTROL"].offset, REGISTER["CONTROL"].pack(start=1, irq_enable=1))
        if self.hangs:
            return False
        status = REGISTER["STATUS"]
        if self.fault:
            self.registers[REGISTER["ERROR_CODE"].offset] = self.fault[0]
            self.registers[REGISTER["ERROR_INDEX"].offset] = self.fault[1]
            self.registers[status.offset] = status.pack(error=1)
            return True
        model = CommandModel(self.config, self.memory)
        model.read_window = self._register("READ_BASE"), self._register("READ_LIMIT")
        model.write_window = self._register("WRITE_BASE"), self._register("WRITE_LIMIT")
        model.run(self._register("PROGRAM_ADDRESS"), self._register("PROGRAM_COMMANDS"))
        self.registers[counter_offset("dram_read_words")] = model.counts["dram_read_words"]
        self.registers[counter_offset("cycles") + 4] = 3
        self.registers[status.offset] = status.pack(done=1)
        return True


@pytest.fixture
def compiled(seed):
    data = random_layer_data(LAYER, seed)
    return compile_layer(LAYER, map_layer(LAYER, TINY), TINY, data.weights, data.requant), data


def test_runs_a_layer(compiled):
    layer, data = compiled
    transport = ModelTransport(TINY)
    result = Device(transport, TINY).run_layer(layer, data.ifmap)
    assert np.array_equal(result.ofmap, conv2d(LAYER, data.ifmap, data.weights, data.requant))
    assert result.counters["dram_read_words"] == layer.expected_counts["dram_read_words"]
    assert result.counters["cycles"] == 3 << 32


def test_names_what_stopped_a_program(compiled):
    layer, data = compiled
    transport = ModelTransport(TINY)
    transport.fault = ErrorCode.GLB_RANGE, 7
    device = Device(transport, TINY)
    with pytest.raises(DeviceError, match="^the program stopped at command 7: GLB_RANGE$") as error:
        device.run_layer(layer, data.ifmap)
    assert (error.value.code, error.value.command) == (ErrorCode.GLB_RANGE, 7)
    transport.fault = None
    device.run_layer(layer, data.ifmap)  # and the next good one runs


def test_does_not_wait_for_ever(compiled):
    layer, data = compiled
    transport = ModelTransport(TINY)
    transport.hangs = True
    with pytest.raises(DeviceError, match="^the program did not end within 1000 cycles$"):
        Device(transport, TINY).run_layer(layer, data.ifmap, max_cycles=1000)


@pytest.mark.parametrize(
    "register, value, message",
    [
        ("IDENT", 0, f"no Orris accelerator answers: IDENT reads 0x00000000, not {IDENT:#010x}"),
        ("VERSION", 3 << 16 | 1, "the accelerator's register map is version 3.1, the driver needs 2.x"),
        ("GEOMETRY_ARRAY", 4 << 8 | 5, "the accelerator is not tiny: GEOMETRY_ARRAY.rows is 5, expected 3"),
    ],
)
def test_refuses_another_device(register, value, message):
    transport = ModelTransport(TINY)
    transport.registers[REGISTER[register].offset] = value
    with pytest.raises(DeviceError) as error:
        Device(transport, TINY)
    assert str(error.value) == message


def test_refuses_a_layer_for_another_configuration(compiled):
    layer, data = compiled
    other = PRESETS["orris-168"]
    transport = ModelTransport(other)
    with pytest.raises(DeviceError, match="^small is compiled for tiny, the device is orris-168$"):
        Device(transport, other).run_layer(layer, data.ifmap)
    assert not transport.log and not transport.memory.any()


def test_refuses_a_wrong_ifmap_before_writing(compiled):
    layer, data = compiled
    transport = ModelTransport(TINY)
    with pytest.raises(TensorError, match="has shape"):
        Device(transport, TINY).run_layer(layer, data.ifmap[:, :, 1:])
    assert not transport.memory.any()


def test_windows_hold_the_program_in():
    """The model refuses what the windows do not allow, so that the tests above mean something."""
    data = random_layer_data(LAYER, 1)
    layer = compile_layer(LAYER, map_layer(LAYER, TINY), TINY, data.weights, data.requant)
    memory = np.zeros(layer.memory_size, np.uint8)
    for address, content in layer.segments:
        memory[address : address + len(content)] = content
    model = CommandModel(TINY, memory)
    model.write_window = layer.write_window[0], layer.write_window[1] - 64
    with pytest.raises(ProgramError, match="writes"):
        model.run(layer.program_address, layer.commands)
