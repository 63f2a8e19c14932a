"""Semaphores against a counter per semaphore."""

import random
from collections import deque

import pytest
from amaranth.sim import Simulator

from orris_hw.commands import SEMAPHORES
from orris_hw.gateware.semaphores import Semaphores

GIVING = 4
"""Cycles from a gift until a grant can be decided by it."""


class Bench:
    """Gives and takes; no token may be granted that is not there, and none may stay with an asker waiting.

    `drive(cycle)`: ([(id, count) or None for the first source, then id or None for each of the others],
    [id or None per sink]), where sources left out give nothing; the first one gives its tokens one a cycle. A
    sink that asks goes on asking for the same until it is granted.
    `grants` lists (cycle, sink, id).
    """

    def __init__(self, dut, cycles, drive):
        self.dut, self.drive, self.cycles = dut, drive, cycles
        self.tokens = [0] * (SEMAPHORES + 1)  # given, and early enough to be taken
        self.arriving = []  # (cycle from which on it counts, id)
        self.supply = deque()  # ids of the first source's tokens
        self.grants, self.overflow = [], False
        self.wishes = [None] * len(dut.sink)
        self.starving = 0
        simulator = Simulator(dut)
        simulator.add_clock(1e-6)
        simulator.add_testbench(self._run)
        simulator.run()

    async def _run(self, ctx):
        dut = self.dut
        for cycle in range(self.cycles):
            gifts, wishes = self.drive(cycle)
            if gifts[0] is not None:
                semaphore, count = gifts[0]
                self.supply += [semaphore] * count
            singles = [self.supply.popleft() if self.supply else None, *gifts[1:]]
            for number, port in enumerate(dut.source):
                gift = singles[number] if number < len(singles) else None
                ctx.set(port.give, gift is not None)
                if gift is not None:
                    ctx.set(port.id, gift)
                    self.arriving.append((cycle + GIVING, gift))
            pairs = zip(self.wishes, wishes, strict=True)
            self.wishes = [new if old is None else old for old, new in pairs]
            for port, wish in zip(dut.sink, self.wishes, strict=True):
                ctx.set(port.want, wish is not None)
                ctx.set(port.id, cycle % 16 if wish is None else wish)
            self._check_grants(ctx, cycle)
            self.overflow = bool(ctx.get(dut.overflow))
            await ctx.tick()

    def _check_grants(self, ctx, cycle):
        # A grant seen now was decided two cycles ago, by the tokens there were.
        for when, semaphore in [gift for gift in self.arriving if gift[0] <= cycle - 2]:
            self.arriving.remove((when, semaphore))
            self.tokens[semaphore] += 1
        if not self.overflow:  # with it the counters are no longer right
            self.starving += any(wish and self.tokens[wish] for wish in self.wishes)
        for number, port in enumerate(self.dut.sink):
            if not ctx.get(port.granted):
                continue
            wish, self.wishes[number] = self.wishes[number], None
            assert wish is not None, "granted without asking"
            if wish:
                assert self.tokens[wish] > 0, f"a token of semaphore {wish} that is not there"
                self.tokens[wish] -= 1
                self.starving = 0
            self.grants.append((cycle, number, wish))
        assert self.starving <= 6, "an asker waits beside a token"

    def taken(self, semaphore):
        return sum(wish == semaphore for _, _, wish in self.grants)


@pytest.mark.parametrize(("sources", "sinks"), [(1, 1), (3, 3), (6, 5)])
def test_random(sources, sinks, seed):
    rng = random.Random(seed)
    some = [rng.randint(1, SEMAPHORES) for _ in range(3)] + [0]
    given = dict.fromkeys(some, 0)

    def drive(cycle):
        gifts = [None] * sources
        if cycle < 2000:
            chance = 0.02 if cycle % 400 < 200 else 0.1  # starved, then plentiful
            for number in range(sources):
                if rng.random() < chance / sources:
                    semaphore, count = rng.choice(some), 1 if number else rng.choice((0, 1, 1, 3))
                    gifts[number] = semaphore if number else (semaphore, count)
                    given[semaphore] += count
        return gifts, [rng.choice(some) if rng.random() < 0.6 else None for _ in range(sinks)]

    bench = Bench(Semaphores(sources, sinks), 6000, drive)
    assert not bench.overflow
    assert {s: bench.taken(s) + bench.tokens[s] for s in some if s} == {s: n for s, n in given.items() if s}


def test_all_gifts_in_one_cycle():
    """Several givers of one semaphore in one cycle, and every one of their tokens can be taken."""

    def drive(cycle):
        return {0: [(7, 240)] + [7] * 5, 1: [(7, 2)] + [7] * 5}.get(cycle, [None]), [7, 7]

    bench = Bench(Semaphores(6, 2), 1100, drive)
    assert bench.taken(7) == 252 and not bench.overflow


def test_one_token_in_four_cycles_the_first_asker_first():
    bench = Bench(Semaphores(1, 3), 40, lambda cycle: ([(5, 9) if cycle == 0 else None], [None, 5, 5]))
    assert [(cycle, sink) for cycle, sink, _ in bench.grants] == [(6 + 4 * k, 1) for k in range(9)]


def test_semaphore_0_is_always_granted():
    bench = Bench(Semaphores(1, 2), 10, lambda cycle: ([None], [0, 0 if cycle >= 2 else None]))
    assert [cycle for cycle, sink, _ in bench.grants if sink == 0] == [1, 3, 5, 7, 9]
    assert [cycle for cycle, sink, _ in bench.grants if sink == 1] == [3, 5, 7, 9]


@pytest.mark.parametrize(("count", "overflow"), [(0, False), (1, True), (255, True)])
def test_overflow_stays(count, overflow):
    def drive(cycle):
        return [{0: (15, 255), 3: (15, count)}.get(cycle)], [None]

    assert Bench(Semaphores(1, 1), 530, drive).overflow == overflow


@pytest.mark.parametrize("asked", range(12))
def test_a_full_counter_takes_and_gives(asked):
    """255 tokens, one taken some cycles before, after or as one arrives."""

    def drive(cycle):
        return [{0: (3, 255), 266: (3, 1)}.get(cycle)], [3 if cycle == 260 + asked else None]

    # The token asked for up to cycle 266 has left its counter when the new one comes, in cycle 268.
    assert Bench(Semaphores(1, 1), 290, drive).overflow == (asked > 6)


def test_every_semaphore_is_its_own():
    for semaphore in range(1, SEMAPHORES + 1):

        def drive(cycle, semaphore=semaphore):
            others = [number for number in range(1, SEMAPHORES + 1) if number != semaphore]
            return [(semaphore, 5) if cycle == 0 else None], others + [semaphore if cycle == 4 else None]

        bench = Bench(Semaphores(1, SEMAPHORES), 20, drive)
        assert [wish for _, _, wish in bench.grants] == [semaphore]
        assert bench.tokens[semaphore] == 4 and sum(bench.tokens) == 4


@pytest.mark.parametrize("before", range(7))
def test_clear(before):
    """Tokens of all semaphores go, and with them gifts under way and the token just being taken."""
    dut = Semaphores(1, 1)
    simulator = Simulator(dut)
    simulator.add_clock(1e-6)

    async def bench(ctx):
        for semaphore in (1, 15, 9):
            for name, value in (("give", 1), ("id", semaphore)):
                ctx.set(getattr(dut.source[0], name), value)
            await ctx.tick()
        ctx.set(dut.source[0].give, 0)
        ctx.set(dut.sink[0].want, 1)
        ctx.set(dut.sink[0].id, 9)
        for _ in range(before):
            await ctx.tick()
            if ctx.get(dut.sink[0].granted):
                ctx.set(dut.sink[0].want, 0)
        ctx.set(dut.clear, 1)
        await ctx.tick()
        ctx.set(dut.clear, 0)
        ctx.set(dut.sink[0].want, 1)
        for semaphore in range(1, SEMAPHORES + 1):
            ctx.set(dut.sink[0].id, semaphore)
            for _ in range(3 if before != 6 or semaphore > 1 else 4):
                await ctx.tick()
            assert not ctx.get(dut.sink[0].granted), semaphore

    simulator.add_testbench(bench)
    simulator.run()
