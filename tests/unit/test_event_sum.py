"""Sums of events: every event counted once, in its own field, for any number of PEs."""

import random

import pytest
from amaranth.hdl import Module, Signal
from amaranth.lib import data, wiring
from amaranth.lib.wiring import In, Out
from amaranth.sim import Simulator

from orris_hw.gateware.event_sum import EventSum, count_ones, event_sums


class Events(data.Struct):
    red: 1
    green: 1
    blue: 1


NAMES = ("red", "green", "blue")


class Chain(wiring.Component):
    """The sums of some rows, each adding to the one below."""

    def __init__(self, rows, columns):
        self._size = rows, columns
        self.sums = event_sums(Events, rows * columns)
        super().__init__({"rows": In(Events).array(rows, columns), "total": Out(self.sums)})

    def elaborate(self, platform):
        m = Module()
        rows, columns = self._size
        below = Signal(self.sums)
        for row in range(rows):
            m.submodules[f"row_{row}"] = count = EventSum(Events, columns, rows * columns)
            m.d.comb += count.below.eq(below)
            m.d.comb += [count.events[column].eq(self.rows[row][column]) for column in range(columns)]
            below = count.total
        m.d.comb += self.total.eq(below)
        return m


def simulate(dut, bench):
    simulator = Simulator(dut)
    simulator.add_clock(1e-6)
    simulator.add_testbench(bench)
    simulator.run()


@pytest.mark.parametrize("inputs", [1, 2, 3, 4, 5, 7, 8, 14, 15, 16])
def test_event_sum(inputs, seed):
    rng = random.Random(seed)
    most = inputs + 5
    dut = EventSum(Events, inputs, most)

    async def bench(ctx):
        expected = [dict.fromkeys(NAMES, 0)] * 2
        for _ in range(40):
            chance = rng.choice((0, 0.3, 1))
            bits = [{name: int(rng.random() < chance) for name in NAMES} for _ in range(inputs)]
            below = {name: rng.randint(0, most - inputs) for name in NAMES}
            for i, happened in enumerate(bits):
                ctx.set(dut.events[i], happened)
            ctx.set(dut.below, below)
            expected.append({name: sum(happened[name] for happened in bits) for name in NAMES})
            await ctx.tick()
            total = ctx.get(dut.total)
            for name in NAMES:
                assert total[name] == below[name] + expected[-2][name]

    simulate(dut, bench)


@pytest.mark.parametrize(("rows", "columns"), [(1, 1), (1, 5), (5, 1), (3, 4), (12, 14), (16, 16)])
def test_rows(rows, columns, seed):
    """Nothing is lost or counted twice over time, and the widest sum has room."""
    rng = random.Random(seed)
    dut = Chain(rows, columns)

    async def bench(ctx):
        given, got = dict.fromkeys(NAMES, 0), dict.fromkeys(NAMES, 0)
        for cycle in range(31 + rows):
            chance = rng.choice((0, 0.5, 1)) if cycle < 30 else 0
            for row in range(rows):
                for column in range(columns):
                    events = {name: int(rng.random() < chance) for name in NAMES}
                    ctx.set(dut.rows[row][column], events)
                    for name in NAMES:
                        given[name] += events[name]
            await ctx.tick()
            for name in NAMES:
                got[name] += ctx.get(dut.total)[name]
        assert got == given
        for row in range(rows):
            for column in range(columns):
                ctx.set(dut.rows[row][column], dict.fromkeys(NAMES, 1))
        await ctx.tick().repeat(rows + 1)
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
