"""A row of the PE array."""

from typing import Any

from amaranth.hdl import Module
from amaranth.lib import stream, wiring
from amaranth.lib.wiring import In, Out

from ..config import AcceleratorConfig
from ..emission.once import Once
from .beats import filter_y_beat, ifmap_y_beat, psum_beat
from .event_sum import EventSum, event_sums
from .pe import PeEvents
from .pe_tile import PETile
from .y_bus import FilterRow, IfmapRow


class PERow(wiring.Component):
    """A row head for each network, and the row's PEs, each with its stop on the two X-buses.

    All rows are the same: what a row is for is told to it by the beats that reach it.

    Parameters
    ----------
    config : AcceleratorConfig

    Members
    -------
    ifmap, ifmap_next : In, Out(stream of ifmap_y_beat)
        Y-bus from the row above, to the row below.
    filter, filter_next : In, Out(stream of filter_y_beat)
    psum_in, psum_out : In, Out(stream of psum_beat), one per column
        From the row below, to the row above.
    events : Out(number of PEs per event of PeEvents)
    """

    def __init__(self, config: AcceleratorConfig):
        self.config = config
        columns = config.array.columns
        ifmap, filters = stream.Signature(ifmap_y_beat(config)), stream.Signature(filter_y_beat(config))
        psum = stream.Signature(psum_beat(config))
        super().__init__(
            {
                "ifmap": In(ifmap),
                "ifmap_next": Out(ifmap),
                "filter": In(filters),
                "filter_next": Out(filters),
                "psum_in": In(psum).array(columns),
                "psum_out": Out(psum).array(columns),
                "events": Out(event_sums(PeEvents, columns)),
            }
        )

    def elaborate(self, platform: Any) -> Module:
        m = Module()
        config = self.config

        m.submodules.ifmap_row = ifmap_row = IfmapRow(config)
        m.submodules.filter_row = filter_row = FilterRow(config)
        m.submodules.event_sum = event_sum = EventSum(PeEvents, config.array.columns)
        wiring.connect(m, wiring.flipped(self.ifmap), ifmap_row.i)
        wiring.connect(m, wiring.flipped(self.filter), filter_row.i)
        wiring.connect(m, ifmap_row.o, wiring.flipped(self.ifmap_next))
        wiring.connect(m, filter_row.o, wiring.flipped(self.filter_next))
        m.d.comb += self.events.eq(event_sum.sums)

        x_ifmap, x_filter = ifmap_row.x, filter_row.x
        for column in range(config.array.columns):
            tile = PETile(config)
            m.submodules[f"pe_tile_{column}"] = Once(tile, "pe_tile")
            wiring.connect(m, x_ifmap, tile.ifmap)
            wiring.connect(m, x_filter, tile.filter)
            wiring.connect(m, wiring.flipped(self.psum_in[column]), tile.psum_in)
            wiring.connect(m, tile.psum_out, wiring.flipped(self.psum_out[column]))
            m.d.comb += event_sum.events[column].eq(tile.events)
            x_ifmap, x_filter = tile.ifmap_next, tile.filter_next
        m.d.comb += [x_ifmap.ready.eq(1), x_filter.ready.eq(1)]  # past the last column
        return m
