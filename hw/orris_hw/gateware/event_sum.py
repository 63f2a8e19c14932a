"""Sums of event bits over many PEs, for the performance counters."""

from collections.abc import Sequence
from typing import Any

from amaranth.hdl import Cat, Module, Signal, Value
from amaranth.lib import data, wiring
from amaranth.lib.wiring import In, Out
from amaranth.utils import bits_for


def count_ones(bits: Sequence[Any]) -> Value:
    """How many of a few bits are set."""
    return sum((Value.cast(bit) for bit in bits[1:]), start=Value.cast(bits[0]))


def event_sums(events: Any, most: int) -> data.StructLayout:
    """One field per event, wide enough for `most` of them."""
    return data.StructLayout({str(name): bits_for(most) for name, _ in data.Layout.cast(events)})


def _sliced_count(words: Sequence[Value]) -> list[Value]:
    """Counts, for every bit position of `words`, those that are set; word i of the result has weight 2^i.

    Full and half adders (carry save) over whole words: cost and depth of a few gates a word, and all
    positions at once.
    """
    counts: list[Value] = []
    while words:
        same, carries = list(words), []
        while len(same) > 1:
            a, b, *rest = same
            c = rest.pop(0) if rest else None
            odd = a ^ b
            carries.append(a & b if c is None else (a & b) | (odd & c))
            same = [*rest, odd if c is None else odd ^ c]
        counts.append(same[0])
        words = carries
    return counts


class EventSum(wiring.Component):
    """Counts, for each event, in how many PEs of a row it happened in a cycle, and adds the rows below.

        total[event](t) = below[event](t - 1) + number of PEs with event(t - 2)

    Latency 1 cycle a row, and 1 for the row's own count; one sum per cycle. Rows are seen a few cycles
    apart, which counters do not notice.

    Parameters
    ----------
    events : data.Struct
        Shape of a PE's events, all of one bit.
    inputs : int
        PEs in the row.
    most : int
        PEs in all rows.

    Members
    -------
    events : In(events).array(inputs)
    below : In(event_sums(events, most))
    total : Out(event_sums(events, most))
    """

    def __init__(self, events: Any, inputs: int, most: int):
        self._inputs = inputs
        self._own = event_sums(events, inputs)
        sums = event_sums(events, most)
        super().__init__({"events": In(events).array(inputs), "below": In(sums), "total": Out(sums)})

    def elaborate(self, platform: Any) -> Module:
        m = Module()
        counts = _sliced_count([Value.cast(self.events[i]) for i in range(self._inputs)])
        own = Signal(self._own)
        for position, (name, _) in enumerate(self._own):
            m.d.sync += [
                own[name].eq(Cat(word[position] for word in counts)),
                self.total[name].eq(self.below[name] + own[name]),
            ]
        return m
