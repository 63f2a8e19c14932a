"""Requantiser against big integers: the formulas of the reference kernels, every rounding, both rails."""

import random

import pytest
from amaranth.hdl import Module, Signal, signed
from amaranth.sim import Simulator

from orris_hw.config.model import AcceleratorConfig
from orris_hw.gateware.arithmetic import saturate, shift_right, wrap
from orris_hw.gateware.requantiser import Requantiser, Rounding

NONE, SINGLE, DOUBLE = Rounding.NONE, Rounding.SINGLE, Rounding.DOUBLE


def make_config(data_width=8, psum_width=32, arithmetic="integer"):
    return AcceleratorConfig(
        name="test", array=dict(rows=1, columns=1), data_width=data_width, psum_width=psum_width,
        arithmetic=arithmetic, scratchpads=dict(filter=64, ifmap=4, psum=4),
        global_buffer=dict(banks=2, depth=16), networks=dict(psum_bits=64),
        post_processing=dict(lanes=1, channels=8),
    )


CONFIGS = {
    "int8": make_config(),
    "int8 narrow": make_config(psum_width=20),
    "int16 wide": make_config(16, 48),
    "int16 fixed point": make_config(16, 16, "fixed_point"),
}


def wrapped(value, width):
    return (value + (1 << width - 1)) % (1 << width) - (1 << width - 1)


def divided_to_zero(value, divisor):
    return abs(value) // divisor * (1 if value >= 0 else -1)


def expected(config, acc, bias, multiplier, shift, zp_out, act_min, act_max, rounding):
    """The reference kernels' own formulas, branch for branch, on unbounded integers."""
    width = 32 if config.psum_width <= 32 and config.arithmetic == "integer" else 48
    acc = wrapped(acc + bias, width)
    if rounding == SINGLE:
        acc = (acc * multiplier + (1 << (30 - shift))) >> (31 - shift)
    elif rounding == DOUBLE:
        left, right = max(shift, 0), max(-shift, 0)
        high = (acc << left) * multiplier
        high = divided_to_zero(high + (1 << 30 if high >= 0 else 1 - (1 << 30)), 1 << 31)
        mask = (1 << right) - 1
        acc = (high >> right) + ((high & mask) > (mask >> 1) + (high < 0))
    y = min(max(acc + zp_out, act_min), act_max)
    limit = 1 << config.data_width - 1
    return min(max(y, -limit), limit - 1)


def run(config, settings, values, p_valid=1.0, p_ready=1.0, seed=0):
    """Send (job, acc, bias, multiplier, shift), tagged by index; return the (y, tag) and the cycles."""
    dut = Requantiser(config, 16)
    rng = random.Random(seed)
    results, cycles = [], [0]

    async def source(ctx):
        for tag, (job, acc, bias, multiplier, shift) in enumerate(values):
            while rng.random() >= p_valid:
                await ctx.tick()
            ctx.set(dut.i.payload, dict(
                acc=acc, bias=bias, multiplier=multiplier, shift=shift, job=job, tag=tag,
            ))
            ctx.set(dut.i.valid, 1)
            await ctx.tick().until(dut.i.ready)
            ctx.set(dut.i.valid, 0)

    async def sink(ctx):
        for job, (zp_out, act_min, act_max, rounding) in enumerate(settings):
            ctx.set(dut.settings[job], dict(
                zp_out=zp_out, act_min=act_min, act_max=act_max, rounding=rounding,
            ))
        held = None
        while len(results) < len(values):
            ready = rng.random() < p_ready
            ctx.set(dut.o.ready, ready)
            _, _, valid, payload = await ctx.tick().sample(dut.o.valid, dut.o.payload)
            cycles[0] += 1
            assert cycles[0] < 100 * len(values) + 1000, "stream stopped"
            got = (payload.y, payload.tag)
            if held is not None:
                assert valid and got == held, "payload not held until taken"
            if valid and ready:
                results.append(got)
            held = got if valid and not ready else None

    simulator = Simulator(dut)
    simulator.add_clock(1e-8)
    simulator.add_testbench(source)
    simulator.add_testbench(sink)
    simulator.run()
    return results, cycles[0]


def corner(rng, width):
    """A signed number near a power of two or a rail, or any of random size."""
    if rng.random() < 0.6:
        near = rng.choice([1, -1]) * (1 << rng.randrange(width)) + rng.randrange(-2, 3)
    else:
        near = rng.randrange(-(1 << width - 1), 1 << width - 1) >> rng.randrange(width)
    return min(max(near, -(1 << width - 1)), (1 << width - 1) - 1)


def make_values(rng, config, rounding, count):
    values = []
    for _ in range(count):
        acc = corner(rng, config.psum_width)
        bias = rng.choice([0, corner(rng, 32), corner(rng, 48)])
        multiplier = rng.choice([1 << 30, (1 << 31) - 1, 0x7FFF0000, rng.randrange(1 << 30, 1 << 31), 0])
        shift = 0 if multiplier == 0 else rng.choice([-31, 30, rng.randrange(-31, 31), rng.randrange(-12, 1)])
        values.append((acc, bias, multiplier, shift))
    # Exact ties on both sides of zero: half of every step from 2 to 2^31, and one beside it.
    for shift in range(-min(31, config.psum_width - 2), 0):
        for sign in (1, -1):
            for beside in (-1, 0, 1):
                step = 1 << (-shift + 1) if rounding == SINGLE else 1 << -shift
                acc = max(sign * 3 * step // 2, -(1 << config.psum_width - 1)) + beside
                if abs(acc) < 1 << config.psum_width - 1:
                    values.append((acc, 0, 1 << 30, shift))
    rng.shuffle(values)
    return values


@pytest.mark.parametrize("rounding", list(Rounding), ids=lambda r: r.name.lower())
@pytest.mark.parametrize("config", CONFIGS.values(), ids=CONFIGS)
def test_bit_exact(config, rounding):
    seed = 100 * list(CONFIGS.values()).index(config) + rounding.value
    print("seed", seed)
    rng = random.Random(seed)
    values = make_values(rng, config, rounding, 400)
    limit = 1 << config.data_width - 1
    settings = [
        (rng.randrange(-limit, limit), -limit, limit - 1, rounding),
        # Limits beyond the data width: the output saturates instead of wrapping.
        (rng.choice([-32768, 32767]), -32768, 32767, rounding),
    ]
    jobs = [rng.randrange(2) for _ in values]
    got, _ = run(config, settings, [(job, *value) for job, value in zip(jobs, values, strict=True)])
    want = [
        (expected(config, *value, *settings[job]), tag)
        for tag, (job, value) in enumerate(zip(jobs, values, strict=True))
    ]
    assert got == want


@pytest.mark.parametrize("rates", [(0.5, 1), (1, 0.5), (0.3, 0.3), (0.9, 0.2)])
def test_stalls_and_settings_by_job(rates):
    config, seed = CONFIGS["int8"], int(100 * sum(rates))
    print("seed", seed)
    rng = random.Random(seed)
    settings = [(-5, -128, 127, DOUBLE), (17, -3, 60, SINGLE)]
    values = [
        (rng.randrange(2), rng.randrange(-20000, 20000), rng.randrange(-9000, 9000),
         rng.randrange(1 << 30, 1 << 31), rng.randrange(-9, -5))
        for _ in range(300)
    ]
    got, _ = run(config, settings, values, *rates, seed)
    want = [(expected(config, *v, *settings[job]), tag) for tag, (job, *v) in enumerate(values)]
    assert got == want


def test_limits_the_wrong_way_round():
    """Where the lower limit is above the upper one, the upper one holds."""
    config, settings = CONFIGS["int8"], [(3, 50, -60, SINGLE), (0, 21, 20, DOUBLE)]
    values = [(job, acc, 0, 1 << 30, 0) for job in range(2) for acc in range(-140, 140, 3)]
    got, _ = run(config, settings, values)
    want = [(expected(config, *v, *settings[job]), tag) for tag, (job, *v) in enumerate(values)]
    assert got == want
    assert {y for y, _ in got} == {-60, 20}


def test_one_value_per_cycle_and_latency():
    config, settings = CONFIGS["int16 wide"], [(0, -100, 100, SINGLE)] * 2
    value = (0, 1000, 0, 1 << 30, 0)
    assert run(config, settings, [value])[1] == 14  # 13 cycles, and the one it is taken in
    assert run(config, settings, [value] * 200)[1] == 14 + 199


def test_swapped_rounding_is_seen():
    """What `test_bit_exact` sends tells every rounding from every other."""
    config = CONFIGS["int8"]
    for rounding in (SINGLE, DOUBLE):
        values = make_values(random.Random(7), config, rounding, 100)
        settings = (0, -128, 127)
        results = {r: [expected(config, *v, *settings, r) for v in values] for r in (SINGLE, DOUBLE)}
        assert results[SINGLE] != results[DOUBLE]
        got, _ = run(config, [(*settings, rounding)] * 2, [(0, *v) for v in values])
        assert [y for y, _ in got] == results[rounding]
        swapped = DOUBLE if rounding == SINGLE else SINGLE
        assert [y for y, _ in got] != results[swapped]


def test_arithmetic_helpers():
    value, amount = Signal(signed(9)), Signal(3)
    m = Module()
    outputs = {
        "saturated": saturate(value, 4), "wrapped": wrap(value, 4), "extended": wrap(value, 12),
        "shifted": shift_right(value, amount)[0], "lost": shift_right(value, amount)[1],
        "coarse": shift_right(value, amount[:2], 3)[0], "coarse_lost": shift_right(value, amount[:2], 3)[1],
    }
    results = {}
    for name, output in outputs.items():
        results[name] = Signal(output.shape(), name=name)
        m.d.comb += results[name].eq(output)
    assert results["saturated"].shape() == results["wrapped"].shape() == signed(4)
    assert saturate(value, 9) is value

    async def check(ctx):
        for v in range(-256, 256):
            for n in range(8):
                ctx.set(value, v)
                ctx.set(amount, n)
                got = {name: ctx.get(result) for name, result in results.items()}
                assert got == {
                    "saturated": min(max(v, -8), 7), "wrapped": wrapped(v, 4), "extended": v,
                    "shifted": v >> n, "lost": v % (1 << n) != 0,
                    "coarse": v >> 3 * (n % 4), "coarse_lost": v % (1 << 3 * (n % 4)) != 0,
                }

    simulator = Simulator(m)
    simulator.add_testbench(check)
    simulator.run()


@pytest.mark.parametrize("helper", [wrap, saturate, shift_right])
def test_helpers_refuse_unsigned(helper):
    message = rf"{helper.__name__} takes a signed value, not \(sig unsigned\)"
    with pytest.raises(TypeError, match=message):
        helper(Signal(4, name="unsigned"), 1)
