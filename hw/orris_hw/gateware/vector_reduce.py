"""From the words of a window to one value per lane."""

from typing import Any

from amaranth.hdl import Module, Signal, signed
from amaranth.lib import data, stream, wiring
from amaranth.lib.wiring import In, Out

from ..config.model import WORD_BITS, AcceleratorConfig
from .arithmetic import wrap
from .global_buffer import ADDR_WIDTH

SUM_WIDTH = 32
"""Bits of a SUM: 2^24 values of 8 bits, or 2^16 of 16 bits."""


def reduced_layout(config: AcceleratorConfig) -> data.StructLayout:
    """A place's result: `held` lane by lane, the last tap's word, and where the result is to go."""
    return data.StructLayout({
        "held": data.ArrayLayout(signed(SUM_WIDTH), config.block), "word": WORD_BITS, "target": ADDR_WIDTH,
    })  # fmt: skip


class VectorReduce(wiring.Component):
    """Goes over the words of a window, all lanes at once.

        MAX: held = max of the taps    SUM: held = their sum    else: held = the first tap

    Latency 1 cycle from a window's last tap, throughput 1 tap per cycle, windows without a gap.

    Parameters
    ----------
    config : AcceleratorConfig

    Members
    -------
    maximum, total : In(1)
        What `held` is; neither: the first tap.
    restart : In(1)
        The next tap is the first of its window, even if the last one before it ended none.
    i : In(stream {word: 64, target: 20, last: 1})
    o : Out(stream of reduced_layout(config))
        With the word and target of the window's last tap.
    """

    def __init__(self, config: AcceleratorConfig):
        self._config = config
        tap = data.StructLayout({"word": WORD_BITS, "target": ADDR_WIDTH, "last": 1})
        super().__init__({
            "maximum": In(1),
            "total": In(1),
            "restart": In(1),
            "i": In(stream.Signature(tap)),
            "o": Out(stream.Signature(reduced_layout(config))),
        })  # fmt: skip

    def elaborate(self, platform: Any) -> Module:
        m = Module()
        width = self._config.data_width
        result = Signal(self.o.payload.shape(), reset_less=True)
        fresh, valid = Signal(init=1), Signal()
        m.d.comb += [
            self.o.valid.eq(valid),
            self.o.payload.eq(result),
            self.i.ready.eq(~valid | self.o.ready),
        ]
        with m.If(self.i.valid & self.i.ready):
            m.d.sync += [
                fresh.eq(self.i.payload.last),
                valid.eq(self.i.payload.last),
                result.word.eq(self.i.payload.word),
                result.target.eq(self.i.payload.target),
            ]
            for lane in range(self._config.block):
                held = result.held[lane]
                value = self.i.payload.word.word_select(lane, width).as_signed()
                smaller = held[:width].as_signed() < value
                with m.If(fresh):
                    m.d.sync += held.eq(value)
                with m.Elif(self.total):
                    m.d.sync += held.eq(wrap(held + value, SUM_WIDTH))
                with m.Elif(self.maximum & smaller):
                    m.d.sync += held[:width].eq(value)
        with m.Elif(self.o.ready):
            m.d.sync += valid.eq(0)
        with m.If(self.restart):
            m.d.sync += fresh.eq(1)
        return m
