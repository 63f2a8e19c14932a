"""A PE with its stops on the two X-buses of its row."""

from typing import Any

from amaranth.hdl import Module
from amaranth.lib import stream, wiring
from amaranth.lib.wiring import In, Out

from ..config import AcceleratorConfig
from ..emission.once import Once
from .beats import COLUMN_BITS, filter_x_beat, ifmap_x_beat, psum_beat
from .pe import PE, PeEvents
from .x_bus import FilterHop, IfmapHop


class PETile(wiring.Component):
    """What is repeated in every column of every row.

    Parameters
    ----------
    config : AcceleratorConfig

    Members
    -------
    column : In(4)
        Which column this is; constant.
    ifmap, ifmap_next : In, Out(stream of ifmap_x_beat)
        X-bus from the column before, to the next column.
    filter, filter_next : In, Out(stream of filter_x_beat)
    psum_in, psum_out : In, Out(stream of psum_beat)
    events : Out(PeEvents)
    """

    def __init__(self, config: AcceleratorConfig):
        self.config = config
        self.emission_key = config.content_hash()
        ifmap, filters = stream.Signature(ifmap_x_beat(config)), stream.Signature(filter_x_beat(config))
        psum = stream.Signature(psum_beat(config))
        super().__init__(
            {
                "column": In(COLUMN_BITS),
                "ifmap": In(ifmap),
                "ifmap_next": Out(ifmap),
                "filter": In(filters),
                "filter_next": Out(filters),
                "psum_in": In(psum),
                "psum_out": Out(psum),
                "events": Out(PeEvents),
            }
        )

    def elaborate(self, platform: Any) -> Module:
        m = Module()
        pe = PE(self.config)
        pe.emission_key = self.emission_key
        m.submodules.pe = Once(pe, "pe")
        m.submodules.ifmap_hop = ifmap = IfmapHop(self.config)
        m.submodules.filter_hop = filters = FilterHop(self.config)
        wiring.connect(m, wiring.flipped(self.ifmap), ifmap.i)
        wiring.connect(m, wiring.flipped(self.filter), filters.i)
        wiring.connect(m, ifmap.o, wiring.flipped(self.ifmap_next))
        wiring.connect(m, filters.o, wiring.flipped(self.filter_next))
        wiring.connect(m, ifmap.deliver, pe.ifmap)
        wiring.connect(m, filters.deliver, pe.filter)
        wiring.connect(m, wiring.flipped(self.psum_in), pe.psum_in)
        wiring.connect(m, pe.psum_out, wiring.flipped(self.psum_out))
        m.d.comb += [
            ifmap.column.eq(self.column),
            filters.column.eq(self.column),
            self.events.eq(pe.events),
        ]
        return m
