"""The iCE40 UltraPlus' single-port RAM as memory."""

from typing import Any

from amaranth.hdl import Cat, ClockSignal, Const, Instance, Module, Mux, Signal
from amaranth.lib import wiring
from amaranth.lib.wiring import In

from .words import WordSignature

ADDRESS_BITS = 14
BLOCK_BITS = 16
BLOCK_BYTES = BLOCK_BITS // 8 << ADDRESS_BITS
BLOCKS = 4
"""Blocks of the device."""


class SpramMemory(wiring.Component):
    """16384 x 16-bit blocks side by side, reading or writing one 64-bit word at a time, in parts.

    A word takes as many cycles as it has parts of `blocks` times 16 bits: latency and cycles per word. What
    it holds before it is written is unknown.

    Parameters
    ----------
    blocks : int
        4, or 2 that leave the others to the design.

    Members
    -------
    port : In(WordSignature(log2(words)))

    Raises
    ------
    ValueError
        For another number of blocks.
    """

    def __init__(self, blocks: int = BLOCKS):
        if blocks not in (2, BLOCKS):
            raise ValueError(f"SpramMemory blocks must be 2 or {BLOCKS}, not {blocks!r}")
        self._blocks, self._parts = blocks, BLOCKS // blocks
        super().__init__({"port": In(WordSignature(ADDRESS_BITS - (self._parts - 1).bit_length()))})

    def elaborate(self, platform: Any) -> Module:
        m = Module()
        request, port = self.port.request, self.port
        part = Signal((self._parts - 1).bit_length())
        last = Signal()
        m.d.comb += [last.eq(part == self._parts - 1), request.ready.eq(last)]
        if self._parts > 1:
            with m.If(request.valid):
                m.d.sync += part.eq(part + 1)
        wide = self._blocks * BLOCK_BITS
        content, mask = Signal(wide), Signal(wide // 8)
        for whole, now in ((request.payload.data, content), (request.payload.mask, mask)):
            m.d.comb += now.eq(Mux(last, whole[-len(now):], whole[: len(now)]))
        found = Signal(wide)
        for number in range(self._blocks):
            low, high = (mask[2 * number + byte] for byte in range(2))
            bits = slice(BLOCK_BITS * number, BLOCK_BITS * (number + 1))
            m.submodules[f"block_{number}"] = Instance(
                "SB_SPRAM256KA",
                i_CLOCK=ClockSignal(),
                i_CHIPSELECT=request.valid,
                i_WREN=request.payload.write,
                i_MASKWREN=_nibbles(low, high),
                i_ADDRESS=Cat(part, request.payload.address),
                i_DATAIN=content[bits],
                o_DATAOUT=found[bits],
                i_STANDBY=Const(0),
                i_SLEEP=Const(0),
                i_POWEROFF=Const(1),  # active low
            )
        word = found  # parts that came before the last one wait in registers
        for _ in range(self._parts - 1):
            earlier = Signal.like(word, reset_less=True)
            m.d.sync += earlier.eq(word)
            word = Cat(earlier, found)
        m.d.comb += port.read_data.eq(word)
        m.d.sync += port.read_valid.eq(request.valid & last & ~request.payload.write)
        return m


def _nibbles(low: Any, high: Any) -> Any:
    """The blocks' masks are per half-byte."""
    return low.replicate(2) | high.replicate(2) << 2
