"""The PE array: PEs, psum links up the columns, and the two multicast networks."""

from itertools import pairwise
from typing import Any

from amaranth.hdl import Module
from amaranth.lib import stream, wiring
from amaranth.lib.wiring import In, Out

from ..config import AcceleratorConfig
from ..emission.once import Once
from .beats import filter_y_beat, ifmap_y_beat, psum_beat
from .event_sum import add_chain, event_sums
from .pe import PeEvents
from .pe_row import PERow


class PEArray(wiring.Component):
    """Rows x columns of PEs, fed by two multicast networks, emptied at the top of each column.

    Ifmap and filter beats enter at the top of the left edge, go down from row head to row head (Y-bus)
    and along each row from column to column (X-bus); psums go up from PE to PE and leave above row 0.
    Every link is registered: no path is longer with more rows or columns. A beat takes one
    cycle per row and per column on its way, and a few in its row's head; throughput one beat a cycle on each
    Y-bus, one value a cycle on each X-bus and one psum a cycle on each column.

    Parameters
    ----------
    config : AcceleratorConfig

    Members
    -------
    ifmap : In(stream of ifmap_y_beat)
    filter : In(stream of filter_y_beat)
    psum : Out(stream of psum_beat), one per column
    events : Out(number of PEs per event of PeEvents)
    """

    def __init__(self, config: AcceleratorConfig):
        self.config = config
        super().__init__(
            {
                "ifmap": In(stream.Signature(ifmap_y_beat(config))),
                "filter": In(stream.Signature(filter_y_beat(config))),
                "psum": Out(stream.Signature(psum_beat(config))).array(config.array.columns),
                "events": Out(event_sums(PeEvents, config.pes)),
            }
        )

    def elaborate(self, platform: Any) -> Module:
        m = Module()
        config = self.config
        columns = config.array.columns
        rows = [PERow(config) for _ in range(config.array.rows)]
        for number, row in enumerate(rows):
            row.emission_key = config.content_hash()
            once: Any = Once(row, "pe_row")
            m.submodules[f"row_{number}"] = once
        for above, below in pairwise(rows):
            wiring.connect(m, above.ifmap_next, below.ifmap)
            wiring.connect(m, above.filter_next, below.filter)
            for column in range(columns):
                wiring.connect(m, below.psum_out[column], above.psum_in[column])
        top, bottom = rows[0], rows[-1]
        wiring.connect(m, wiring.flipped(self.ifmap), top.ifmap)
        wiring.connect(m, wiring.flipped(self.filter), top.filter)
        for column in range(columns):
            wiring.connect(m, top.psum_out[column], wiring.flipped(self.psum[column]))
        m.d.comb += [bottom.ifmap_next.ready.eq(1), bottom.filter_next.ready.eq(1)]
        m.d.comb += self.events.eq(add_chain(m, [row.events for row in rows], PeEvents, columns))
        return m
