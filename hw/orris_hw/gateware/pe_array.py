"""The PE array: PEs, psum links up the columns, and the two multicast networks."""

from typing import Any

from amaranth.hdl import Module
from amaranth.lib import stream, wiring
from amaranth.lib.wiring import In, Out

from ..config import AcceleratorConfig
from ..emission.once import Once
from .beats import filter_y_beat, ifmap_y_beat, psum_beat
from .event_sum import EventSum
from .pe import PE, PeEvents
from .x_bus import FilterHop, IfmapHop
from .y_bus import FilterRow, IfmapRow


class PEArray(wiring.Component):
    """Rows x columns of PEs, fed by two multicast networks, emptied at the top of each column.

    Ifmap and filter beats enter at the top of the left edge, go down from row head to row head (Y-bus)
    and along each row from column to column (X-bus); psums go up from PE to PE and leave above row 0.
    Every link is registered: no path is longer with more rows or columns. Latency from a Y-bus input to
    the PE in row i, column j: i + j + 5 cycles; throughput one beat a cycle on each Y-bus, one value a
    cycle on each X-bus and one psum a cycle on each column.

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
        self._event_sum = EventSum(PeEvents, config.array.rows, config.array.columns)
        super().__init__(
            {
                "ifmap": In(stream.Signature(ifmap_y_beat(config))),
                "filter": In(stream.Signature(filter_y_beat(config))),
                "psum": Out(stream.Signature(psum_beat(config))).array(config.array.columns),
                "events": Out(self._event_sum.sums.shape()),
            }
        )

    def elaborate(self, platform: Any) -> Module:
        m = Module()
        config = self.config
        rows, columns = config.array.rows, config.array.columns

        def place(component: Any, module: str, name: str) -> Any:
            component.emission_key = config.content_hash()
            m.submodules[name] = Once(component, module)
            return component

        m.submodules.event_sum = event_sum = self._event_sum
        m.d.comb += self.events.eq(event_sum.sums)
        below: dict[int, PE] = {}
        y_ifmap, y_filter = wiring.flipped(self.ifmap), wiring.flipped(self.filter)
        heads = [
            (
                place(IfmapRow(config), "ifmap_row", f"ifmap_row_{row}"),
                place(FilterRow(config), "filter_row", f"filter_row_{row}"),
            )
            for row in range(rows)
        ]
        for row in reversed(range(rows)):
            for column in range(columns):
                pe = place(PE(config), "pe", f"pe_{row}_{column}")
                m.d.comb += event_sum.events[row][column].eq(pe.events)
                if column in below:
                    wiring.connect(m, below[column].psum_out, pe.psum_in)
                below[column] = pe
                if row == 0:
                    wiring.connect(m, pe.psum_out, wiring.flipped(self.psum[column]))
                if column == 0:
                    x_ifmap, x_filter = heads[row][0].x, heads[row][1].x
                ifmap_hop = place(IfmapHop(config), "ifmap_hop", f"ifmap_hop_{row}_{column}")
                filter_hop = place(FilterHop(config), "filter_hop", f"filter_hop_{row}_{column}")
                wiring.connect(m, x_ifmap, ifmap_hop.i)
                wiring.connect(m, x_filter, filter_hop.i)
                wiring.connect(m, ifmap_hop.deliver, pe.ifmap)
                wiring.connect(m, filter_hop.deliver, pe.filter)
                x_ifmap, x_filter = ifmap_hop.o, filter_hop.o
            m.d.comb += [x_ifmap.ready.eq(1), x_filter.ready.eq(1)]  # past the last column
        for ifmap_row, filter_row in heads:
            wiring.connect(m, y_ifmap, ifmap_row.i)
            wiring.connect(m, y_filter, filter_row.i)
            y_ifmap, y_filter = ifmap_row.o, filter_row.o
        m.d.comb += [y_ifmap.ready.eq(1), y_filter.ready.eq(1)]  # past the last row
        return m
