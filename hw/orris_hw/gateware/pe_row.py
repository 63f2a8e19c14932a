"""A row of the PE array."""

from typing import Any

from amaranth.hdl import Module
from amaranth.lib import stream, wiring
from amaranth.lib.wiring import In, Out

from ..config import AcceleratorConfig
from ..emission.once import Once
from .beats import filter_x_beat, ifmap_x_beat, psum_beat
from .event_sum import EventSum, event_sums
from .pe import PeEvents
from .pe_tile import PETile


class PERow(wiring.Component):
    """The PEs of a row, with their stops on the two X-buses, and the count of what they did.

    All rows are the same: what a row is for is told to it by the beats that reach it.

    Parameters
    ----------
    config : AcceleratorConfig

    Members
    -------
    ifmap : In(stream of ifmap_x_beat)
        X-bus from the row's head.
    filter : In(stream of filter_x_beat)
    psum_in, psum_out : In, Out(stream of psum_beat), one per column
        From the row below, to the row above.
    events_in, events_out : In, Out(number of PEs per event of PeEvents)
        Total of the rows below, and with this row.
    """

    def __init__(self, config: AcceleratorConfig):
        self.config = config
        columns = config.array.columns
        psum = stream.Signature(psum_beat(config))
        events = event_sums(PeEvents, config.pes)
        super().__init__(
            {
                "ifmap": In(stream.Signature(ifmap_x_beat(config))),
                "filter": In(stream.Signature(filter_x_beat(config))),
                "psum_in": In(psum).array(columns),
                "psum_out": Out(psum).array(columns),
                "events_in": In(events),
                "events_out": Out(events),
            }
        )

    def elaborate(self, platform: Any) -> Module:
        m = Module()
        config = self.config

        columns, together = config.array.columns, config.networks.stop_columns
        tiles = {
            first: PETile(config, min(together, columns - first)) for first in range(0, columns, together)
        }
        if config.control.counters == "all":
            m.submodules.event_sum = event_sum = EventSum(PeEvents, columns, config.pes)
            m.d.comb += [event_sum.below.eq(self.events_in), self.events_out.eq(event_sum.total)]
            happened = [events for tile in tiles.values() for events in tile.events]
            m.d.comb += [event_sum.events[column].eq(events) for column, events in enumerate(happened)]

        x_ifmap, x_filter = wiring.flipped(self.ifmap), wiring.flipped(self.filter)
        for first, tile in tiles.items():
            name = "pe_tile" if tile.columns == together else "pe_tile_last"
            m.submodules[f"pe_tile_{first}"] = Once(tile, name)
            wiring.connect(m, x_ifmap, tile.ifmap)
            wiring.connect(m, x_filter, tile.filter)
            for place in range(tile.columns):
                column = first + place
                wiring.connect(m, wiring.flipped(self.psum_in[column]), tile.psum_in[place])
                wiring.connect(m, tile.psum_out[place], wiring.flipped(self.psum_out[column]))
            m.d.comb += tile.stop.eq(first // together)
            x_ifmap, x_filter = tile.ifmap_next, tile.filter_next
        m.d.comb += [x_ifmap.ready.eq(1), x_filter.ready.eq(1)]  # past the last column
        return m
