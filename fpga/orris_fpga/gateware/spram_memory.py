"""The iCE40 UltraPlus' single-port RAM as memory."""

from typing import Any

from amaranth.hdl import ClockSignal, Const, Instance, Module
from amaranth.lib import wiring
from amaranth.lib.wiring import In

from orris_hw.gateware.axi import DATA_BITS

from .words import WordSignature

ADDRESS_BITS = 14
BLOCK_BITS = 16
BYTES = DATA_BITS // 8 << ADDRESS_BITS
"""All four blocks of the device: 128 kB."""


class SpramMemory(wiring.Component):
    """All four 16384 x 16-bit blocks side by side, reading or writing one 64-bit word a cycle.

    Latency 1 cycle, throughput 1 word per cycle. What it holds before it is written is unknown.

    Members
    -------
    port : In(WordSignature(14))
    """

    port: In(WordSignature(ADDRESS_BITS))

    def elaborate(self, platform: Any) -> Module:
        m = Module()
        request, port = self.port.request, self.port
        m.d.comb += request.ready.eq(1)
        for number in range(DATA_BITS // BLOCK_BITS):
            low, high = (request.payload.mask[2 * number + byte] for byte in range(2))
            bits = slice(BLOCK_BITS * number, BLOCK_BITS * (number + 1))
            m.submodules[f"block_{number}"] = Instance(
                "SB_SPRAM256KA",
                i_CLOCK=ClockSignal(),
                i_CHIPSELECT=request.valid,
                i_WREN=request.payload.write,
                i_MASKWREN=_nibbles(low, high),
                i_ADDRESS=request.payload.address,
                i_DATAIN=request.payload.data[bits],
                o_DATAOUT=port.read_data[bits],
                i_STANDBY=Const(0),
                i_SLEEP=Const(0),
                i_POWEROFF=Const(1),  # active low
            )
        m.d.sync += port.read_valid.eq(request.valid & ~request.payload.write)
        return m


def _nibbles(low: Any, high: Any) -> Any:
    """The blocks' masks are per half-byte."""
    return low.replicate(2) | high.replicate(2) << 2
