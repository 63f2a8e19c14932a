"""Brings the ifmap tile of each pass from the global buffer to the ifmap network."""

from typing import Any

from amaranth.hdl import Cat, Module, Mux, Signal, signed
from amaranth.lib import data, stream, wiring
from amaranth.lib.wiring import In, Out
from amaranth.utils import exact_log2

from ..config import AcceleratorConfig
from .arithmetic import wrap
from .beats import (
    IDLE_PHASE,
    PAIR_TAGS,
    Assignment,
    HalfAssignment,
    Kind,
    RowField,
    RowLanes,
    Split,
    ifmap_lanes,
    ifmap_y_beat,
)
from .buffers import SkidBuffer
from .global_buffer import GlbRead
from .ifmap_walk import IFMAP_RUN, IfmapWalk, Step
from .semaphores import TokenSink, TokenSource


class IfmapFeeder(wiring.Component):
    """Feeds the ifmap values of every pass of a RUN, with the rows' and columns' tags ahead of them.

    A step of the `IfmapWalk` becomes beats: 6 + sets of them to tell a row what it listens to, one per
    pixel (and per chunk, where the bus is narrower than a pixel) for values. The zero point is subtracted
    on the way; pixels outside the image are zero. Throughput one beat per cycle.

    Parameters
    ----------
    config : AcceleratorConfig

    Members
    -------
    run : In(stream of IFMAP_RUN)
    read : Out(GlbRead())
    beats : Out(stream of ifmap_y_beat)
    wait : Out(TokenSink()), signal : Out(TokenSource())
    idle : Out(1)
    """

    def __init__(self, config: AcceleratorConfig):
        self.config = config
        super().__init__(
            {
                "run": In(stream.Signature(IFMAP_RUN)),
                "read": Out(GlbRead()),
                "beats": Out(stream.Signature(ifmap_y_beat(config))),
                "wait": Out(TokenSink()),
                "signal": Out(TokenSource()),
                "idle": Out(1),
            }
        )

    def elaborate(self, platform: Any) -> Module:
        m = Module()
        config = self.config
        run, running, start = Signal(IFMAP_RUN), Signal(), Signal()
        m.submodules.walk = walk = IfmapWalk(config)
        m.d.comb += [
            self.run.ready.eq(~running),
            self.idle.eq(~running),
            walk.run.eq(run),
            walk.start.eq(start),
        ]
        m.d.sync += start.eq(self.run.valid & self.run.ready)
        with m.If(self.run.valid & self.run.ready):
            m.d.sync += [run.eq(self.run.payload), running.eq(1)]
        wiring.connect(m, walk.wait, wiring.flipped(self.wait))
        wiring.connect(m, walk.req, wiring.flipped(self.read.req))

        # The zero point is subtracted behind a register, and so goes along with the values.
        raw_beat = data.StructLayout({"beat": ifmap_y_beat(config), "zero_point": signed(config.data_width)})
        m.submodules.leave = leave = SkidBuffer(raw_beat)
        self._subtract(m, leave.o)
        beat, sent = leave.i.payload.beat, Signal()
        m.d.comb += sent.eq(leave.i.valid & leave.i.ready)
        step, word = walk.steps.payload, self.read.resp
        through = Signal()  # the step's last beat leaves
        m.d.comb += walk.steps.ready.eq(through)

        # -- tags ------------------------------------------------------------------------------------
        lanes = ifmap_lanes(config)
        field, filter_set, skip = Signal(3), Signal(5), Signal(5)
        halves = config.networks.x_lanes
        assignment = Signal(HalfAssignment if halves == 2 else Assignment)
        columns = assignment.columns if halves == 2 else assignment
        m.d.comb += columns.last.eq(skip + run.e - 1)
        pair, half = (filter_set[1:], filter_set[0]) if halves == 2 else (filter_set, 0)
        if halves == 2:
            m.d.comb += assignment.half.eq(half)
        row_lanes, row_chunks = Signal(RowLanes), Signal(4)
        narrow = exact_log2(lanes)
        m.d.comb += [
            row_lanes.first.eq(step.lane),
            row_lanes.beats.eq(Mux(run.q > lanes, lanes, run.q) - 1),
            row_chunks.eq(Mux(run.q > lanes, (run.q - 1) >> narrow, 0)),
        ]
        split = Signal(Split)
        m.d.comb += split.advance.eq(1)
        with m.If(run.split):
            stacks = Signal(5)
            m.d.comb += [
                stacks.eq(run.stacks + 1),
                split.split.eq(1),
                split.second.eq(stacks),
                split.advance.eq(stacks * halves),
                row_lanes.beats.eq((run.sets - 1) >> (halves - 1)),
            ]
        settings = {
            RowField.CHUNK: step.chunk,
            RowField.CHUNKS: row_chunks,
            RowField.PHASE: step.phase,
            RowField.LANES: row_lanes.as_value(),
            RowField.SPLIT: split.as_value(),
        }
        clear_at, assign_at = len(settings), len(settings) + 1

        # -- values ----------------------------------------------------------------------------------
        pixel, chunk, shifts = Signal(3), Signal(3), Signal(3)
        pixel_lanes = run.pixel_lanes
        chunks = Signal(4)  # beats per pixel
        m.d.comb += chunks.eq(Mux(pixel_lanes > lanes, pixel_lanes >> narrow, 1))
        first = Signal(init=1)  # first beat of a step
        current, at_last = Signal(3), Signal()
        at_end = Signal()  # goes with `pixel`: it is the step's last
        m.d.comb += [current.eq(Mux(first, step.first, pixel)), at_last.eq(Mux(first, step.single, at_end))]
        with m.Switch(pixel_lanes):
            for count in (1, 2, 4, 8):
                with m.Case(count):
                    m.d.comb += shifts.eq(exact_log2(count))
        lane, place_bits = Signal(6), exact_log2(config.block)
        m.d.comb += lane.eq((current << shifts) | (chunk << narrow))
        values = Cat(
            wrap(word.payload.word_select((lane + i)[:place_bits], config.data_width).as_signed(),
                 config.operand_width)
            for i in range(lanes)
        )  # fmt: skip
        zero_point = run.zero_point if config.data_width == 8 else 0

        with m.FSM(name="send"):
            with m.State("STEP"):
                m.d.sync += [field.eq(0), filter_set.eq(0), skip.eq(0)]
                with m.If(walk.steps.valid):
                    with m.Switch(step.kind):
                        with m.Case(Step.ROW):
                            m.next = "ROW"
                        with m.Case(Step.END):
                            m.d.comb += [
                                through.eq(1),
                                self.signal.give.eq(1),
                            ]
                            m.d.sync += running.eq(0)
                        with m.Default():
                            reads = step.kind == Step.WORD
                            last_chunk = chunk + 1 == chunks
                            last = last_chunk & at_last
                            m.d.comb += [
                                leave.i.valid.eq(~reads | word.valid),
                                beat.kind.eq(Kind.VALUE),
                                beat.chunk.eq(step.chunk + chunk),
                                beat.phase.eq(step.phase),
                                beat.tag.eq(step.tag),
                                beat.data.eq(Mux(reads, values, 0)),
                                leave.i.payload.zero_point.eq(Mux(reads, zero_point, 0)),
                                through.eq(sent & last),
                                word.ready.eq(sent & last & reads),
                            ]
                            with m.If(sent):
                                m.d.sync += [
                                    first.eq(last), chunk.eq(chunk + 1), pixel.eq(current), at_end.eq(at_last)
                                ]  # fmt: skip
                                with m.If(last_chunk):
                                    m.d.sync += [
                                        chunk.eq(0), pixel.eq(current + 1),
                                        at_end.eq((current + 1)[:3] == step.last),
                                    ]  # fmt: skip
            with m.State("ROW"):
                m.d.comb += [leave.i.valid.eq(1), beat.distance.eq(step.row), beat.tag.eq(field)]
                with m.If(field < clear_at):
                    m.d.comb += beat.kind.eq(Kind.PARAMETER)
                    with m.Switch(field):
                        for number, value in settings.items():
                            with m.Case(number):
                                m.d.comb += beat.data.eq(value)
                with m.Elif(field == clear_at):
                    m.d.comb += beat.kind.eq(Kind.CLEAR)
                with m.Else():
                    pair_tag = Mux(run.split, pair * PAIR_TAGS, 0)
                    m.d.comb += [
                        beat.kind.eq(Kind.ASSIGN),
                        beat.tag.eq(step.tag + pair_tag - skip),  # of column 0
                        beat.data.eq(assignment),
                    ]
                with m.If(sent):
                    with m.If(field < assign_at):
                        m.d.sync += field.eq(field + 1)
                        with m.If((field == clear_at) & (step.phase == IDLE_PHASE)):
                            m.d.comb += through.eq(1)
                            m.next = "STEP"
                    with m.Else():
                        m.d.sync += [filter_set.eq(filter_set + 1), skip.eq(skip + run.e)]
                        with m.If(filter_set + 1 == run.sets):
                            m.d.comb += through.eq(1)
                            m.next = "STEP"
        m.d.comb += self.signal.id.eq(run.signal_ifmap)
        return m

    def _subtract(self, m: Module, raw: Any) -> None:
        """Sends the beats of `raw` on, with the zero point taken off their values."""
        width, payload = self.config.operand_width, raw.payload
        m.d.comb += [
            self.beats.valid.eq(raw.valid),
            self.beats.payload.eq(payload.beat),
            raw.ready.eq(self.beats.ready),
        ]
        values = payload.beat.data
        with m.If(payload.beat.kind == Kind.VALUE):
            for low in range(0, ifmap_lanes(self.config) * width, width):
                difference = values[low : low + width].as_signed() - payload.zero_point
                m.d.comb += self.beats.payload.data[low : low + width].eq(difference)
