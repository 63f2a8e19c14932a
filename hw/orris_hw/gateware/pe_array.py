"""The PE array: the grid of PEs and the two multicast networks that feed it."""

from typing import Any

from amaranth.hdl import Module
from amaranth.lib import stream, wiring
from amaranth.lib.wiring import In, Out

from ..config import AcceleratorConfig
from ..emission.once import Once
from .beats import filter_y_beat, ifmap_y_beat, psum_beat
from .event_sum import event_sums
from .pe import PeEvents
from .pe_grid import PEGrid
from .y_bus import FilterRow, IfmapRow


class PEArray(wiring.Component):
    """Rows x columns of PEs, fed by two multicast networks, emptied at the top of each column.

    Ifmap and filter beats enter at the top of the left edge, go down from row head to row head (Y-bus)
    and along each row from column to column (X-bus); psums go up from PE to PE and leave above row 0.
    Every link and all outputs are registered, those of row heads, rows and tiles as well: no path is longer
    with more rows or columns, and a simulator may compute all rows side by side. A beat takes one
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
        m.submodules.grid = grid = PEGrid(config)
        ifmap, filters = wiring.flipped(self.ifmap), wiring.flipped(self.filter)
        for row in range(config.array.rows):
            ifmap_head, filter_head = IfmapRow(config), FilterRow(config)
            ifmap_head.emission_key = filter_head.emission_key = config.content_hash()
            m.submodules[f"ifmap_row_{row}"] = Once(ifmap_head, "ifmap_row")
            m.submodules[f"filter_row_{row}"] = Once(filter_head, "filter_row")
            wiring.connect(m, ifmap, ifmap_head.i)
            wiring.connect(m, filters, filter_head.i)
            wiring.connect(m, ifmap_head.x, grid.ifmap[row])
            wiring.connect(m, filter_head.x, grid.filter[row])
            ifmap, filters = ifmap_head.o, filter_head.o
        m.d.comb += [ifmap.ready.eq(1), filters.ready.eq(1)]  # past the last row
        for column in range(config.array.columns):
            wiring.connect(m, grid.psum[column], wiring.flipped(self.psum[column]))
        m.d.comb += self.events.eq(grid.events)
        return m
