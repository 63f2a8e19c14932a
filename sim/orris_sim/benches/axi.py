"""AXI for the benches: cocotbext-axi as memory and as the host, both with random pauses on every channel."""

import logging
import random
import warnings
from collections.abc import Iterator
from typing import Any

from amaranth.hdl import Module
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out
from cocotbext.axi import AxiBus, AxiLiteBus, AxiLiteMaster, AxiRam

from orris_hw.emission import Once

from .bench import generator

# cocotbext-axi still uses names that cocotb is giving up.
warnings.filterwarnings("ignore", category=DeprecationWarning, module=r"cocotbext\.")

CANARY = 0xA5
"""Every byte of a memory that nothing was written to."""


class WithIds(wiring.Component):
    """The component, with the transaction IDs that cocotbext-axi asks for added to its AXI4 port.

    Our master has one ID and no wires for it. The component's own Verilog is the module `name` below.

    Parameters
    ----------
    component : wiring.Component
    name : str
    bus : str
        The AXI4 port.

    Members
    -------
    All of the component's, and `awid`, `arid` (zero), `bid`, `rid` (ignored) of one bit in `bus`.
    """

    def __init__(self, component: wiring.Component, name: str, bus: str):
        self._component, self._name, self._bus = component, name, bus
        members = dict(component.signature.members)
        ids = {"awid": Out(1), "arid": Out(1), "bid": In(1), "rid": In(1)}
        members[bus] = Out(wiring.Signature({**members[bus].signature.members, **ids}))
        super().__init__(members)

    def elaborate(self, platform: Any) -> Module:
        m = Module()
        inner: Any = Once(self._component, self._name)
        m.submodules.inner = inner
        own = {path: value for path, _, value in self.signature.flatten(self)}
        for path, member, value in self._component.signature.flatten(self._component):
            m.d.comb += own[path].eq(value) if member.flow == Out else value.eq(own[path])
        return m


class Memory(AxiRam):
    """Memory of `size` bytes behind AXI4 port `bus`, which pauses each channel with probability `stall`.

    It checks what AXI demands of bursts: lengths, WLAST, 4 KiB boundaries.
    """

    def __init__(self, dut: Any, bus: str, size: int, stall: float = 0.0):
        _quiet(dut, bus)
        content = bytearray([CANARY]) * size
        super().__init__(AxiBus.from_prefix(dut, bus), dut.clk, dut.rst, size=size, mem=content)
        self.content = content
        _pause(bus, stall, self.write_if, self.read_if)


class Host(AxiLiteMaster):
    """Master of AXI4-Lite port `bus`, which pauses each channel with probability `stall`."""

    def __init__(self, dut: Any, bus: str, stall: float = 0.0):
        _quiet(dut, bus)
        super().__init__(AxiLiteBus.from_prefix(dut, bus), dut.clk, dut.rst)
        _pause(bus, stall, self.write_if, self.read_if)


def _quiet(dut: Any, bus: str) -> None:
    logging.getLogger(f"cocotb.{dut._name}.{bus}").setLevel(logging.WARNING)  # else two lines a burst


def _pause(bus: str, stall: float, write: Any, read: Any) -> None:
    channels = write.aw_channel, write.w_channel, write.b_channel, read.ar_channel, read.r_channel
    for number, channel in enumerate(channels):
        if stall:
            channel.set_pause_generator(_pauses(generator(f"{bus} {number}"), stall))


def _pauses(rng: random.Random, stall: float) -> Iterator[bool]:
    while True:
        yield rng.random() < stall
