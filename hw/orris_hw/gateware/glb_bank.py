"""One bank of the global buffer."""

from typing import Any

from amaranth.hdl import Cat, Module, Signal
from amaranth.lib import memory, wiring
from amaranth.lib.wiring import In, Out
from amaranth.utils import exact_log2

WORD_BITS = 64
WORD_BYTES = WORD_BITS // 8

READ_LATENCY = 3
"""Cycles from a granted read to its word on `data`: command register, RAM, output register."""


class BankRead(wiring.Signature):
    """A read command, as its sender sees it: `en`, `offset` (word in the bank)."""

    def __init__(self, depth: int):
        super().__init__({"en": Out(1), "offset": Out(exact_log2(depth))})


class BankWrite(wiring.Signature):
    """A write command, as its sender sees it: `en`, `offset` (word in the bank), `data`, byte `mask`."""

    def __init__(self, depth: int):
        super().__init__({
            "en": Out(1), "offset": Out(exact_log2(depth)), "data": Out(WORD_BITS), "mask": Out(WORD_BYTES),
        })


class GlbBank(wiring.Component):
    """RAM of `depth` words that serves one of its readers and one of its writers each cycle.

    Equation: of the ports with `en`, the lowest index is served and the others are refused, without an
    answer: whoever drives them knows the same rule. A read served in the same cycle as a write of the
    same word returns the old word; one served later returns the new one.
    Latency: `READ_LATENCY` cycles. Throughput: one read and one write per cycle. Meant for block RAM
    with byte write enables.

    Parameters
    ----------
    depth : int
        Words of 64 bits, a power of two.
    readers, writers : int
        Ports, in falling priority.

    Members
    -------
    read : In(BankRead(depth)).array(readers)
    write : In(BankWrite(depth)).array(writers)
    data : Out(64)
    owner : Out(readers)
        Bit k: `data` is the word reader k asked for, `READ_LATENCY` cycles ago.
    """

    def __init__(self, depth: int, readers: int, writers: int):
        self.depth = depth
        self.emission_key = depth, readers, writers
        super().__init__({
            "read": In(BankRead(depth)).array(readers),
            "write": In(BankWrite(depth)).array(writers),
            "data": Out(WORD_BITS),
            "owner": Out(readers),
        })

    def elaborate(self, platform: Any) -> Module:
        m = Module()
        m.submodules.ram = ram = memory.Memory(shape=WORD_BITS, depth=self.depth, init=[])
        read = ram.read_port()
        write = ram.write_port(granularity=8)

        served, offset = Signal.like(self.owner), Signal.like(read.addr)
        for k, port in reversed(list(enumerate(self.read))):
            with m.If(port.en):
                m.d.comb += [served.eq(1 << k), offset.eq(port.offset)]
        owners = [Signal.like(self.owner, name=f"owner_{stage}") for stage in range(READ_LATENCY - 1)]
        m.d.sync += [
            read.addr.eq(offset),
            Cat(*owners, self.owner).eq(Cat(served, *owners)),
            self.data.eq(read.data),
        ]
        m.d.comb += read.en.eq(owners[0].any())

        mask = Signal(WORD_BYTES)
        for port in reversed(list(self.write)):
            with m.If(port.en):
                m.d.comb += mask.eq(port.mask)
                m.d.sync += [write.addr.eq(port.offset), write.data.eq(port.data)]
        m.d.sync += write.en.eq(mask)
        return m
