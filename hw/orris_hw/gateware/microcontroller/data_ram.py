"""The core's RAM."""

from typing import Any

from amaranth.hdl import Module, Signal
from amaranth.lib import memory, wiring
from amaranth.lib.wiring import In, Out
from amaranth.utils import exact_log2


class DataRam(wiring.Component):
    """A memory of 32-bit words with byte strobes, one access a cycle: single-port RAM is enough.

    Latency 1 cycle; what was read stays until another read. What it holds before it is written is not to be
    relied on: some FPGAs' large RAMs cannot be initialised.

    Parameters
    ----------
    bytes_ : int
        A power of two.

    Members
    -------
    enable : In(1), write : In(1), address : In(log2(bytes_ / 4)), strobe : In(4), data : In(32)
    read_data : Out(32)
    """

    def __init__(self, bytes_: int):
        self._words = bytes_ // 4
        super().__init__({
            "enable": In(1),
            "write": In(1),
            "address": In(exact_log2(self._words)),
            "strobe": In(4),
            "data": In(32),
            "read_data": Out(32),
        })

    def elaborate(self, platform: Any) -> Module:
        m = Module()
        storage = memory.Memory(shape=32, depth=self._words, init=[])
        m.submodules.uninitialised_storage = storage
        write, read = storage.write_port(granularity=8), storage.read_port()
        writes = Signal()
        m.d.comb += [
            writes.eq(self.enable & self.write),
            write.addr.eq(self.address),
            write.data.eq(self.data),
            write.en.eq(self.strobe & writes.replicate(4)),
            read.addr.eq(self.address),
            read.en.eq(self.enable & ~self.write),
            self.read_data.eq(read.data),
        ]
        return m
