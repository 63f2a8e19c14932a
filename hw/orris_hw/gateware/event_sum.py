"""Sums of event bits over many PEs, for the performance counters.

All events of a PE are added as one packed word, each in a field wide enough for the sum, so that counting
ten events costs one addition per PE.
"""

from collections.abc import Sequence
from typing import Any

from amaranth.hdl import Cat, Const, Module, Signal, Value
from amaranth.lib import data, wiring
from amaranth.lib.wiring import In, Out
from amaranth.utils import bits_for


def count_ones(bits: Sequence[Any]) -> Value:
    """How many of a few bits are set."""
    return sum((Value.cast(bit) for bit in bits[1:]), start=Value.cast(bits[0]))


def event_sums(events: Any, most: int) -> data.StructLayout:
    """One field per event, wide enough for `most` of them."""
    return data.StructLayout({str(name): bits_for(most) for name, _ in data.Layout.cast(events)})


def _widened(value: Any, width: int, wanted: int) -> Value:
    """Gives every `width`-bit field of `value` `wanted` bits."""
    value = Value.cast(value)
    fields = [value[i : i + width] for i in range(0, len(value), width)]
    return Cat(Cat(field, Const(0, wanted - width)) if wanted > width else field for field in fields)


class EventSum(wiring.Component):
    """Counts, for each event, in how many of `inputs` PEs it happened in a cycle.

    A tree of packed additions and a register: latency 1 cycle, one sum per cycle.

    Parameters
    ----------
    events : data.Struct
        Shape of a PE's events, all of one bit.
    inputs : int

    Members
    -------
    events : In(events).array(inputs)
    sums : Out(event_sums(events, inputs))
    """

    def __init__(self, events: Any, inputs: int):
        self._inputs = inputs
        self._sums = event_sums(events, inputs)
        super().__init__({"events": In(events).array(inputs), "sums": Out(self._sums)})

    def elaborate(self, platform: Any) -> Module:
        m = Module()
        width = bits_for(self._inputs)
        terms: list[Value] = [_widened(self.events[i], 1, width) for i in range(self._inputs)]
        while len(terms) > 1:
            pairs = [terms[i : i + 2] for i in range(0, len(terms), 2)]
            terms = [sum(pair[1:], start=pair[0]) for pair in pairs]
        m.d.sync += self.sums.eq(terms[0][: self._sums.size])
        return m


def add_chain(m: Module, rows: Sequence[Any], events: Any, columns: int) -> Value:
    """Adds the rows' sums along a chain of registers, one row a cycle; returns the total.

    Rows are seen up to len(rows) - 1 cycles apart, which counters do not notice.
    """
    total_shape = event_sums(events, columns * len(rows))
    width, wanted = bits_for(columns), bits_for(columns * len(rows))
    total: Value = Const(0, total_shape.size)
    for number, row in enumerate(rows):
        running = Signal(total_shape.size, name=f"rows_to_{number}")
        m.d.sync += running.eq(total + _widened(row, width, wanted))
        total = running
    return total
