"""Y-buses: down the left edge of the array, from row to row, and the head of each row.

A row head takes the beats meant for its row into a small FIFO and serialises them onto the row's
X-bus, one value a cycle, so that the wide Y-bus moves on while narrow X-buses work in parallel.
"""

from typing import Any

from amaranth.hdl import Array, Cat, Const, Module, Mux, Signal
from amaranth.lib import stream, wiring
from amaranth.lib.wiring import In, Out
from amaranth.utils import exact_log2

from ..config import AcceleratorConfig
from .beats import (
    PAIR_TAGS,
    Kind,
    PassField,
    PassFlags,
    RowField,
    RowLanes,
    Split,
    chunks_of_block,
    filter_x_beat,
    filter_y_beat,
    ifmap_lanes,
    ifmap_row_beat,
    ifmap_x_beat,
    ifmap_y_beat,
)
from .buffers import SkidBuffer, StreamFifo, StreamRegister


class _Fork:
    """Gives a registered beat to this row, to the next row, or to both, each as soon as it can."""

    def __init__(self, m: Module, source: Any, wanted: Any, onward: Any, here: Any, there: Any):
        taken, forwarded = Signal(name="taken"), Signal(name="forwarded")
        m.d.comb += [
            here.valid.eq(source.valid & wanted & ~taken),
            there.valid.eq(source.valid & onward & ~forwarded),
            source.ready.eq((~wanted | taken | here.ready) & (~onward | forwarded | there.ready)),
        ]
        with m.If(source.valid & source.ready):
            m.d.sync += [taken.eq(0), forwarded.eq(0)]
        with m.Elif(source.valid):
            m.d.sync += [
                taken.eq(taken | here.ready & wanted),
                forwarded.eq(forwarded | there.ready & onward),
            ]


def _values(word: Signal, width: int) -> Array:
    """The values of a word, to choose from by index: a multiplexer, where a shift would be a larger one."""
    return Array(word.word_select(place, width) for place in range(len(word) // width))


class FilterRow(wiring.Component):
    """Head of a row on the filter network.

    Values go to the one row whose `distance` has run down to zero; parameters and set-up go to every
    row on the way there. The last row of a pass (distance zero) is the bottom of the psum chain: its
    pass flags lose `join`.

    Latency 3 cycles from `i` to `x`, one value a cycle on `x`, one beat a cycle from `i` to `o`.

    Parameters
    ----------
    config : AcceleratorConfig

    Members
    -------
    i, o : In, Out(stream of filter_y_beat)
    x : Out(stream of filter_x_beat)
    """

    def __init__(self, config: AcceleratorConfig):
        self.config = config
        super().__init__(
            {
                "i": In(stream.Signature(filter_y_beat(config))),
                "o": Out(stream.Signature(filter_y_beat(config))),
                "x": Out(stream.Signature(filter_x_beat(config))),
            }
        )

    def elaborate(self, platform: Any) -> Module:
        m = Module()
        config = self.config
        shape = filter_y_beat(config)
        m.submodules.arrive = arrive = SkidBuffer(shape)
        m.submodules.fifo = fifo = StreamFifo(shape, config.networks.fifo_depth + 1)
        wiring.connect(m, wiring.flipped(self.i), arrive.i)
        beat = arrive.o.payload
        here = Signal()
        m.d.comb += here.eq(beat.distance == 0)
        _Fork(m, arrive.o, (beat.kind != Kind.VALUE) | here, ~here, fifo.i, self.o)
        m.d.comb += [
            fifo.i.payload.eq(beat),
            self.o.payload.eq(beat),
            self.o.payload.distance.eq(beat.distance - 1),
        ]

        # -- one value a cycle ---------------------------------------------------------------------
        m.submodules.leave = leave = StreamRegister(filter_x_beat(config))
        wiring.connect(m, leave.o, wiring.flipped(self.x))
        head = fifo.o.payload
        index = Signal.like(head.count)
        final = Signal()
        m.d.comb += [
            final.eq((head.kind != Kind.VALUE) | (index == head.count)),
            leave.i.valid.eq(fifo.o.valid),
            fifo.o.ready.eq(leave.i.ready & final),
            leave.i.payload.kind.eq(head.kind),
            leave.i.payload.tag.eq(head.tag),
            leave.i.payload.last.eq(head.last & final),
            leave.i.payload.data.eq(_values(head.data, config.data_width)[index]),
        ]
        with m.If((head.kind == Kind.PARAMETER) & (head.tag == PassField.FLAGS) & (head.distance == 0)):
            m.d.comb += PassFlags(leave.i.payload.data[:8]).join.eq(0)
        with m.If(leave.i.valid & leave.i.ready):
            m.d.sync += index.eq(Mux(final, 0, index + 1))
        return m


class IfmapRow(wiring.Component):
    """Head of a row on the ifmap network.

    A value beat (up to a chunk of channels of one pixel) is multicast: every row whose chunk range and
    phase match takes it. A row then sends its own lanes of the chunk along its X-bus: one after the other to
    all filter sets, or one to each set (`Split`).

    Latency 3 cycles from `i` to `x`, one beat a cycle on `x`, one beat a cycle from `i` to `o`.

    Parameters
    ----------
    config : AcceleratorConfig

    Members
    -------
    i, o : In, Out(stream of ifmap_y_beat)
    x : Out(stream of ifmap_x_beat)
    """

    def __init__(self, config: AcceleratorConfig):
        self.config = config
        super().__init__(
            {
                "i": In(stream.Signature(ifmap_y_beat(config))),
                "o": Out(stream.Signature(ifmap_y_beat(config))),
                "x": Out(stream.Signature(ifmap_x_beat(config))),
            }
        )

    def elaborate(self, platform: Any) -> Module:
        m = Module()
        config = self.config
        m.submodules.arrive = arrive = SkidBuffer(ifmap_y_beat(config))
        m.submodules.fifo = fifo = StreamFifo(ifmap_row_beat(config), config.networks.fifo_depth + 1)
        wiring.connect(m, wiring.flipped(self.i), arrive.i)
        beat = arrive.o.payload
        chunk, phase = Signal.like(beat.chunk), Signal.like(beat.phase)
        fields = {RowField.CHUNK: chunk, RowField.PHASE: phase}
        in_range: Any = Const(1)
        # The chunks that a row listens to are of one block, which may be just one.
        if of_block := exact_log2(chunks_of_block(config)):
            fields[RowField.CHUNKS] = chunks = Signal(of_block)
            in_range = (beat.chunk - chunk)[:of_block] <= chunks
        here, matches = Signal(), Signal()
        value = beat.kind == Kind.VALUE
        m.d.comb += [
            here.eq(beat.distance == 0),
            matches.eq(
                (beat.chunk[of_block:] == chunk[of_block:]) & in_range & (beat.phase == phase)
            ),
        ]
        _Fork(m, arrive.o, Mux(value, matches, here), value | ~here, fifo.i, self.o)
        m.d.comb += [
            fifo.i.payload.kind.eq(beat.kind),
            fifo.i.payload.tag.eq(beat.tag),
            fifo.i.payload.data.eq(beat.data),
            self.o.payload.eq(beat),
        ]
        with m.If(~value):
            m.d.comb += self.o.payload.distance.eq(beat.distance - 1)
        with m.If(arrive.o.valid & here & (beat.kind == Kind.PARAMETER)):
            with m.Switch(beat.tag):
                for field, target in fields.items():
                    with m.Case(field):
                        m.d.sync += target.eq(beat.data)

        # -- this row's lanes, one beat a cycle ----------------------------------------------------
        m.submodules.leave = leave = StreamRegister(ifmap_x_beat(config))
        wiring.connect(m, leave.o, wiring.flipped(self.x))
        head = fifo.o.payload
        bits = max(1, (ifmap_lanes(config) - 1).bit_length())
        width, halves = config.operand_width, config.networks.x_lanes
        lane, lanes, index, offset = Signal(bits), Signal(bits), Signal(bits), Signal(bits)
        split = Signal(Split)
        final, sends, is_value = Signal(), Signal(), Signal()
        first = Signal(bits)
        m.d.comb += [
            sends.eq(head.kind != Kind.PARAMETER),
            is_value.eq(head.kind == Kind.VALUE),
            final.eq(~is_value | (index == lanes)),
            leave.i.valid.eq(fifo.o.valid & sends),
            fifo.o.ready.eq(~sends | (leave.i.ready & final)),
            leave.i.payload.kind.eq(head.kind),
            leave.i.payload.tag.eq(head.tag + Mux(split.split, index * PAIR_TAGS, 0)),
            first.eq(lane + offset),
        ]
        # What is no value lies in the lowest lanes, and is sent at index 0.
        places = [first, first + split.second][:halves]
        values = _values(head.data, width)
        m.d.comb += leave.i.payload.data.eq(
            Cat(values[Mux(is_value, place[:bits], own)] for own, place in enumerate(places))
        )
        with m.If(leave.i.valid & leave.i.ready):
            m.d.sync += [index.eq(index + 1), offset.eq(offset + split.advance)]
            with m.If(final):
                m.d.sync += [index.eq(0), offset.eq(0)]
        with m.If(fifo.o.valid & ~sends):
            with m.Switch(head.tag):
                with m.Case(RowField.LANES):
                    told = RowLanes(head.data[: RowLanes.as_shape().size])
                    m.d.sync += [lane.eq(told.first), lanes.eq(told.beats)]
                with m.Case(RowField.SPLIT):
                    m.d.sync += split.eq(head.data)
        return m
