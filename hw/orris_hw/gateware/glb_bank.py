"""One bank of the global buffer."""

from typing import Any

from amaranth.hdl import Cat, Module, Mux, Signal
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
    """A write command, as its sender sees it: `en`, `offset` (word in the bank), `data`, byte `mask`.

    With several `words`, `offset` is that of any word of the row that they are.
    """

    def __init__(self, depth: int, words: int = 1):
        super().__init__({
            "en": Out(1), "offset": Out(exact_log2(depth)),
            "data": Out(words * WORD_BITS), "mask": Out(words * WORD_BYTES),
        })


class GlbBank(wiring.Component):
    """RAM of `depth` words that serves one of its readers and one of its writers each cycle.

    The RAM has rows of `row_words` words. A reader gets the word it asked for and its whole row, a writer
    writes bytes of one word, or of a row.

    Equation: of the ports with `en`, the lowest index is served and the others are refused, without an
    answer: whoever drives them knows the same rule. A read returns what was written up to its own cycle; of
    bytes written in the next one, nothing useful.
    Latency: `READ_LATENCY` cycles. Throughput: one read and one write per cycle. Meant for block RAM
    with byte write enables.

    Parameters
    ----------
    depth : int
        Words of 64 bits, a power of two.
    readers, writers : int
        Ports, in falling priority.
    row_words : int
        A power of two. With more than one, the last of the writers writes rows.

    Members
    -------
    read : In(BankRead(depth)).array(readers)
    write : In(BankWrite(depth)).array(writers), without the one of rows
    data : Out(64)
    owner : Out(readers)
        Bit k: `data` is the word reader k asked for, `READ_LATENCY` cycles ago.
    write_row : In(BankWrite(depth, row_words))
    row : Out(64 * row_words)
        The row of `data`. Both only with more than one word a row.
    """

    def __init__(self, depth: int, readers: int, writers: int, row_words: int = 1):
        self.depth, self.row_words = depth, row_words
        self.emission_key = depth, readers, writers, row_words
        wide = row_words > 1
        rows = {"write_row": In(BankWrite(depth, row_words)), "row": Out(row_words * WORD_BITS)}
        super().__init__({
            "read": In(BankRead(depth)).array(readers),
            "write": In(BankWrite(depth)).array(writers - wide),
            "data": Out(WORD_BITS),
            "owner": Out(readers),
            **(rows if wide else {}),
        })

    def elaborate(self, platform: Any) -> Module:
        m = Module()
        words, lane = self.row_words, exact_log2(self.row_words)
        m.submodules.ram = ram = memory.Memory(
            shape=words * WORD_BITS, depth=self.depth // words, init=[]
        )
        read = ram.read_port()
        write = ram.write_port(granularity=8)

        served, offset = Signal.like(self.owner), Signal(exact_log2(self.depth))
        # Offsets and words of the last in line need no choice: nothing happens where nobody has `en`.
        m.d.comb += offset.eq(self.read[-1].offset)
        for k, port in reversed(list(enumerate(self.read))):
            with m.If(port.en):
                m.d.comb += [served.eq(1 << k), offset.eq(port.offset)]
        owners = [Signal.like(self.owner, name=f"owner_{stage}") for stage in range(READ_LATENCY - 1)]
        m.d.sync += Cat(*owners, self.owner).eq(Cat(served, *owners))
        with m.If(served.any()):
            m.d.sync += read.addr.eq(offset[lane:])
        returning = owners[-1].any()
        # Without a reset and with one enable, it goes into the block RAM's own register.
        answer = Signal.like(read.data, reset_less=True)
        if words == 1:
            m.d.comb += self.data.eq(answer)
            with m.If(returning):
                m.d.sync += answer.eq(read.data)
        else:
            lanes = [Signal(lane, name=f"lane_{stage}") for stage in range(READ_LATENCY - 1)]
            m.d.sync += Cat(*lanes).eq(Cat(offset[:lane], *lanes))
            word = Signal.like(self.data, reset_less=True)
            m.d.comb += [self.row.eq(answer), self.data.eq(word)]
            with m.If(returning):
                m.d.sync += [answer.eq(read.data), word.eq(read.data.word_select(lanes[-1], WORD_BITS))]
        m.d.comb += read.en.eq(owners[0].any())

        # The RAM itself takes in a write at the end of the cycle: a register before it would only delay it.
        writers = [*self.write, *([self.write_row] if words > 1 else [])]
        for port in reversed(writers):
            here, mask = port.offset[:lane], port.mask
            if len(port.data) < words * WORD_BITS:
                mask = Cat(Mux(here == k, port.mask, 0) for k in range(words))
            with m.If(port.en):
                m.d.comb += write.en.eq(mask)
            with m.If(port.en | (port is writers[-1])):
                m.d.comb += [
                    write.addr.eq(port.offset[lane:]),
                    write.data.eq(port.data.replicate(words * WORD_BITS // len(port.data))),
                ]
        return m
