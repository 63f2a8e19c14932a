"""The columns of an ifmap tile, word by word where they are in the image."""

from typing import Any

from amaranth.hdl import Module, Mux, Signal
from amaranth.lib import data, stream, wiring
from amaranth.lib.wiring import In, Out

from ..commands import RUN
from ..config import AcceleratorConfig
from .buffers import SkidBuffer
from .command_layout import part_layout

COLUMNS_RUN = part_layout(
    RUN, "pixel_lanes", "first_pixel", "pad_left", "width", "full_width", "period", "kept"
)

COLUMN = data.StructLayout(
    {
        "inside": 1,  # in the image: pixels `first` to `last` of a word; else one column of zeros
        "kept": 1,  # some ofmap position needs it
        "first": 3,
        "last": 3,
        "single": 1,  # they are the same
        "address": 20,  # of the word in the tile's first row and channel block
        "end": 1,  # the tile's last
    }
)


class IfmapColumns(wiring.Component):
    """Walks once through the columns of a tile: padding, then the image a word at a time, then padding.

    Of the image a step covers the columns that are left of a word and of the tile's stored part. Which
    columns ofmap positions need, `kept` of every `period`, is counted in steps. Two cycles a step.

    Parameters
    ----------
    config : AcceleratorConfig

    Members
    -------
    start : In(1)
        Begin a tile at `base`, when the one before has given its `end`.
    run : In(COLUMNS_RUN)
        Stands still from the cycle before `start` until `end` is taken.
    base : In(20)
    columns : Out(stream of COLUMN)
    """

    def __init__(self, config: AcceleratorConfig):
        self.config = config
        super().__init__(
            {
                "start": In(1),
                "run": In(COLUMNS_RUN),
                "base": In(20),
                "columns": Out(stream.Signature(COLUMN)),
            }
        )

    def elaborate(self, platform: Any) -> Module:
        m = Module()
        run, block = self.run, self.config.block
        m.submodules.leave = leave = SkidBuffer(COLUMN)
        wiring.connect(m, leave.o, wiring.flipped(self.columns))
        column = leave.i.payload

        pixels = Signal(4)  # in a word: block / pixel_lanes
        with m.Switch(run.pixel_lanes):
            for lanes in (1, 2, 4, 8):
                if lanes <= block:
                    with m.Case(lanes):
                        m.d.comb += pixels.eq(block // lanes)

        # Columns still to come: of padding before the image, of the image, in all.
        before, stored, left = Signal(13), Signal(13), Signal(13)
        pixel, phase, address = Signal(3), Signal(4), Signal(20)
        of_word = Signal(4)  # columns left of the word
        # First the width of the step is found, then everything moves on by it.
        inside, taken, word_ends = Signal(), Signal(4), Signal()
        with m.FSM(name="columns"):
            with m.State("IDLE"):
                m.d.sync += [
                    before.eq(run.pad_left), stored.eq(run.width), left.eq(run.full_width),
                    pixel.eq(run.first_pixel), of_word.eq(pixels - run.first_pixel), phase.eq(0),
                    address.eq(self.base),
                ]  # fmt: skip
                with m.If(self.start):
                    m.next = "WIDTH"
            with m.State("WIDTH"):
                m.d.sync += [inside.eq(0), taken.eq(1), word_ends.eq(0)]
                with m.If((before == 0) & (stored != 0)):
                    whole = stored >= of_word
                    m.d.sync += [inside.eq(1), taken.eq(Mux(whole, of_word, stored)), word_ends.eq(whole)]
                m.next = "STEP"
            with m.State("STEP"):
                ends = left <= taken
                m.d.comb += [
                    leave.i.valid.eq(1),
                    column.inside.eq(inside),
                    column.kept.eq(phase < run.kept),
                    column.first.eq(Mux(inside, pixel, 0)),
                    column.last.eq(Mux(inside, pixel + taken - 1, 0)),
                    column.single.eq(taken == 1),
                    column.address.eq(address),
                    column.end.eq(ends),
                ]
                with m.If(leave.i.ready):
                    m.d.sync += [left.eq(left - taken), phase.eq(Mux(phase + 1 == run.period, 0, phase + 1))]
                    with m.If(inside):
                        m.d.sync += [
                            stored.eq(stored - taken),
                            pixel.eq(Mux(word_ends, 0, pixel + taken)),
                            of_word.eq(Mux(word_ends, pixels, of_word - taken)),
                            address.eq(address + word_ends),
                        ]
                    with m.If(before != 0):
                        m.d.sync += before.eq(before - 1)
                    m.next = "WIDTH"
                    with m.If(ends):
                        m.next = "IDLE"
        return m
