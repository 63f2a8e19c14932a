"""Performance counters: many wide counters in one small memory."""

from collections.abc import Sequence
from typing import Any

from amaranth.hdl import Array, Module, Mux, Signal
from amaranth.lib import data, memory, wiring
from amaranth.lib.wiring import In, Out

from ..register_map import COUNTER_BITS, COUNTERS, Counter


def increments(counters: Sequence[Counter] = COUNTERS) -> data.StructLayout:
    """What every counter gains in a cycle: one unsigned field per counter, by name."""
    return data.StructLayout({counter.name: counter.step_bits for counter in counters})


class PerformanceCounters(wiring.Component):
    """Adds up an increment per counter and cycle.

        value[i] = sum of increment[i] over the cycles with enable since clear,  modulo 2^40

    Each counter has a narrow accumulator that takes every increment; a sweep visits one counter per cycle,
    adds its accumulator to its entry in a memory of 40-bit words and starts the accumulator anew. That needs
    one 40-bit adder and one block of memory, where counters in registers would need one adder each.

    Reading takes 5 to len(counters) + 4 cycles from `request` to `ready`, and includes every increment up to
    and including the cycle of the request.

    Parameters
    ----------
    counters : sequence of Counter
        At least 4.

    Members
    -------
    increment : In(increments(counters))
        Taken in cycles with `enable`.
    enable : In(1)
    clear : In(1)
        Sets all to 0; the increments of this cycle are lost.
    request : In(1)
        Hold until `ready`.
    index : In(range(len(counters)))
        The counter to read; hold with `request`.
    value : Out(40)
        The counter's value, from `ready` to the next request.
    ready : Out(1)
        High for one cycle.

    Raises
    ------
    ValueError
        If there are fewer than 4 counters: the sweep would meet its own writes.
    """

    def __init__(self, counters: Sequence[Counter] = COUNTERS):
        if len(counters) < 4:
            raise ValueError(f"PerformanceCounters needs at least 4 counters, not {len(counters)}")
        self.counters = tuple(counters)
        super().__init__({
            "increment": In(increments(counters)),
            "enable": In(1),
            "clear": In(1),
            "request": In(1),
            "index": In(range(len(counters))),
            "value": Out(COUNTER_BITS),
            "ready": Out(1),
        })

    def elaborate(self, platform: Any) -> Module:
        m = Module()
        count = len(self.counters)
        last = count - 1
        m.submodules.totals = totals = memory.Memory(shape=COUNTER_BITS, depth=count, init=[])
        read, write = totals.read_port(), totals.write_port()

        # Steps of the sweep: take the accumulator and read the total; add; write.
        taking = Signal(range(count))
        adding, writing = Signal.like(taking), Signal.like(taking)
        # The first sweep after clear starts from 0 whatever the memory holds.
        fresh, adding_fresh = Signal(init=1), Signal(init=1)

        accumulators = []
        for index, counter in enumerate(self.counters):
            # Between two visits there are `count` increments.
            step = Signal(counter.step_bits, name=f"step_{counter.name}")
            most = ((1 << counter.step_bits) - 1) * count
            accumulator = Signal(range(most + 1), name=f"accumulator_{counter.name}")
            accumulators.append(accumulator)
            m.d.sync += [
                step.eq(Mux(self.enable & ~self.clear, self.increment[counter.name], 0)),
                accumulator.eq(Mux(self.clear, 0, Mux(taking == index, 0, accumulator) + step)),
            ]

        taken = Signal(max(len(accumulator) for accumulator in accumulators))
        m.d.comb += [
            read.addr.eq(taking),
            read.en.eq(1),
            write.addr.eq(writing),
            write.en.eq(1),
        ]
        m.d.sync += [
            taking.eq(Mux(taking == last, 0, taking + 1)),
            taken.eq(Array(accumulators)[taking]),
            adding.eq(taking),
            adding_fresh.eq(fresh),
            write.data.eq(Mux(adding_fresh, 0, read.data) + taken),
            writing.eq(adding),
        ]
        with m.If(taking == last):
            m.d.sync += fresh.eq(0)
        with m.If(self.clear):
            m.d.sync += [taking.eq(0), fresh.eq(1)]

        # An increment is in its accumulator two cycles after it came; a visit from then on includes it.
        age = Signal(2)
        match = Signal()  # the visit now in its adding step is the one asked for
        matched = Signal()
        m.d.sync += [
            match.eq(self.request & (age == 2) & (taking == self.index)),
            matched.eq(match),
            self.ready.eq(matched & self.request),
        ]
        with m.If(~self.request | self.ready):
            m.d.sync += age.eq(0)
        with m.Elif(age != 2):
            m.d.sync += age.eq(age + 1)
        with m.If(matched):
            m.d.sync += self.value.eq(write.data)
        return m
