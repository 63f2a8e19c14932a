"""Semaphores against a counter per semaphore."""

import random

import pytest
from amaranth.sim import Simulator

from orris_hw.commands import SEMAPHORES
from orris_hw.gateware.semaphores import Semaphores


def run(dut, cycles, drive):
    """Drives gifts and wishes for so many cycles and checks grants and overflow in each.

    `drive(cycle)`: ([(id, count) or None per source], [id or None per sink]). A gift can be taken in the
    second cycle after it. Returns the tokens left, and whether there was an overflow.
    """
    simulator = Simulator(dut)
    simulator.add_clock(1e-6)
    tokens, on_the_way, result = [0] * (SEMAPHORES + 1), [], {"overflow": False}

    async def bench(ctx):
        nonlocal on_the_way
        for cycle in range(cycles):
            gifts, wishes = drive(cycle)
            for port, gift in zip(dut.source, gifts, strict=True):
                ctx.set(port.give, gift is not None)
                if gift is not None:
                    ctx.set(port.id, gift[0])
                    ctx.set(port.count, gift[1])
            for port, wish in zip(dut.sink, wishes, strict=True):
                ctx.set(port.want, wish is not None)
                ctx.set(port.id, cycle % 16 if wish is None else wish)
            taken = None
            for port, wish in zip(dut.sink, wishes, strict=True):
                granted = wish is not None and (wish == 0 or (taken is None and tokens[wish] > 0))
                assert ctx.get(port.granted) == granted
                if granted and wish:
                    taken = wish
            assert ctx.get(dut.overflow) == result["overflow"]
            if taken is not None:
                tokens[taken] -= 1
            for semaphore, count in on_the_way:
                tokens[semaphore] += count
            result["overflow"] |= max(tokens[1:]) > 255
            tokens[0] = 0
            on_the_way = [gift for gift in gifts if gift is not None]
            await ctx.tick()

    simulator.add_testbench(bench)
    simulator.run()
    return tokens, result["overflow"]


@pytest.mark.parametrize(("sources", "sinks"), [(1, 1), (2, 3), (6, 5)])
def test_random(sources, sinks, seed):
    rng = random.Random(seed)
    some = [rng.randint(1, SEMAPHORES) for _ in range(3)] + [0]

    def drive(cycle):
        chance = 0.1 if cycle % 200 < 100 else 0.5  # starved, then plentiful
        gifts = [
            (rng.choice(some), rng.choice((0, 1, 1, 3))) if rng.random() < chance / sources else None
            for _ in range(sources)
        ]
        return gifts, [rng.choice(some) if rng.random() < 0.6 else None for _ in range(sinks)]

    _, overflow = run(Semaphores(sources, sinks), 800, drive)
    assert not overflow


def test_all_gifts_in_one_cycle():
    """Several givers of one semaphore in one cycle; one token less for the taker of that cycle."""

    def drive(cycle):
        gifts = {0: [(7, 40)] * 6, 1: [(7, 2)] * 6}.get(cycle, [None] * 6)
        return gifts, [7 if 2 <= cycle < 4 else None] * 2

    tokens, overflow = run(Semaphores(6, 2), 8, drive)
    assert tokens[7] == 250 and not overflow


@pytest.mark.parametrize(("count", "overflow"), [(0, False), (1, True), (255, True)])
def test_overflow_stays(count, overflow):
    def drive(cycle):
        return [{0: (15, 255), 3: (15, count)}.get(cycle)], [None]

    assert run(Semaphores(1, 1), 10, drive)[1] == overflow


def test_a_full_counter_takes_and_gives_at_once():
    """255 tokens, one taken in the cycle in which one arrives: no overflow."""

    def drive(cycle):
        return [{0: (3, 255), 4: (3, 1)}.get(cycle)], [3 if cycle == 5 else None]

    tokens, overflow = run(Semaphores(1, 1), 10, drive)
    assert tokens[3] == 255 and not overflow


def test_every_semaphore_is_its_own():
    for semaphore in range(1, SEMAPHORES + 1):

        def drive(cycle, semaphore=semaphore):
            others = [number for number in range(1, SEMAPHORES + 1) if number != semaphore]
            return [(semaphore, 5) if cycle == 0 else None], others + [semaphore if cycle > 3 else None]

        tokens, _ = run(Semaphores(1, SEMAPHORES), 8, drive)
        assert tokens[semaphore] == 1 and sum(tokens) == 1


def test_clear():
    """Tokens of all semaphores go, and with them a gift that arrives and a token taken in that cycle."""
    dut = Semaphores(1, 1)
    simulator = Simulator(dut)
    simulator.add_clock(1e-6)

    async def bench(ctx):
        for semaphore in (1, 9, 15):
            for name, value in (("give", 1), ("id", semaphore), ("count", 3)):
                ctx.set(getattr(dut.source[0], name), value)
            await ctx.tick()
        ctx.set(dut.source[0].give, 0)
        ctx.set(dut.sink[0].want, 1)
        ctx.set(dut.sink[0].id, 9)
        ctx.set(dut.clear, 1)
        await ctx.tick()
        ctx.set(dut.clear, 0)
        for semaphore in range(1, SEMAPHORES + 1):
            ctx.set(dut.sink[0].id, semaphore)
            assert not ctx.get(dut.sink[0].granted), semaphore
            await ctx.tick()

    simulator.add_testbench(bench)
    simulator.run()
