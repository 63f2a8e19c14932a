"""Rows of PEs, with the psum links between them."""

from itertools import pairwise
from typing import Any

from amaranth.hdl import Module
from amaranth.lib import stream, wiring
from amaranth.lib.wiring import In, Out

from ..config import AcceleratorConfig
from ..emission.once import Once
from .beats import filter_x_beat, ifmap_x_beat, psum_beat
from .event_sum import event_sums
from .pe import PeEvents
from .pe_row import PERow


class PEGrid(wiring.Component):
    """Rows x columns of PEs: an X-bus of each network enters every row, psums leave above row 0.

    Parameters
    ----------
    config : AcceleratorConfig

    Members
    -------
    ifmap : In(stream of ifmap_x_beat), one per row
    filter : In(stream of filter_x_beat), one per row
    psum : Out(stream of psum_beat), one per column
    events : Out(number of PEs per event of PeEvents)
    """

    def __init__(self, config: AcceleratorConfig):
        self.config = config
        rows, columns = config.array.rows, config.array.columns
        super().__init__(
            {
                "ifmap": In(stream.Signature(ifmap_x_beat(config))).array(rows),
                "filter": In(stream.Signature(filter_x_beat(config))).array(rows),
                "psum": Out(stream.Signature(psum_beat(config))).array(columns),
                "events": Out(event_sums(PeEvents, config.pes)),
            }
        )

    def elaborate(self, platform: Any) -> Module:
        m = Module()
        config = self.config
        columns = range(config.array.columns)
        rows = [PERow(config) for _ in range(config.array.rows)]
        for number, row in enumerate(rows):
            row.emission_key = config.content_hash()
            once: Any = Once(row, "pe_row")
            m.submodules[f"row_{number}"] = once
            wiring.connect(m, wiring.flipped(self.ifmap[number]), row.ifmap)
            wiring.connect(m, wiring.flipped(self.filter[number]), row.filter)
        for above, below in pairwise(rows):
            m.d.comb += above.events_in.eq(below.events_out)
            for column in columns:
                wiring.connect(m, below.psum_out[column], above.psum_in[column])
        for column in columns:
            wiring.connect(m, rows[0].psum_out[column], wiring.flipped(self.psum[column]))
        m.d.comb += self.events.eq(rows[0].events_out)
        return m
