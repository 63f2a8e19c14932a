"""Words of wide beats: moved to the lanes they belong to, and one after the other."""

from typing import Any

from amaranth.hdl import Array, Cat, Module, Mux, Signal, Value
from amaranth.lib import data, stream, wiring
from amaranth.lib.wiring import In, Out
from amaranth.utils import exact_log2

from .glb_bank import WORD_BITS


def beat_layout(lanes: int, tag: Any) -> data.StructLayout:
    """A beat of `lanes` words, of which those in `mask` count; `tag` goes along."""
    return data.StructLayout({"data": lanes * WORD_BITS, "mask": lanes, "row": 20, "tag": tag})


def run_lanes(lanes: int) -> data.StructLayout:
    """Where a run of words in beats of `lanes` begins and ends: lanes in its first beat and in its last."""
    return data.StructLayout({"first": exact_log2(lanes), "last": exact_log2(lanes)})


def lanes_of_run(start: Value, words: Value, lanes: int) -> Value:
    """The `run_lanes` of `words` words from word `start` on."""
    first = start[: exact_log2(lanes)]
    return Cat(first, (first + words - 1)[: exact_log2(lanes)])


def run_mask(run: Any, begins: Value, ends: Value, lanes: int) -> Value:
    """Lanes in use of a beat that begins or ends a run, or neither."""
    return Cat((~begins | (lane >= run.first)) & (~ends | (lane <= run.last)) for lane in range(lanes))


class WordAligner(wiring.Component):
    """Moves runs of words from beats that begin at one lane to beats that begin at another.

        word l of beat i  ->  lane (l + shift) mod n of row row_i + (l + shift) div n

    A run is consecutive words in consecutive beats, the last of which is marked; its words leave in rows as
    full as can be. Latency 1 cycle, throughput 1 beat per cycle, and one cycle more for a run whose last
    words do not fit the row of its last beat.

    Parameters
    ----------
    lanes : int
        Words of a beat, n: a power of two of at least 2.
    tag : shape-like
        What goes along with the beats of a run.

    Members
    -------
    i : In(stream of {beat: beat_layout, shift, last})
        `row` counts rows modulo 2^20; shift and tag are the same for all beats of a run.
    o : Out(stream of {beat: beat_layout, last})
        Only rows with words.
    empty : Out(1)
        Nothing is held.
    """

    def __init__(self, lanes: int, tag: Any):
        self.lanes = lanes
        beat = beat_layout(lanes, tag)
        coming = data.StructLayout({"beat": beat, "shift": exact_log2(lanes), "last": 1})
        super().__init__(
            {
                "i": In(stream.Signature(coming)),
                "o": Out(stream.Signature(data.StructLayout({"beat": beat, "last": 1}))),
                "empty": Out(1),
            }
        )

    def elaborate(self, platform: Any) -> Module:
        m = Module()
        lanes, given = self.lanes, self.i.payload
        turned, turned_mask = Signal(lanes * WORD_BITS), Signal(lanes)
        low = Signal(lanes)  # lanes of the beat's own row; the others are of the next one
        with m.Switch(given.shift):
            for shift in range(lanes):
                with m.Case(shift):
                    m.d.comb += [
                        turned.eq(given.beat.data.rotate_left(shift * WORD_BITS)),
                        turned_mask.eq(given.beat.mask.rotate_left(shift)),
                        low.eq(((1 << lanes) - 1) << shift & ((1 << lanes) - 1)),
                    ]
        held = Signal(lanes * WORD_BITS, reset_less=True)  # of the row after that of the beat before
        held_mask, held_row = Signal(lanes), Signal.like(given.beat.row)
        held_tag = Signal.like(Value.cast(given.beat.tag))
        flush = Signal()  # what is held is the rest of its run
        out = self.o.payload
        free, over = Signal(), Signal()
        m.d.comb += [
            free.eq(~self.o.valid | self.o.ready),
            over.eq((turned_mask & ~low).any()),
            self.i.ready.eq(free & ~flush),
            self.empty.eq(~self.o.valid & ~held_mask.any()),
        ]
        with m.If(free):
            m.d.sync += self.o.valid.eq(0)
            with m.If(flush):
                m.d.sync += [
                    self.o.valid.eq(1), flush.eq(0), held_mask.eq(0),
                    out.beat.data.eq(held), out.beat.mask.eq(held_mask), out.beat.row.eq(held_row),
                    Value.cast(out.beat.tag).eq(held_tag), out.last.eq(1),
                ]  # fmt: skip
            with m.Elif(self.i.valid):
                mask = (turned_mask & low) | held_mask
                m.d.sync += [
                    self.o.valid.eq(mask.any()),
                    out.beat.data.eq(
                        Cat(
                            Mux(low[at // WORD_BITS], turned[at : at + WORD_BITS], held[at : at + WORD_BITS])
                            for at in range(0, lanes * WORD_BITS, WORD_BITS)
                        )
                    ),
                    out.beat.mask.eq(mask), out.beat.row.eq(given.beat.row),
                    out.beat.tag.eq(given.beat.tag), out.last.eq(given.last & ~over),
                    held.eq(turned), held_mask.eq(turned_mask & ~low), held_row.eq(given.beat.row + 1),
                    held_tag.eq(given.beat.tag), flush.eq(given.last & over),
                ]  # fmt: skip
        return m


class WordSerialiser(wiring.Component):
    """The words of a beat one after the other, from the lowest lane up.

    Latency 0, throughput 1 word per cycle.

    Parameters
    ----------
    lanes : int
        Words of a beat, a power of two of at least 2.

    Members
    -------
    i : In(stream of {data, mask})
        At least one word; stays until its last word is taken.
    o : Out(stream of 64 bits)
    lane : Out(range(lanes))
        Of the word on `o`.
    """

    def __init__(self, lanes: int):
        self.lanes = lanes
        beat = data.StructLayout({"data": lanes * WORD_BITS, "mask": lanes})
        super().__init__(
            {
                "i": In(stream.Signature(beat)),
                "o": Out(stream.Signature(WORD_BITS)),
                "lane": Out(range(lanes)),
            }
        )

    def elaborate(self, platform: Any) -> Module:
        m = Module()
        lanes, beat = self.lanes, self.i.payload
        sent, left = Signal(lanes), Signal(lanes)
        words = Array(beat.data.word_select(lane, WORD_BITS) for lane in range(lanes))
        m.d.comb += left.eq(beat.mask & ~sent)
        for lane in reversed(range(lanes)):
            with m.If(left[lane]):
                m.d.comb += self.lane.eq(lane)
        m.d.comb += [
            self.o.valid.eq(self.i.valid),
            self.o.payload.eq(words[self.lane]),
            self.i.ready.eq(self.o.ready & ((left & (left - 1)) == 0)),
        ]
        with m.If(self.o.valid & self.o.ready):
            m.d.sync += sent.eq(Mux(self.i.ready, 0, sent | (1 << self.lane)))
        return m
