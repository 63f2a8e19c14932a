"""Memory on the chip, in block RAM."""

from typing import Any

from amaranth.hdl import Module, Signal
from amaranth.lib import memory, wiring
from amaranth.lib.wiring import In

from orris_hw.gateware.axi import DATA_BITS

from .words import WordSignature


class BlockMemory(wiring.Component):
    """A memory of 64-bit words with byte masks, reading or writing one a cycle.

    Latency 1 cycle, throughput 1 word per cycle. One address serves reads and writes, and never both in one
    cycle: a single-port RAM is enough.

    Parameters
    ----------
    words : int

    Members
    -------
    port : In(WordSignature(ceil(log2(words))))
    """

    def __init__(self, words: int):
        self._words = words
        super().__init__({"port": In(WordSignature((words - 1).bit_length()))})

    def elaborate(self, platform: Any) -> Module:
        m = Module()
        m.submodules.storage = storage = memory.Memory(shape=DATA_BITS, depth=self._words, init=[])
        write, read = storage.write_port(granularity=8), storage.read_port()
        request = self.port.request
        writing = Signal()
        m.d.comb += [
            request.ready.eq(1),
            writing.eq(request.valid & request.payload.write),
            write.addr.eq(request.payload.address),
            write.data.eq(request.payload.data),
            read.addr.eq(request.payload.address),
            read.en.eq(request.valid & ~request.payload.write),
            self.port.read_data.eq(read.data),
        ]
        for byte, enable in enumerate(write.en):
            m.d.comb += enable.eq(writing & request.payload.mask[byte])
        m.d.sync += self.port.read_valid.eq(read.en)
        return m
