"""X-buses: along a PE row, from stop to stop."""

from typing import Any

from amaranth.hdl import Cat, Const, Module, Signal, Value, signed
from amaranth.lib import data, stream, wiring
from amaranth.lib.wiring import In, Out
from amaranth.utils import exact_log2

from ..config import AcceleratorConfig
from .beats import COLUMN_BITS, Assignment, HalfAssignment, Kind, filter_x_beat, ifmap_x_beat, pe_filter_beat
from .buffers import SkidBuffer


class _Stop(wiring.Component):
    """The stop of some columns: a registered beat that goes to their PEs, to the next stop, or to several.

    The destinations take the beat independently and it is gone when all have it, so a full PE holds up
    only what is behind the beat it has no room for. Latency 1 cycle a stop, throughput one beat a cycle.
    """

    consecutive_ids: bool
    """Whether the columns of an assignment count the ID on from column 0, or all take the same."""

    def __init__(self, config: AcceleratorConfig, columns: int, beat: Any, deliver: Any):
        self._config = config
        self._beat = beat
        super().__init__(
            {
                "stop": In(COLUMN_BITS),
                "i": In(stream.Signature(beat)),
                "o": Out(stream.Signature(beat)),
                "deliver": Out(stream.Signature(deliver)).array(columns),
            }
        )

    def _wanted(self, beat: Any, matches: Any) -> Any:
        """Whether a PE takes this beat, given whether it has the ID of the PE's column."""
        raise NotImplementedError

    def _payload(self, m: Module, beat: Any, assigned: Value) -> Any:
        """What a PE gets of a beat; `assigned` while the beat gives its column an ID."""
        raise NotImplementedError

    def elaborate(self, platform: Any) -> Module:
        m = Module()
        m.submodules.arrive = arrive = SkidBuffer(self._beat)
        wiring.connect(m, wiring.flipped(self.i), arrive.i)
        beat = arrive.o.payload
        here, gone = arrive.o.valid, arrive.o.ready

        forwarded = Signal()  # done already, while others are still waiting
        taken = [forwarded | self.o.ready]
        assignment = Assignment(beat.data[:COLUMN_BITS])
        place_bits = exact_log2(self._config.networks.stop_columns)
        for place, deliver in enumerate(self.deliver):
            column = Cat(Const(place, place_bits), self.stop)[:COLUMN_BITS]
            identified = Signal(name=f"identified_{place}")
            column_id = Signal.like(beat.tag, name=f"id_{place}")
            wanted, assigned = Signal(name=f"wanted_{place}"), Signal(name=f"assigned_{place}")
            delivered = Signal(name=f"delivered_{place}")
            taken.append(~wanted | delivered | deliver.ready)
            m.d.comb += [
                wanted.eq(identified & self._wanted(beat, beat.tag == column_id)),
                assigned.eq(here & (beat.kind == Kind.ASSIGN) & ~identified & (column <= assignment.last)),
                deliver.valid.eq(here & wanted & ~delivered),
                deliver.payload.eq(self._payload(m, beat, assigned)),
            ]
            with m.If(assigned):
                m.d.sync += column_id.eq(beat.tag + column if self.consecutive_ids else beat.tag)
            with m.If(here):
                m.d.sync += delivered.eq(~gone & (delivered | deliver.ready & wanted))
                # However long a beat of set-up waits to go on, its effect is the same.
                with m.If(beat.kind == Kind.CLEAR):
                    m.d.sync += identified.eq(0)
                with m.If(assigned):
                    m.d.sync += identified.eq(1)
        m.d.comb += [
            self.o.valid.eq(here & ~forwarded),
            self.o.payload.eq(beat),
            gone.eq(Cat(taken).all()),
        ]
        with m.If(here):
            m.d.sync += forwarded.eq(~gone & (forwarded | self.o.ready))
        return m


class IfmapStop(_Stop):
    """Ifmap X-bus stop: the tag is the diagonal, which rises by one from column to column.

    Of a beat of two values a column takes the half that came with its ID.

    Parameters
    ----------
    config : AcceleratorConfig
    columns : int
        How many it serves: `networks.stop_columns`, or what is left of them at the end of a row.

    Members
    -------
    stop : In(4)
        Which stop of the row this is; constant. Its first column is number `stop * networks.stop_columns`.
    i, o : In, Out(stream of ifmap_x_beat)
    deliver : Out(stream of signed(operand_width)), one per column
    """

    consecutive_ids = True

    def __init__(self, config: AcceleratorConfig, columns: int):
        super().__init__(config, columns, ifmap_x_beat(config), signed(config.operand_width))

    def _wanted(self, beat: Any, matches: Any) -> Any:
        return (beat.kind == Kind.VALUE) & matches

    def _payload(self, m: Module, beat: Any, assigned: Value) -> Any:
        if self._config.networks.x_lanes == 1:
            return beat.data
        half = Signal()
        with m.If(assigned):
            m.d.sync += half.eq(data.View(HalfAssignment, beat.data[: HalfAssignment.as_shape().size]).half)
        return beat.data.word_select(half, self._config.operand_width)


class FilterStop(_Stop):
    """Filter X-bus stop: the tag is the filter set, the same for all its columns.

    Parameters
    ----------
    config : AcceleratorConfig
    columns : int
        How many it serves: `networks.stop_columns`, or what is left of them at the end of a row.

    Members
    -------
    stop : In(4)
        Which stop of the row this is; constant. Its first column is number `stop * networks.stop_columns`.
    i, o : In, Out(stream of filter_x_beat)
    deliver : Out(stream of pe_filter_beat), one per column
    """

    consecutive_ids = False

    def __init__(self, config: AcceleratorConfig, columns: int):
        super().__init__(config, columns, filter_x_beat(config), pe_filter_beat(config))

    def _wanted(self, beat: Any, matches: Any) -> Any:
        return ((beat.kind == Kind.VALUE) & matches) | (beat.kind == Kind.PARAMETER)

    def _payload(self, m: Module, beat: Any, assigned: Value) -> Any:
        parameter = beat.kind == Kind.PARAMETER
        return Cat(parameter, beat.tag, beat.last, beat.data)  # as `pe_filter_beat`
