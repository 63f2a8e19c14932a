"""Brings the filters of each pass from the global buffer to the filter network."""

from typing import Any

from amaranth.hdl import Module, Mux, Signal
from amaranth.lib import stream, wiring
from amaranth.lib.wiring import In, Out

from ..commands import RUN
from ..config import AcceleratorConfig
from .beats import Assignment, Kind, PassField, PassFlags, filter_lanes, filter_y_beat
from .buffers import SkidBuffer
from .command_layout import part_layout
from .global_buffer import GlbRead
from .semaphores import TokenSink, TokenSource

FILTER_RUN = part_layout(
    RUN, "wait_filter", "signal_filter", "passes", "first", "last", "rows", "last_rows", "e", "sets",
    "stacks", "R", "p", "taps", "step", "positions", "shift", "filter_base", "filter_stride", "filter_slots",
    "filter_start", "filter_words",
)  # fmt: skip


class _Passes:
    """Counts through the passes of a RUN; what follows from the count is in registers beside it."""

    def __init__(self, run: Any, name: str):
        self._run = run
        self._left = Signal(12, name=f"{name}_left")
        self.first, self.last = Signal(name=f"{name}_first"), Signal(name=f"{name}_last")
        self.top_row = Signal(5, name=f"{name}_top_row")
        """Rows in use, minus one."""

    def begin(self) -> list[Any]:
        return [self._left.eq(self._run.passes), self.first.eq(1), *self._see_last(self._run.passes == 1)]

    def advance(self) -> list[Any]:
        return [self._left.eq(self._left - 1), self.first.eq(0), *self._see_last(self._left == 2)]

    def _see_last(self, last: Any) -> list[Any]:
        rows = Mux(last, self._run.last_rows, self._run.rows)
        return [self.last.eq(last), self.top_row.eq(rows - 1)]


class _Walk:
    """Counts set, word, row (innermost) through a pass's filters."""

    def __init__(self, m: Module, run: Any, top_row: Any, step: Any, name: str):
        self.set = Signal(5, name=f"{name}_set")
        self.word = Signal(10, name=f"{name}_word")
        self.row = Signal(5, name=f"{name}_row")
        most_words = Signal.like(self.word, name=f"{name}_most_words")
        most_sets = Signal.like(self.set, name=f"{name}_most_sets")
        m.d.sync += [most_words.eq(run.filter_words - 1), most_sets.eq(run.sets - 1)]
        self.last_row = self.row == top_row
        self.last_word, last_set = self.word == most_words, self.set == most_sets
        self.end = self.last_row & self.last_word & last_set
        with m.If(step):
            m.d.sync += self.row.eq(Mux(self.last_row, 0, self.row + 1))
            with m.If(self.last_row):
                m.d.sync += self.word.eq(Mux(self.last_word, 0, self.word + 1))
                with m.If(self.last_word):
                    m.d.sync += self.set.eq(Mux(last_set, 0, self.set + 1))


class FilterFeeder(wiring.Component):
    """Feeds the filters of every pass of a RUN, with the pass's description ahead of them.

    Per RUN: which columns belong to which filter set. Per pass: the `PassField`s for all rows in use, and
    FORWARD and FLAGS again for the rows above each further stacked set, whose bottom row they make; then for
    every set, word and row the word's filter values. Words are read ahead of the beats, also for the
    next pass, as soon as its token is there; the token of a pass's slot is given when its last word has
    arrived. Throughput one beat per cycle; per pass 8 cycles beside the filter beats.

    Parameters
    ----------
    config : AcceleratorConfig

    Members
    -------
    run : In(stream of FILTER_RUN)
    read : Out(GlbRead())
    beats : Out(stream of filter_y_beat)
    wait : Out(TokenSink()), signal : Out(TokenSource())
    idle : Out(1)
    """

    def __init__(self, config: AcceleratorConfig):
        self.config = config
        super().__init__(
            {
                "run": In(stream.Signature(FILTER_RUN)),
                "read": Out(GlbRead()),
                "beats": Out(stream.Signature(filter_y_beat(config))),
                "wait": Out(TokenSink()),
                "signal": Out(TokenSource()),
                "idle": Out(1),
            }
        )

    def elaborate(self, platform: Any) -> Module:
        m = Module()
        run, offered = Signal(FILTER_RUN), self.run.payload
        running, reading = Signal(), Signal()
        total = Signal(12)  # values of a PE's list
        m.d.comb += [self.run.ready.eq(~running), self.idle.eq(~running)]
        with m.If(self.run.valid & self.run.ready):
            m.d.sync += [run.eq(offered), running.eq(1), reading.eq(1), total.eq(offered.p * offered.taps)]
            # PEs are told the last filter, tap and position: they are kept instead of how many there are.
            m.d.sync += [run[name].eq(offered[name] - 1) for name in ("p", "taps", "positions")]
        self._read_words(m, run, reading)
        self._send_beats(m, run, running, total)
        return m

    def _read_words(self, m: Module, run: Any, reading: Signal) -> None:
        """Asks for the words of pass after pass, each once its token is there."""
        passes, slot, last_slot = _Passes(run, "reads"), Signal(8), Signal(8)
        slot_address, address = Signal(20), Signal(20)
        m.d.sync += last_slot.eq(run.filter_slots - 1)
        step = Signal()
        walk = _Walk(m, run, passes.top_row, step, "read")
        m.d.comb += [
            self.read.req.payload.eq(address),
            step.eq(self.read.req.valid & self.read.req.ready),
            self.wait.id.eq(run.wait_filter),
        ]
        with m.FSM(name="reader"):
            with m.State("IDLE"):
                m.d.sync += [*passes.begin(), slot.eq(0), slot_address.eq(run.filter_base)]
                with m.If(reading):
                    m.next = "SEEK"
            with m.State("SEEK"):  # to the first pass's slot
                with m.If(slot == run.filter_start):
                    m.next = "TOKEN"
                with m.Else():
                    m.d.sync += [slot.eq(slot + 1), slot_address.eq(slot_address + run.filter_stride)]
            with m.State("TOKEN"):
                m.d.comb += self.wait.want.eq(1)
                m.d.sync += address.eq(slot_address)
                with m.If(self.wait.granted):
                    m.next = "WORDS"
            with m.State("WORDS"):
                m.d.comb += self.read.req.valid.eq(1)
                with m.If(step):
                    m.d.sync += address.eq(address + 1)
                    with m.If(walk.end):
                        m.d.sync += [
                            *passes.advance(),
                            slot.eq(slot + 1),
                            slot_address.eq(slot_address + run.filter_stride),
                        ]
                        with m.If(slot == last_slot):
                            m.d.sync += [slot.eq(0), slot_address.eq(run.filter_base)]
                        m.next = "TOKEN"
                        with m.If(passes.last):
                            m.d.sync += reading.eq(0)
                            m.next = "IDLE"

    def _send_beats(self, m: Module, run: Any, running: Signal, total: Signal) -> None:
        """Sends set-up, pass descriptions and filter values."""
        config = self.config
        m.submodules.leave = leave = SkidBuffer(filter_y_beat(config))
        wiring.connect(m, leave.o, wiring.flipped(self.beats))
        beat = leave.i.payload
        sent = Signal()
        m.d.comb += sent.eq(leave.i.valid & leave.i.ready)

        passes = _Passes(run, "sends")

        # Stacked sets of rows from the bottom up: what goes to the rows above a set overrides this for them.
        stack, reach = Signal(4), Signal(5)
        flags = Signal(PassFlags)
        m.d.comb += [
            flags.join.eq(1),  # the bottom row's head takes it away
            flags.first.eq(run.first & passes.first),
            flags.last.eq(run.last & passes.last),
            flags.shift.eq(run.shift),
        ]
        fields = {
            PassField.FILTERS: run.p,
            PassField.TAPS: run.taps,
            PassField.STEP: run.step,
            PassField.POSITIONS_HIGH: run.positions[8:],
            PassField.POSITIONS_LOW: run.positions[:8],
            PassField.FORWARD: stack,
            PassField.FLAGS: flags.as_value(),
        }

        # Values of the last word of a PE's list: p q S modulo the block, counted off word by word.
        lanes = filter_lanes(config)
        parts = config.block // lanes
        part = Signal(range(max(2, parts)))
        remaining = Signal(12)
        closing = remaining <= lanes  # the last beat of a PE's list
        word_done = closing | (part == parts - 1)
        step = Signal()
        walk = _Walk(m, run, passes.top_row, step, "send")
        # Every row has its own list, all of one length: `remaining` belongs to the word of all rows.
        word_start = Signal(12)

        field, column_set, last = Signal(4), Signal(5), Signal(5)
        assignment = Signal(Assignment)
        m.d.comb += assignment.last.eq(last)
        m.d.comb += self.signal.id.eq(run.signal_filter)
        with m.FSM(name="sender"):
            with m.State("IDLE"):
                m.d.sync += [*passes.begin(), column_set.eq(0), field.eq(0)]
                with m.If(running):
                    m.next = "CLEAR"
            with m.State("CLEAR"):
                m.d.comb += [
                    leave.i.valid.eq(1), beat.kind.eq(Kind.CLEAR),
                    beat.distance.eq(config.array.rows - 1),
                ]  # fmt: skip
                m.d.sync += last.eq(run.e - 1)
                with m.If(sent):
                    m.next = "ASSIGN"
            with m.State("ASSIGN"):
                m.d.comb += [
                    leave.i.valid.eq(1), beat.kind.eq(Kind.ASSIGN), beat.tag.eq(column_set),
                    beat.distance.eq(config.array.rows - 1), beat.data.eq(assignment),
                ]  # fmt: skip
                with m.If(sent):
                    m.d.sync += [column_set.eq(column_set + 1), last.eq(last + run.e)]
                    with m.If(column_set + 1 == run.sets):
                        m.next = "FIELDS"
            with m.State("FIELDS"):
                m.d.comb += [
                    leave.i.valid.eq(1), beat.kind.eq(Kind.PARAMETER), beat.tag.eq(field),
                    beat.distance.eq(Mux(stack == 0, passes.top_row, reach)),
                ]  # fmt: skip
                with m.Switch(field):
                    for number, value in fields.items():
                        with m.Case(number):
                            m.d.comb += beat.data.eq(value)
                m.d.sync += [remaining.eq(total), word_start.eq(total)]
                with m.If(sent):
                    m.d.sync += field.eq(field + 1)
                    with m.If(field == PassField.FLAGS):
                        m.d.sync += [
                            field.eq(PassField.FORWARD), stack.eq(stack + 1),
                            reach.eq(Mux(stack == 0, passes.top_row, reach) - run.R),
                        ]  # fmt: skip
                        with m.If(stack == run.stacks):
                            m.d.sync += [field.eq(0), stack.eq(0)]
                            m.next = "WORDS"
            with m.State("WORDS"):
                shifted = self.read.resp.payload.word_select(part, lanes * config.data_width)
                m.d.comb += [
                    leave.i.valid.eq(self.read.resp.valid),
                    beat.kind.eq(Kind.VALUE),
                    beat.tag.eq(walk.set),
                    beat.distance.eq(walk.row),
                    beat.last.eq(closing),
                    beat.count.eq(Mux(closing, remaining - 1, lanes - 1)),
                    beat.data.eq(shifted),
                    step.eq(sent & word_done),
                    self.read.resp.ready.eq(step),
                ]
                with m.If(sent):
                    m.d.sync += [part.eq(part + 1), remaining.eq(remaining - lanes)]
                with m.If(step):
                    m.d.sync += [part.eq(0), remaining.eq(word_start)]
                    with m.If(walk.last_row):
                        m.d.sync += [
                            word_start.eq(word_start - config.block), remaining.eq(word_start - config.block),
                        ]  # fmt: skip
                        with m.If(walk.last_word):
                            m.d.sync += [word_start.eq(total), remaining.eq(total)]
                    with m.If(walk.end):
                        m.d.comb += self.signal.give.eq(1)
                        m.d.sync += passes.advance()
                        m.next = "FIELDS"
                        with m.If(passes.last):
                            m.d.sync += running.eq(0)
                            m.next = "IDLE"
