"""The vector unit: VECTOR commands on words of the global buffer."""

from typing import Any

from amaranth.hdl import Array, Module, Mux, Signal
from amaranth.lib import data, stream, wiring
from amaranth.lib.wiring import In, Out

from ..commands import VECTOR, VECTOR_OPS
from ..config.model import WORD_BITS, AcceleratorConfig
from .buffers import SkidBuffer, StreamFifo
from .command_layout import command_layout, copy_fields
from .global_buffer import ADDR_WIDTH, GLB_WRITE, GlbRead
from .semaphores import TokenSink, TokenSource
from .transfer_units import INDEX_BITS, indexed
from .vector_lanes import RESCALE, WORD, VectorLanes
from .vector_reduce import VectorReduce
from .vector_walk import WALK, VectorWalk

MAX, SUM, ADD, COPY = range(len(VECTOR_OPS))

_TAPS = 16
"""Taps asked for and not used: there is room for their words, which are taken as soon as they come."""


def vector_tap_bits(config: AcceleratorConfig) -> int:
    """A VECTOR has up to 2^this taps: the words of a window, and all results, find room in the buffer.

    0 without `control.checks`: then nothing but its fields bounds it.
    """
    return 2 * config.glb_addr_width if config.control.checks else 0


class VectorUnit(wiring.Component):
    """Runs VECTOR commands one after the other: at every place, a window of words becomes one word.

    For plane, row, column: target word = op of the source words of the window, lane by lane, then rotated
    and written under the mask. MAX and COPY are clamped, SUM and ADD go through the lanes (`VectorLanes`).

    Per place a command takes R S cycles, and (block / lanes - 1) more for SUM and ADD; beside that at most 40
    cycles. All words it reads must stay until its tokens are given; results may
    take the places of source words that no later place reads.

    Parameters
    ----------
    config : AcceleratorConfig
        With `vector.lanes` of at least 1.

    Members
    -------
    commands : In(stream of indexed(VECTOR))
        Taken when the one before is done.
    read : Out(GlbRead())
        Answers are taken at once.
    write : Out(stream of GLB_WRITE)
    wait, signal : Out(TokenSink()), Out(TokenSource())
    idle : Out(1)
    index : Out(32)
        The command under way.
    endless : Out(1)
        It was broken off: it has more than 2^`vector_tap_bits` taps. Held until the next one starts.
    """

    def __init__(self, config: AcceleratorConfig):
        self._config = config
        super().__init__({
            "commands": In(stream.Signature(indexed(command_layout(VECTOR)))),
            "read": Out(GlbRead()),
            "write": Out(stream.Signature(GLB_WRITE)),
            "wait": Out(TokenSink()),
            "signal": Out(TokenSource()),
            "idle": Out(1),
            "index": Out(INDEX_BITS),
            "endless": Out(1),
        })  # fmt: skip

    def elaborate(self, platform: Any) -> Module:
        m = Module()
        m.submodules.walk = walk = VectorWalk(vector_tap_bits(self._config))
        m.submodules.taps = taps = StreamFifo(data.StructLayout({"target": ADDR_WIDTH, "last": 1}), _TAPS)
        m.submodules.words = words = StreamFifo(WORD_BITS, _TAPS)
        m.submodules.reduce = reduce = VectorReduce(self._config)
        m.submodules.lanes = lanes = VectorLanes(self._config)
        m.submodules.output = output = SkidBuffer(GLB_WRITE)
        head = Signal(self.commands.payload.shape())
        command = head.command

        self._read(m, walk, taps, words, reduce)
        self._write(m, command, reduce, lanes, output)
        copy_fields(m, data.View(WALK, walk.command), command)
        copy_fields(m, data.View(RESCALE, lanes.scale), command)
        m.d.comb += [
            reduce.maximum.eq(command.op == MAX),
            reduce.total.eq(command.op == SUM),
            lanes.add.eq(command.op == ADD),
            self.index.eq(head.index),
            self.endless.eq(walk.broken_off),
        ]

        # Places whose window is through and whose word is not in the buffer: 16 in the lanes and a few more.
        places = Signal(6)
        begun, ended = reduce.o.valid & reduce.o.ready, output.o.valid & output.o.ready
        m.d.sync += places.eq(places + begun - ended)
        empty = ~(walk.o.valid | taps.o.valid | reduce.o.valid | places.any())

        turn = Signal(range(3))
        m.d.comb += [
            self.wait.id.eq(Array([command.wait_a, command.wait_b, command.wait_out])[turn]),
            self.signal.id.eq(Array([command.signal_a, command.signal_b, command.signal_out])[turn]),
        ]
        with m.FSM():
            with m.State("COMMAND"):
                m.d.comb += [self.commands.ready.eq(1), self.idle.eq(~self.commands.valid)]
                m.d.sync += turn.eq(0)
                with m.If(self.commands.valid):
                    m.d.sync += head.eq(self.commands.payload)
                    m.next = "TAKE"
            with m.State("TAKE"):
                m.d.comb += self.wait.want.eq(1)
                with m.If(self.wait.granted):
                    m.d.sync += turn.eq(turn + 1)
                    with m.If(turn == 2):
                        m.next = "START"
            with m.State("START"):
                m.d.comb += [walk.start.eq(1), reduce.restart.eq(command.first)]
                m.d.sync += turn.eq(0)
                m.next = "RUN"
            with m.State("RUN"):
                with m.If(empty):
                    m.next = "GIVE"
            with m.State("GIVE"):
                m.d.comb += self.signal.give.eq(1)
                m.d.sync += turn.eq(turn + 1)
                with m.If(turn == 2):
                    m.next = "COMMAND"
        return m

    def _read(self, m: Module, walk: Any, taps: Any, words: Any, reduce: Any) -> None:
        """Asks for a word and notes what it is for; both meet again at its arrival."""
        req = self.read.req
        wiring.connect(m, wiring.flipped(self.read.resp), words.i)
        m.d.comb += [
            req.valid.eq(walk.o.valid & taps.i.ready),
            req.payload.eq(walk.o.payload.source),
            taps.i.valid.eq(walk.o.valid & req.ready),
            taps.i.payload.target.eq(walk.o.payload.target),
            taps.i.payload.last.eq(walk.o.payload.last),
            walk.o.ready.eq(req.ready & taps.i.ready),
            # What a word is for is known long before it comes.
            reduce.i.valid.eq(words.o.valid),
            reduce.i.payload.word.eq(words.o.payload),
            reduce.i.payload.target.eq(taps.o.payload.target),
            reduce.i.payload.last.eq(taps.o.payload.last),
            words.o.ready.eq(reduce.i.ready),
            taps.o.ready.eq(words.o.valid & words.o.ready),
        ]

    def _write(self, m: Module, command: Any, reduce: Any, lanes: Any, output: Any) -> None:
        """Results, from the lanes or only clamped, turned and masked, to the buffer."""
        width, block = self._config.data_width, self._config.block
        direct = (command.op == MAX) | (command.op == COPY)
        result, clamped = Signal(WORD), Signal(WORD_BITS)
        low, high = command.act_min, command.act_max
        for lane in range(block):
            value = reduce.o.payload.held[lane][:width].as_signed()
            raised = Mux(value < low, low, value)
            m.d.comb += clamped.word_select(lane, width).eq(Mux(raised > high, high, raised))
        m.d.comb += [
            lanes.i.valid.eq(reduce.o.valid & ~direct),
            lanes.i.payload.eq(reduce.o.payload),
            reduce.o.ready.eq(Mux(direct, output.i.ready, lanes.i.ready)),
            result.target.eq(Mux(direct, reduce.o.payload.target, lanes.o.payload.target)),
            result.word.eq(Mux(direct, clamped, lanes.o.payload.word)),
            output.i.valid.eq(Mux(direct, reduce.o.valid, lanes.o.valid)),
            lanes.o.ready.eq(output.i.ready & ~direct),
            output.i.payload.addr.eq(result.target),
            output.i.payload.data.eq(Array(result.word.rotate_left(8 * n) for n in range(8))[command.rotate]),
            output.i.payload.mask.eq(command.mask),
        ]
        wiring.connect(m, output.o, wiring.flipped(self.write))
