"""X-buses: along a PE row, from PE to PE."""

from typing import Any

from amaranth.hdl import Module, Signal, signed
from amaranth.lib import data, stream, wiring
from amaranth.lib.wiring import In, Out

from ..config import AcceleratorConfig
from .beats import COLUMN_BITS, Assignment, HalfAssignment, Kind, filter_x_beat, ifmap_x_beat, pe_filter_beat
from .buffers import SkidBuffer


class _Hop(wiring.Component):
    """One column's stop: a registered beat that goes to this column's PE, to the next column, or both.

    The two destinations take the beat independently and it is gone when both have it, so a full PE
    holds up only what is behind the beat it has no room for. Latency 1 cycle a hop, throughput one beat
    a cycle.
    """

    consecutive_ids: bool
    """Whether the columns of an assignment count the ID on from column 0, or all take the same."""

    def __init__(self, beat: Any, deliver: Any):
        self._beat = beat
        super().__init__(
            {
                "column": In(COLUMN_BITS),
                "i": In(stream.Signature(beat)),
                "o": Out(stream.Signature(beat)),
                "deliver": Out(stream.Signature(deliver)),
            }
        )

    def _wanted(self, beat: Any, matches: Any) -> Any:
        """Whether the PE takes this beat, given that the column has the beat's ID."""
        raise NotImplementedError

    def elaborate(self, platform: Any) -> Module:
        m = Module()
        m.submodules.arrive = arrive = SkidBuffer(self._beat)
        wiring.connect(m, wiring.flipped(self.i), arrive.i)
        beat = arrive.o.payload

        identified, column_id = Signal(), Signal.like(beat.tag)
        wanted = Signal()
        delivered, forwarded = Signal(), Signal()  # done already, while the other is still waiting
        assignment = Assignment(beat.data[:COLUMN_BITS])
        self._assigned = assigned = Signal()
        m.d.comb += [
            wanted.eq(identified & self._wanted(beat, beat.tag == column_id)),
            self.deliver.valid.eq(arrive.o.valid & wanted & ~delivered),
            self.o.valid.eq(arrive.o.valid & ~forwarded),
            self.o.payload.eq(beat),
            arrive.o.ready.eq((~wanted | delivered | self.deliver.ready) & (forwarded | self.o.ready)),
            assigned.eq(
                arrive.o.valid & (beat.kind == Kind.ASSIGN) & ~identified & (self.column <= assignment.last)
            ),
        ]
        with m.If(assigned):
            m.d.sync += column_id.eq(beat.tag + self.column if self.consecutive_ids else beat.tag)
        with m.If(arrive.o.valid):
            with m.If(arrive.o.ready):
                m.d.sync += [delivered.eq(0), forwarded.eq(0)]
            with m.Else():
                m.d.sync += [
                    delivered.eq(delivered | self.deliver.ready & wanted),
                    forwarded.eq(forwarded | self.o.ready),
                ]
            # However long a beat of set-up waits to go on, its effect is the same.
            with m.If(beat.kind == Kind.CLEAR):
                m.d.sync += identified.eq(0)
            with m.If(assigned):
                m.d.sync += identified.eq(1)
        return m


class IfmapHop(_Hop):
    """Ifmap X-bus stop: the tag is the diagonal, which rises by one from column to column.

    Of a beat of two values the column takes the half that came with its ID.

    Parameters
    ----------
    config : AcceleratorConfig

    Members
    -------
    column : In(4)
        Which column this is; constant.
    i, o : In, Out(stream of ifmap_x_beat)
    deliver : Out(stream of signed(operand_width))
    """

    consecutive_ids = True

    def __init__(self, config: AcceleratorConfig):
        self._config = config
        super().__init__(ifmap_x_beat(config), signed(config.operand_width))

    def _wanted(self, beat: Any, matches: Any) -> Any:
        return (beat.kind == Kind.VALUE) & matches

    def elaborate(self, platform: Any) -> Module:
        m = super().elaborate(platform)
        width, value = self._config.operand_width, m.submodules.arrive.o.payload.data
        if self._config.networks.x_lanes == 2:
            half = Signal()
            with m.If(self._assigned):
                m.d.sync += half.eq(data.View(HalfAssignment, value[: HalfAssignment.as_shape().size]).half)
            value = value.word_select(half, width)
        m.d.comb += self.deliver.payload.eq(value)
        return m


class FilterHop(_Hop):
    """Filter X-bus stop: the tag is the filter set, the same for all its columns.

    Parameters
    ----------
    config : AcceleratorConfig

    Members
    -------
    column : In(4)
        Which column this is; constant.
    i, o : In, Out(stream of filter_x_beat)
    deliver : Out(stream of pe_filter_beat)
    """

    consecutive_ids = False

    def __init__(self, config: AcceleratorConfig):
        super().__init__(filter_x_beat(config), pe_filter_beat(config))

    def _wanted(self, beat: Any, matches: Any) -> Any:
        return ((beat.kind == Kind.VALUE) & matches) | (beat.kind == Kind.PARAMETER)

    def elaborate(self, platform: Any) -> Module:
        m = super().elaborate(platform)
        beat = m.submodules.arrive.o.payload
        m.d.comb += [
            self.deliver.payload.parameter.eq(beat.kind == Kind.PARAMETER),
            self.deliver.payload.field.eq(beat.tag),
            self.deliver.payload.last.eq(beat.last),
            self.deliver.payload.data.eq(beat.data),
        ]
        return m
