"""Sums of event bits over many PEs, for the performance counters."""

from collections.abc import Sequence
from typing import Any

from amaranth.hdl import Cat, Const, Module, Signal, Value
from amaranth.lib import data, wiring
from amaranth.lib.wiring import In, Out
from amaranth.utils import bits_for


def spread(value: Any, field_width: int, width: int) -> Value:
    """Gives every `field_width`-bit field of `value` `width` bits, so that sums cannot run together."""
    value = Value.cast(value)
    fields = [value[i : i + field_width] for i in range(0, len(value), field_width)]
    return Cat(Cat(field, Const(0, width - field_width)) if width > field_width else field for field in fields)


class EventSum(wiring.Component):
    """Counts, for each event, in how many of `rows` x `columns` PEs it happened in a cycle.

    All events of a PE are added as one packed word: a tree along each row, a register, then a chain of
    registered additions from row to row. Latency `rows + 1` cycles (the last row's events are ahead of
    the first one's by `rows - 1` cycles, which counters do not see), one sum per cycle.

    Parameters
    ----------
    events : data.Struct
        Shape of a PE's events, all of one bit.
    rows, columns : int

    Members
    -------
    events : In(events), rows x columns
    sums : Out(one field per event, wide enough for rows x columns)
    """

    def __init__(self, events: Any, rows: int, columns: int):
        self._rows, self._columns = rows, columns
        self._names = [name for name, _ in data.Layout.cast(events)]
        self._sum_width = bits_for(rows * columns)
        sums = data.StructLayout({name: self._sum_width for name in self._names})
        super().__init__({"events": In(events).array(rows, columns), "sums": Out(sums)})

    def elaborate(self, platform: Any) -> Module:
        m = Module()
        row_width = bits_for(self._columns)
        total: Any = Const(0, len(self._names) * self._sum_width)
        for row in range(self._rows):
            terms = [spread(self.events[row][column], 1, row_width) for column in range(self._columns)]
            while len(terms) > 1:
                terms = [
                    sum(terms[i : i + 2][1:], start=terms[i]) for i in range(0, len(terms), 2)
                ]
            packed = len(self._names) * row_width
            row_sum = Signal(packed, name=f"row_{row}")
            running = Signal(len(self._names) * self._sum_width, name=f"rows_to_{row}")
            m.d.sync += [row_sum.eq(terms[0]), running.eq(total + spread(row_sum, row_width, self._sum_width))]
            total = running
        m.d.comb += self.sums.eq(total)
        return m


def count_ones(bits: Sequence[Any]) -> Value:
    """How many of a few bits are set."""
    return sum((Value.cast(bit) for bit in bits[1:]), start=Value.cast(bits[0]))
