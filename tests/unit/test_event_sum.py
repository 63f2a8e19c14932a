"""Sums of events: every event counted once, in its own field, for any number of PEs."""

import random

import pytest
from amaranth.hdl import Module
from amaranth.lib import data, wiring
from amaranth.lib.wiring import In, Out
from amaranth.sim import Simulator

from orris_hw.gateware.event_sum import EventSum, add_chain, count_ones, event_sums


class Events(data.Struct):
    red: 1
    green: 1
    blue: 1


NAMES = ("red", "green", "blue")


class Chain(wiring.Component):
    """`add_chain` with ports."""

    def __init__(self, rows, columns):
        self._size = rows, columns
        sums = event_sums(Events, columns)
        super().__init__(
            {"rows": In(sums).array(rows), "total": Out(event_sums(Events, rows * columns))}
        )

    def elaborate(self, platform):
        m = Module()
        rows, columns = self._size
        m.d.comb += self.total.eq(add_chain(m, [self.rows[i] for i in range(rows)], Events, columns))
        return m


def simulate(dut, bench):
    simulator = Simulator(dut)
    simulator.add_clock(1e-6)
    simulator.add_testbench(bench)
    simulator.run()


@pytest.mark.parametrize("inputs", [1, 2, 3, 4, 5, 7, 8, 14, 15, 16])
def test_event_sum(inputs, seed):
    rng = random.Random(seed)
    dut = EventSum(Events, inputs)

    async def bench(ctx):
        for _ in range(40):
            chance = rng.choice((0, 0.3, 1))
            bits = [{name: int(rng.random() < chance) for name in NAMES} for _ in range(inputs)]
            for i, happened in enumerate(bits):
                ctx.set(dut.events[i], happened)
            await ctx.tick()
            sums = ctx.get(dut.sums)
            for name in NAMES:
                assert sums[name] == sum(happened[name] for happened in bits)

    simulate(dut, bench)


@pytest.mark.parametrize(("rows", "columns"), [(1, 1), (1, 5), (5, 1), (3, 4), (12, 14), (16, 16)])
def test_add_chain(rows, columns, seed):
    """Nothing is lost or counted twice over time, and the widest sum has room."""
    rng = random.Random(seed)
    dut = Chain(rows, columns)

    async def bench(ctx):
        given, got = dict.fromkeys(NAMES, 0), dict.fromkeys(NAMES, 0)
        for cycle in range(30 + rows):
            for i in range(rows):
                full = rng.random() < 0.3
                sums = {name: columns if full else rng.randint(0, columns) for name in NAMES}
                ctx.set(dut.rows[i], sums if cycle < 30 else dict.fromkeys(NAMES, 0))
                for name in NAMES if cycle < 30 else ():
                    given[name] += sums[name]
            await ctx.tick()
            for name in NAMES:
                got[name] += ctx.get(dut.total)[name]
        assert got == given
        for i in range(rows):
            ctx.set(dut.rows[i], dict.fromkeys(NAMES, columns))
        await ctx.tick().repeat(rows)
        assert all(ctx.get(dut.total)[name] == rows * columns for name in NAMES)

    simulate(dut, bench)


def test_widths():
    assert {name: field.width for name, field in event_sums(Events, 14)} == dict.fromkeys(NAMES, 4)
    assert {name: field.width for name, field in event_sums(Events, 16)} == dict.fromkeys(NAMES, 5)


@pytest.mark.parametrize("bits", [1, 2, 3, 7])
def test_count_ones(bits):
    class Count(wiring.Component):
        i: In(bits)
        o: Out(8)

        def elaborate(self, platform):
            m = Module()
            m.d.comb += self.o.eq(count_ones(list(self.i)))
            return m

    dut = Count()

    async def bench(ctx):
        for value in range(1 << bits):
            ctx.set(dut.i, value)
            assert ctx.get(dut.o) == value.bit_count()

    simulator = Simulator(dut)
    simulator.add_testbench(bench)
    simulator.run()
