"""The whole accelerator: layers run by the driver, with cocotbext-axi as memory and as host."""

from typing import Any

import cocotb
import numpy as np
from cocotb.task import bridge, resume
from cocotb.triggers import RisingEdge, with_timeout
from cocotbext.axi import AxiResp
from numpy.typing import NDArray

from orris.compiler import CompiledLayer, compile_layer
from orris.driver import Device, DeviceError
from orris.golden import conv2d, random_layer_data
from orris.golden.tensors import IntArray
from orris.layers import ConvLayer, Padding
from orris.mapper import map_layer
from orris_hw.config import AcceleratorConfig
from orris_hw.gateware.accelerator import make_accelerator
from orris_hw.register_map import ErrorCode

from .axi import CANARY, Host, Memory, WithIds
from .bench import PERIOD, STALLS, configuration, known, settings, start

MARGIN = 256
"""Bytes of memory after the last one in use."""
BASE = 4096 - 192
"""Where a layer's memory begins: such that bursts meet a 4 KiB boundary."""
PATIENCE = 1000
"""Cycles within which a register access is answered."""


def top(config: AcceleratorConfig) -> WithIds:
    """What the bench runs on."""
    return WithIds(make_accelerator(config), "orris", "m_axi")


class BenchTransport:
    """What the driver reaches the design through; `bridge` runs the driver beside the simulation."""

    def __init__(self, dut: Any, memory: Memory, host: Host):
        self._dut, self._memory, self._host = dut, memory, host

    def write_register(self, offset: int, value: int) -> None:
        self._write(offset, value)

    def read_register(self, offset: int) -> int:
        return self._read(offset)

    def write_memory(self, address: int, content: NDArray[np.uint8]) -> None:
        self._memory.content[address : address + content.size] = content.tobytes()

    def read_memory(self, address: int, size: int) -> NDArray[np.uint8]:
        return np.frombuffer(bytes(self._memory.content[address : address + size]), np.uint8)

    def wait(self, max_cycles: int) -> bool:
        return self._interrupt(max_cycles)

    @resume
    async def _write(self, offset: int, value: int) -> None:
        written = self._host.write(offset, value.to_bytes(4, "little"))
        answer: Any = await with_timeout(written, PATIENCE * PERIOD, "ns")
        assert answer.resp == AxiResp.OKAY, f"write of register {offset:#x}: {answer.resp!r}"

    @resume
    async def _read(self, offset: int) -> int:
        answer: Any = await with_timeout(self._host.read(offset, 4), PATIENCE * PERIOD, "ns")
        assert answer.resp == AxiResp.OKAY, f"read of register {offset:#x}: {answer.resp!r}"
        return int.from_bytes(answer.data, "little")

    @resume
    async def _interrupt(self, max_cycles: int) -> bool:
        edge = RisingEdge(self._dut.clk)
        for _ in range(max_cycles):
            await edge
            if known(self._dut.irq):
                return True
        return False


def _layer(shape: dict[str, Any]) -> ConvLayer:
    return ConvLayer(**{**shape, "padding": Padding(*shape.get("padding", (0, 0, 0, 0)))})


@cocotb.test()
@cocotb.parametrize(stall=STALLS)
async def layers(dut: Any, stall: float) -> None:
    """After a bad program, layer after layer is bit-exact, and nothing else in memory changes."""
    config = configuration()
    work = []
    for number, shape in enumerate(settings()["layers"]):
        layer = _layer(shape)
        data = random_layer_data(layer, cocotb.RANDOM_SEED + number)  # type: ignore[attr-defined]
        mapping = map_layer(layer, config)
        golden = conv2d(layer, data.ifmap, data.weights, data.requant, config.psum_width)
        work.append((compile_layer(layer, mapping, config, data.weights, data.requant, base=BASE),
                     data.ifmap, golden))  # fmt: skip
    size = max(compiled.memory_size for compiled, _, _ in work) + MARGIN
    size += -size % config.port_bytes  # whole beats
    memory, host = Memory(dut, "m_axi", size, stall), Host(dut, "s_axi", stall)
    await start(dut, top(config))
    device = await bridge(Device)(BenchTransport(dut, memory, host), config)
    await bridge(_bad_program)(device, memory, *work[0][:2])
    for compiled, ifmap, golden in work:
        memory.content[:] = bytes([CANARY]) * size
        result = await bridge(device.run_layer)(compiled, ifmap, max_cycles=settings()["cycles"])
        wrong = int(np.count_nonzero(result.ofmap != golden))
        assert wrong == 0, f"{compiled.layer.name}: {wrong} of {golden.size} values are wrong"
        if config.control.counters == "all":
            made, gated = result.counters["mac_done"], result.counters["mac_gated"]
            macs = compiled.expected_counts["macs"]
            assert made + gated == macs, f"{compiled.layer.name}: {made} + {gated} MACs instead of {macs}"
        _check_untouched(memory, compiled, compiled.pack_ifmap(ifmap))


def _bad_program(device: Device, memory: Memory, compiled: CompiledLayer, ifmap: IntArray) -> None:
    """A program whose first command is none."""
    device.load(compiled, ifmap)
    memory.content[compiled.program_address] = 0xFF
    device.start(compiled)
    try:
        device.finish(settings()["cycles"])
    except DeviceError as error:
        assert (error.code, error.command) == (ErrorCode.BAD_OPCODE, 0), f"a bad opcode gives '{error}'"
    else:
        raise AssertionError("a bad opcode gives no error")


def _check_untouched(memory: Memory, compiled: CompiledLayer, ifmap: NDArray[np.uint8]) -> None:
    """Every byte outside the ofmap is as the driver left it."""
    expected = np.full(len(memory.content), CANARY, np.uint8)
    for address, segment in (*compiled.segments, (compiled.ifmap.address, ifmap)):
        expected[address : address + segment.size] = segment
    found = np.frombuffer(bytes(memory.content), np.uint8).copy()
    ofmap = slice(compiled.ofmap.address, compiled.ofmap.address + compiled.ofmap.layout.bytes)
    expected[ofmap] = found[ofmap]
    changed = np.flatnonzero(expected != found)
    assert not changed.size, f"{compiled.layer.name}: wrote byte {changed[0]:#x}, outside the ofmap"
