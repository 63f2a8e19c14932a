"""Accumulates the psums that leave the array over channel groups, in the global buffer."""

from typing import Any

from amaranth.hdl import Cat, Module, Mux, Signal, Value, signed
from amaranth.lib import data, stream, wiring
from amaranth.lib.wiring import In, Out
from amaranth.utils import exact_log2

from ..config import AcceleratorConfig
from .arithmetic import chosen, saturate
from .beats import psum_beat
from .buffers import SkidBuffer
from .finished_sums import SumOffer, SumQueue
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
    last `end`; sum goes to the queue of `final[c]` if last, else to bank[c].slot[i]. Slot i is bits
    (i mod n) * 64/n and up of word i div n, n = `config.psums_per_word`. The addition wraps at psum_width
    in `integer` arithmetic and saturates in `fixed_point`.
    Latency: 2 cycles from the stream to `bank_read`, 7 to `bank_write`, 8 to `final`. Throughput: 1 psum
    per cycle over all columns; passes of fewer than 6 psums of a column follow each other 6 cycles apart.
    A full `final[c]` stalls column c only.

    Parameters
    ----------
    config : AcceleratorConfig
    queues : tuple of tuples of int
        The columns that share this port, from 0 up, at least one: those whose finished sums share a queue.

    Members
    -------
    psum : In(stream.Signature(psum_beat(config))).array(columns)
    bank_read : Out(BankRead(depth)).array(columns)
    bank_data : In(64).array(columns)
        The word, `PSUM_READ_LATENCY` cycles after `bank_read[c].en`.
    bank_write : Out(BankWrite(depth)).array(columns)
    final : Out(SumOffer()).array(columns)
        Finished sums, in a queue with room for `networks.spare_sums` more than `scratchpads.psum` of each
        column; at most one column of a queue is ready in a cycle.
    sums : Out(signed(psum_width)).array(queues)
        What was taken last of each queue.
    read_event, write_event, final_event : Out(1)
        A psum was read from a bank, written to one, finished.

    Raises
    ------
    ValueError
        If `queues` are not of the columns 0, 1, 2, and so on.
    """

    def __init__(self, config: AcceleratorConfig, queues: tuple[tuple[int, ...], ...]):
        columns = sorted(column for queue in queues for column in queue)
        if not columns or columns != list(range(len(columns))) or not all(queues):
            raise ValueError(f"queues must be of the columns from 0 up, each in one of them, not {queues!r}")
        self.config = config
        self.queues = queues
        self.columns = len(columns)
        depth = config.global_buffer.depth
        super().__init__({
            "psum": In(stream.Signature(psum_beat(config))).array(self.columns),
            "bank_read": Out(BankRead(depth)).array(self.columns),
            "bank_data": In(WORD_BITS).array(self.columns),
            "bank_write": Out(BankWrite(depth)).array(self.columns),
            "final": Out(SumOffer()).array(self.columns),
            "sums": Out(signed(config.psum_width)).array(len(queues)),
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
        # What is known of a psum when it is issued, and what travels with it to its write.
        issue = data.StructLayout({
            "psum": signed(config.link_width), "first": 1, "last": 1, "end": 1, "column": columns,
        })
        item = data.StructLayout({
            "psum": signed(config.link_width), "first": 1, "last": 1, "slot": slot_index, "column": columns,
        })

        # A finished sum has its place in its queue before it is issued.
        total, finished = Signal(signed(width), reset_less=True), Signal(columns)
        reserve, room = Signal(columns), Signal(columns)
        self._queue_sums(m, reserve, room, finished, total)

        heads, eligible = [], []
        grant = Signal(columns)
        for c in range(columns):
            m.submodules[f"psum_{c}"] = skid = SkidBuffer(psum_beat(config))
            wiring.connect(m, wiring.flipped(self.psum[c]), skid.i)
            head = skid.o.payload
            heads.append(head)

            # The same slot comes again after as many psums as the pass has; if these are fewer than
            # _WRITTEN, the column rests for the cycles that are missing.
            missing = Signal(range(_WRITTEN), init=_WRITTEN - 1, name=f"missing_{c}")
            rest = Signal(range(_WRITTEN), name=f"rest_{c}")
            with m.If(rest != 0):
                m.d.sync += rest.eq(rest - 1)
            with m.If(grant[c]):
                with m.If(head.end):
                    m.d.sync += [missing.eq(_WRITTEN - 1), rest.eq(missing)]
                with m.Elif(missing != 0):
                    m.d.sync += missing.eq(missing - 1)
            eligible.append(skid.o.valid & (rest == 0) & (~head.last | room[c]))
            m.d.comb += [reserve[c].eq(grant[c] & head.last), skid.o.ready.eq(grant[c])]
        m.d.comb += grant.eq(in_turn(m, Cat(eligible), name="turn"))

        # Issue: the bank is read while the psum waits in a delay line.
        valid = Signal(_OPERANDS + 1)
        m.d.sync += valid.eq(Cat(grant.any(), valid))
        issued = Signal(issue, reset_less=True)
        with m.If(grant.any()):
            m.d.sync += [issued[name].eq(chosen(grant, [head[name] for head in heads]))
                         for name in ("psum", "first", "last", "end")]  # fmt: skip
            m.d.sync += issued.column.eq(grant)
        # Which slot it goes to, one counter for all columns finds out a cycle later.
        slots = [Signal(slot_index, name=f"slot_{c}") for c in range(columns)]
        slot = Signal(slot_index)
        m.d.comb += slot.eq(chosen(issued.column, slots))
        for c, own in enumerate(slots):
            with m.If(valid[0] & issued.column[c]):
                m.d.sync += own.eq(Mux(issued.end, 0, slot + 1))
        for c, (bank, head) in enumerate(zip(self.bank_read, heads, strict=True)):
            m.d.sync += bank.en.eq(grant[c] & ~head.first)
            m.d.comb += bank.offset.eq(slot[sub_bits:])
        m.d.comb += self.read_event.eq(valid[0] & ~issued.first)
        # A stage changes only where a psum comes: a column at rest costs no power.
        stages = [Signal(item, name=f"stage_{k}", reset_less=True) for k in range(1, _OPERANDS)]
        with m.If(valid[0]):
            m.d.sync += [stages[0][name].eq(issued[name]) for name in ("psum", "first", "last", "column")]
            m.d.sync += stages[0].slot.eq(slot)
        for come, earlier, stage in zip(valid[1:], stages, stages[1:], strict=False):
            with m.If(come):
                m.d.sync += stage.eq(earlier)

        # Operands: the psum, and its slot of the word that has come from the bank, or 0.
        returning = stages[-1]
        places = [(word.word_select(k, slot_bits), returning.column[c] & (returning.slot[:sub_bits] == k))
                  for c, word in enumerate(self.bank_data) for k in range(per_word)]  # fmt: skip
        stored, operand = Signal(signed(width), reset_less=True), Signal(item, reset_less=True)
        slot_of_word = chosen(Cat(here for _, here in places), [at for at, _ in places])
        with m.If(valid[-2]):
            m.d.sync += [
                stored.eq(Mux(returning.first, 0, slot_of_word)),
                operand.eq(returning),
            ]

        # Sum: one register feeds banks and queues.
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
        for c, bank in enumerate(self.bank_write):
            here = valid[-1] & operand.column[c]
            m.d.sync += [bank.en.eq(here & ~operand.last), finished[c].eq(here & operand.last)]
            m.d.comb += [
                bank.offset.eq(offset), bank.mask.eq(mask), bank.data.eq(slot_value.replicate(per_word)),
            ]
        m.d.comb += [
            self.write_event.eq(Cat(bank.en for bank in self.bank_write).any()),
            self.final_event.eq(finished.any()),
        ]
        return m

    def _queue_sums(self, m: Module, reserve: Signal, room: Signal, finished: Signal, total: Signal) -> None:
        """The queues of the columns' finished sums, each of them `total` where the column's bit is set."""
        config = self.config
        depth = max(2, config.scratchpads.psum + config.networks.spare_sums)
        for number, columns in enumerate(self.queues):
            m.submodules[f"finished_{number}"] = queue = SumQueue(config.psum_width, len(columns), depth)
            m.d.comb += [queue.sum_in.eq(total), self.sums[number].eq(queue.sum)]
            for place, c in enumerate(columns):
                wiring.connect(m, queue.offer[place], wiring.flipped(self.final[c]))
                m.d.comb += [
                    queue.reserve[place].eq(reserve[c]),
                    queue.en[place].eq(finished[c]),
                    room[c].eq(queue.room[place]),
                ]
