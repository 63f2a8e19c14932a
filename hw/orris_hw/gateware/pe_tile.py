"""PEs with the stop on the two X-buses of their row that serves them."""

from typing import Any

from amaranth.hdl import Module
from amaranth.lib import stream, wiring
from amaranth.lib.wiring import In, Out

from ..config import AcceleratorConfig
from ..emission.once import Once
from .beats import COLUMN_BITS, filter_x_beat, ifmap_x_beat, psum_beat
from .pe import PE, PeEvents
from .x_bus import FilterStop, IfmapStop


class PETile(wiring.Component):
    """What is repeated along every row: a stop of each X-bus, and the PEs of its columns.

    Parameters
    ----------
    config : AcceleratorConfig
    columns : int
        `networks.stop_columns`, or what is left of them at the end of a row.

    Members
    -------
    stop : In(4)
        Which tile of the row this is; constant.
    ifmap, ifmap_next : In, Out(stream of ifmap_x_beat)
        X-bus from the tile before, to the next one.
    filter, filter_next : In, Out(stream of filter_x_beat)
    psum_in, psum_out : In, Out(stream of psum_beat), one per column
    events : Out(PeEvents), one per column
    """

    def __init__(self, config: AcceleratorConfig, columns: int):
        self.config = config
        self.columns = columns
        self.emission_key = config.content_hash(), columns
        ifmap, filters = stream.Signature(ifmap_x_beat(config)), stream.Signature(filter_x_beat(config))
        psum = stream.Signature(psum_beat(config))
        super().__init__(
            {
                "stop": In(COLUMN_BITS),
                "ifmap": In(ifmap),
                "ifmap_next": Out(ifmap),
                "filter": In(filters),
                "filter_next": Out(filters),
                "psum_in": In(psum).array(columns),
                "psum_out": Out(psum).array(columns),
                "events": Out(PeEvents).array(columns),
            }
        )

    def elaborate(self, platform: Any) -> Module:
        m = Module()
        m.submodules.ifmap_stop = ifmap = IfmapStop(self.config, self.columns)
        m.submodules.filter_stop = filters = FilterStop(self.config, self.columns)
        wiring.connect(m, wiring.flipped(self.ifmap), ifmap.i)
        wiring.connect(m, wiring.flipped(self.filter), filters.i)
        wiring.connect(m, ifmap.o, wiring.flipped(self.ifmap_next))
        wiring.connect(m, filters.o, wiring.flipped(self.filter_next))
        m.d.comb += [ifmap.stop.eq(self.stop), filters.stop.eq(self.stop)]
        for place in range(self.columns):
            pe = PE(self.config)
            pe.emission_key = self.config.content_hash()
            m.submodules[f"pe_{place}"] = Once(pe, "pe")
            wiring.connect(m, ifmap.deliver[place], pe.ifmap)
            wiring.connect(m, filters.deliver[place], pe.filter)
            wiring.connect(m, wiring.flipped(self.psum_in[place]), pe.psum_in)
            wiring.connect(m, pe.psum_out, wiring.flipped(self.psum_out[place]))
            m.d.comb += self.events[place].eq(pe.events)
        return m
