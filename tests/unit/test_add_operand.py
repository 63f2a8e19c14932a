"""AddOperand against the reference's two functions on unbounded integers, ties on both sides of zero."""

import random

import pytest
from amaranth.sim import Simulator

from orris_hw.gateware.add_operand import HEADROOM, AddOperand


def reference(value, zero_point, multiplier, right, headroom):
    """Doubling high multiplication with rounding, then a rounding shift: step by step, with division."""
    product = ((value - zero_point) << headroom) * multiplier
    nudged = product + (1 << 30 if product >= 0 else 1 - (1 << 30))
    high = abs(nudged) // (1 << 31) * (1 if nudged >= 0 else -1)
    return (2 * abs(high) + (1 << right)) // (2 << right) * (1 if high >= 0 else -1)


def run(data_width, cases, stall, seed):
    """What comes out for each (value, zero_point, multiplier, right), one after the other."""
    dut = AddOperand(data_width)
    rng, results, half = random.Random(seed), [], 1 << (data_width - 1)

    async def bench(ctx):
        for value, zero_point, multiplier, right in cases:
            ctx.set(dut.scale, {"zero_point": zero_point, "multiplier": multiplier, "right": right})
            ctx.set(dut.value, value)
            moved = 0
            while moved < AddOperand.LATENCY:
                move = rng.random() >= stall
                ctx.set(dut.move, move)
                # What is there without `move` is not taken.
                ctx.set(dut.value, value if move else rng.randrange(-half, half))
                await ctx.tick()
                moved += move
            results.append(ctx.get(dut.scaled))

    simulator = Simulator(dut)
    simulator.add_clock(1e-6)
    simulator.add_testbench(bench)
    simulator.run()
    return results


@pytest.mark.parametrize("data_width", [8, 16])
def test_every_rounding(data_width, seed):
    rng = random.Random(seed)
    half = 1 << (data_width - 1)
    cases = []
    for _ in range(600):
        # A multiplier of few ones leaves ties for the shift; one of many, for the multiplication.
        multiplier = rng.choice([1 << 30, 3 << 29, (1 << 31) - 1, rng.randrange(1 << 30, 1 << 31), 0])
        value = rng.choice([-half, half - 1, 1, -1, rng.randrange(-half, half)])
        zero_point = rng.choice([0, rng.randrange(-128, 128)]) if data_width == 8 else 0
        right = rng.choice([0, 1, 2, HEADROOM[data_width], rng.randrange(32)])
        cases.append((value, zero_point, multiplier, right))
    want = [reference(*case, HEADROOM[data_width]) for case in cases]
    assert run(data_width, cases, 0.3, seed) == want
    exact = [(case[0] - case[1]) / (2 << case[3]) * (1 << HEADROOM[data_width]) for case in cases]
    ties = {x > 0 for x, case in zip(exact, cases, strict=True) if case[2] == 1 << 30 and x % 1 == 0.5}
    assert ties == {False, True}, "the data hold ties on both sides of zero"
