"""Accumulates the psums that leave the array over channel groups, in the global buffer."""

from functools import reduce
from operator import or_
from typing import Any

from amaranth.hdl import Cat, Module, Mux, Signal, Value, signed
from amaranth.lib import data, stream, wiring
from amaranth.lib.wiring import In, Out
from amaranth.utils import exact_log2

from ..config import AcceleratorConfig
from .arithmetic import saturate
from .beats import psum_beat
from .buffers import SkidBuffer, StreamFifo
from .glb_bank import WORD_BITS, WORD_BYTES, BankRead, BankWrite
from .global_buffer import PSUM_READ_LATENCY

# From `issue` of a psum: the read register, the bank, the operand register, the sum register.
_OPERANDS = 1 + PSUM_READ_LATENCY
# Cycles after which the same slot may be issued again, so that its read comes after this write.
_WRITTEN = _OPERANDS + 2


def in_turn(m: Module, eligible: Value, *, name: str) -> Value:
    """One-hot grant to the `eligible` bit granted last, or to the next one; idle bits take no cycle.

    Columns send their psums in bursts: served one after the other, they drift apart until no two bursts
    meet; served one psum each in turn, they would all stay in step and all wait.
    """
    # The last one granted and those above it come first.
    later = Signal(len(eligible), name=f"{name}_later")
    grant = Signal(len(eligible), name=name)

    def lowest(bits: Value) -> Value:
        return Cat(bit & ~bits[:k].any() if k else bit for k, bit in enumerate(bits))

    m.d.comb += grant.eq(Mux((eligible & later).any(), lowest(eligible & later), lowest(eligible)))
    with m.If(grant.any()):
        m.d.sync += later.eq(Cat(grant[:k + 1].any() for k in range(len(grant))))
    return grant


class PsumPort(wiring.Component):
    """Adds the psums of a group of columns to those of earlier channel groups, in each column's bank.

    Equation: sum = psum if first else bank[c].slot[i] + psum, where i counts the column's psums since the
    last `end`; sum goes to `final[c]` if last, else to bank[c].slot[i]. Slot i is bits
    (i mod n) * 64/n and up of word i div n, n = `config.psums_per_word`. The addition wraps at psum_width
    in `integer` arithmetic and saturates in `fixed_point`.
    Latency: 2 cycles from the stream to `bank_read`, 7 to `bank_write`, 8 to `final`. Throughput: 1 psum
    per cycle over all columns; passes of fewer than 6 psums of a column follow each other 6 cycles apart.
    A full `final[c]` stalls column c only.

    Parameters
    ----------
    config : AcceleratorConfig
    columns_in_group : int
        Columns that share this port, at least 1.

    Members
    -------
    psum : In(stream.Signature(psum_beat(config))).array(columns_in_group)
    bank_read : Out(BankRead(depth)).array(columns_in_group)
    bank_data : In(64).array(columns_in_group)
        The word, `PSUM_READ_LATENCY` cycles after `bank_read[c].en`.
    bank_write : Out(BankWrite(depth)).array(columns_in_group)
    final : Out(stream.Signature(signed(psum_width))).array(columns_in_group)
        Behind a FIFO with room for `networks.spare_sums` more than `scratchpads.psum` of them.
    read_event, write_event, final_event : Out(1)
        A psum was read from a bank, written to one, finished.

    Raises
    ------
    ValueError
        If `columns_in_group` is less than 1.
    """

    def __init__(self, config: AcceleratorConfig, columns_in_group: int):
        if columns_in_group < 1:
            raise ValueError(f"columns_in_group must be at least 1, not {columns_in_group!r}")
        self.config = config
        self.columns = columns_in_group
        depth = config.global_buffer.depth
        super().__init__({
            "psum": In(stream.Signature(psum_beat(config))).array(self.columns),
            "bank_read": Out(BankRead(depth)).array(self.columns),
            "bank_data": In(WORD_BITS).array(self.columns),
            "bank_write": Out(BankWrite(depth)).array(self.columns),
            "final": Out(stream.Signature(signed(config.psum_width))).array(self.columns),
            "read_event": Out(1),
            "write_event": Out(1),
            "final_event": Out(1),
        })

    def elaborate(self, platform: Any) -> Module:
        m = Module()
        config, columns, width = self.config, self.columns, self.config.psum_width
        per_word = config.psums_per_word
        slot_bits, sub_bits = WORD_BITS // per_word, exact_log2(per_word)
        slot_index = sub_bits + exact_log2(config.global_buffer.depth)
        fifo_depth = max(2, config.scratchpads.psum + config.networks.spare_sums)
        # What travels with a psum from issue to write.
        item = data.StructLayout({
            "psum": signed(config.link_width), "first": 1, "last": 1, "slot": slot_index, "column": columns,
        })

        finals, heads, slots, eligible = [], [], [], []
        grant = Signal(columns)
        for c in range(columns):
            m.submodules[f"psum_{c}"] = skid = SkidBuffer(psum_beat(config))
            m.submodules[f"final_{c}"] = fifo = StreamFifo(signed(width), fifo_depth)
            wiring.connect(m, wiring.flipped(self.psum[c]), skid.i)
            wiring.connect(m, wiring.flipped(self.final[c]), fifo.o)
            head = skid.o.payload
            finals.append(fifo)
            heads.append(head)

            slot = Signal(slot_index, name=f"slot_{c}")
            # The same slot comes again after as many psums as the pass has; if these are fewer than
            # _WRITTEN, the column rests for the cycles that are missing.
            missing = Signal(range(_WRITTEN), init=_WRITTEN - 1, name=f"missing_{c}")
            rest = Signal(range(_WRITTEN), name=f"rest_{c}")
            with m.If(rest != 0):
                m.d.sync += rest.eq(rest - 1)
            with m.If(grant[c]):
                with m.If(head.end):
                    m.d.sync += [slot.eq(0), missing.eq(_WRITTEN - 1), rest.eq(missing)]
                with m.Else():
                    m.d.sync += slot.eq(slot + 1)
                    with m.If(missing != 0):
                        m.d.sync += missing.eq(missing - 1)
            slots.append(slot)

            # A finished sum has its place in the FIFO before it is issued.
            space = Signal(range(fifo_depth + 1), init=fifo_depth, name=f"space_{c}")
            m.d.sync += space.eq(space - (grant[c] & head.last) + (fifo.o.valid & fifo.o.ready))
            eligible.append(skid.o.valid & (rest == 0) & (~head.last | (space != 0)))
            m.d.comb += skid.o.ready.eq(grant[c])
        m.d.comb += grant.eq(in_turn(m, Cat(eligible), name="turn"))

        # Issue: the bank is read while the psum waits in a delay line.
        stages = [Signal(item, name=f"stage_{k}", reset_less=True) for k in range(_OPERANDS)]
        valid = Signal(_OPERANDS + 1)
        m.d.sync += valid.eq(Cat(grant.any(), valid))
        granted = data.View(item, Signal(item.size, name="granted"))
        m.d.comb += [
            granted.psum.eq(_chosen(grant, [head.psum for head in heads])),
            granted.first.eq(_chosen(grant, [head.first for head in heads])),
            granted.last.eq(_chosen(grant, [head.last for head in heads])),
            granted.slot.eq(_chosen(grant, slots)),
            granted.column.eq(grant),
        ]
        # A stage changes only where a psum comes: a column at rest costs no power.
        comes = [grant.any(), *valid]
        for stage, earlier, come in zip(stages, [granted, *stages[:-1]], comes, strict=False):
            with m.If(come):
                m.d.sync += stage.eq(earlier)
        for c, (bank, head) in enumerate(zip(self.bank_read, heads, strict=True)):
            m.d.sync += bank.en.eq(grant[c] & ~head.first)
            m.d.comb += bank.offset.eq(stages[0].slot[sub_bits:])
        m.d.comb += self.read_event.eq(valid[0] & ~stages[0].first)

        # Operands: the psum, and its slot of the word that has come from the bank, or 0.
        returning = stages[-1]
        word = _chosen(returning.column, list(self.bank_data))
        stored, operand = Signal(signed(width), reset_less=True), Signal(item, reset_less=True)
        slot_of_word = word.word_select(returning.slot[:sub_bits], slot_bits)
        with m.If(valid[-2]):
            m.d.sync += [
                stored.eq(Mux(returning.first, 0, slot_of_word)),
                operand.eq(returning),
            ]

        # Sum: one register feeds banks and FIFOs.
        total = Signal(signed(width), reset_less=True)
        offset, mask = Signal(slot_index - sub_bits, reset_less=True), Signal(WORD_BYTES, reset_less=True)
        added = stored + operand.psum
        with m.If(valid[-1]):
            m.d.sync += [
                total.eq(saturate(added, width) if config.arithmetic == "fixed_point" else added),
                offset.eq(operand.slot[sub_bits:]),
                mask.eq(Cat((operand.slot[:sub_bits] == k).replicate(WORD_BYTES // per_word)
                            for k in range(per_word))),
            ]
        slot_value = Signal(signed(slot_bits))
        m.d.comb += slot_value.eq(total)
        finished = Signal(columns)
        for c, bank in enumerate(self.bank_write):
            here = valid[-1] & operand.column[c]
            m.d.sync += [bank.en.eq(here & ~operand.last), finished[c].eq(here & operand.last)]
            m.d.comb += [
                bank.offset.eq(offset), bank.mask.eq(mask), bank.data.eq(slot_value.replicate(per_word)),
                finals[c].i.valid.eq(finished[c]), finals[c].i.payload.eq(total),
            ]
        m.d.comb += [
            self.write_event.eq(Cat(bank.en for bank in self.bank_write).any()),
            self.final_event.eq(finished.any()),
        ]
        return m


def _chosen(onehot: Value, values: list[Any]) -> Value:
    """The one of `values` whose bit in `onehot` is set, as bits; 0 if none is."""
    return reduce(or_, (Value.cast(value) & bit.replicate(len(Value.cast(value)))
                        for bit, value in zip(onehot, values, strict=True)))
