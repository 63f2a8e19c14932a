"""SDRAM: the controller against the chip model, and the model against the data sheet's rules."""

import random
from dataclasses import replace

import pytest
from amaranth.sim import Simulator

from orris_fpga.errors import BoardError
from orris_fpga.gateware.sdram_controller import SdramController
from orris_fpga.sdram.chip_model import PINS, SdramModel
from orris_fpga.sdram.chips import AS4C16M16, IS42S16160G, slowest

QUICK = replace(IS42S16160G, t_power_up=2000.0)
"""The chip with a short wait at power-up, which alone would be 16,000 cycles."""


def simulate(chip, clock_hz, process, model):
    """Runs the async `process(ctx, port)` with the controller and the model of a chip."""
    dut = SdramController(chip, clock_hz)

    async def chip_side(ctx):
        pins = {}
        while True:  # with the pads' registers
            driven = model.clock(**pins)
            pins = {name: ctx.get(getattr(dut.pins, name)) for name in PINS}
            await ctx.tick()
            ctx.set(dut.pins.dq_i, driven)

    async def bench(ctx):
        await process(ctx, dut.port)

    sim = Simulator(dut)
    sim.add_clock(1 / clock_hz)
    sim.add_testbench(chip_side, background=True)
    sim.add_testbench(bench)
    sim.run()


def random_accesses(rng, count, words, misses=0.2):
    """(address, write, data, mask), and None for a pause: few words in few rows, so that they meet again."""
    rows = [0, 1, words // 512 - 1]
    address = 0
    for _ in range(count):
        if rng.random() < misses:
            address = rng.choice(rows) << 9 | rng.randrange(4) << 7 | rng.choice((0, 120))
        else:
            address = (address & ~7) | (address + 1) & 7
        if rng.random() < 0.05:
            yield None
        yield address, rng.random() < 0.5, rng.getrandbits(64), rng.choice((255, 255, rng.getrandbits(8)))


@pytest.mark.parametrize("misses", [0.1, 0.9])
@pytest.mark.parametrize("clock_hz", [25e6, 80e6, 133e6])
@pytest.mark.parametrize("chip", [IS42S16160G, slowest(IS42S16160G, AS4C16M16)])
def test_controller_keeps_data_and_timing(chip, clock_hz, misses, seed):
    chip = replace(chip, t_power_up=2000.0)
    rng = random.Random(seed)
    model = SdramModel(chip, clock_hz)
    content = {}  # byte address -> byte
    expected, answers = [], []

    async def process(ctx, port):
        nonlocal content
        for access in random_accesses(rng, 700, chip.bytes // 8, misses):
            if access is None:
                ctx.set(port.request.valid, 0)
                for _ in range(rng.randrange(60)):
                    await collect(ctx, port)
                continue
            address, write, data, mask = access
            ctx.set(port.request.payload, {"address": address, "write": write, "data": data, "mask": mask})
            ctx.set(port.request.valid, 1)
            while not await collect(ctx, port):
                pass
            places = range(8 * address, 8 * address + 8)
            if write:
                content |= {place: data >> 8 * i & 255 for i, place in enumerate(places) if mask >> i & 1}
            else:
                expected.append([content.get(place) for place in places])
        ctx.set(port.request.valid, 0)
        for _ in range(40):
            await collect(ctx, port)

    async def collect(ctx, port):
        _, _, ready, valid, data = await ctx.tick().sample(
            port.request.ready, port.read_valid, port.read_data)
        if valid:
            answers.append(data)
        return ready

    simulate(chip, clock_hz, process, model)
    assert model.violation == ""
    assert len(answers) == len(expected)
    assert sum(byte is not None for word in expected for byte in word) > 500
    for answer, word in zip(answers, expected, strict=True):
        for i, byte in enumerate(word):
            assert byte is None or byte == answer >> 8 * i & 255


def test_a_word_in_four_cycles():
    """Reads of consecutive words: 4 cycles each, but for the first ones of a row."""
    model = SdramModel(QUICK, 80e6)
    times = []

    async def process(ctx, port):
        for address in range(100):
            ctx.set(port.request.payload, {"address": address, "write": 0, "data": 0, "mask": 0})
            ctx.set(port.request.valid, 1)
            cycle = 0
            while True:
                cycle += 1
                _, _, ready = await ctx.tick().sample(port.request.ready)
                if ready:
                    break
            times.append(cycle)

    simulate(QUICK, 80e6, process, model)
    assert model.violation == ""
    assert times[1:].count(4) >= 97  # the others waited for a refresh


def test_refreshes_go_on_under_load_and_when_idle():
    model = SdramModel(QUICK, 25e6)

    async def process(ctx, port):
        await ctx.tick().repeat(12_000)  # 480 us: 61 refreshes; the model allows 8 to be late

    simulate(QUICK, 25e6, process, model)
    assert model.violation == ""


def test_clock_too_fast_for_the_chip():
    with pytest.raises(BoardError, match=r"^IS42S16160G-7 runs at 143 MHz at most, not at 166 MHz$"):
        SdramController(IS42S16160G, 166e6)


# -- the model: each rule is kept to the cycle by one sequence, and broken by the same a cycle shorter

NOP, ACTIVATE, READ, REFRESH = {}, {"ras": 1}, {"cas": 1}, {"ras": 1, "cas": 1}
WRITE, PRECHARGE, MODE = {"cas": 1, "we": 1}, {"ras": 1, "we": 1}, {"ras": 1, "cas": 1, "we": 1}
CHIP = replace(
    IS42S16160G, t_power_up=100.0, t_rcd=30, t_rp=40, t_ras=90, t_rc=150, t_rrd=20, t_rfc=70, t_wr=20,
    t_ras_max=5000,
)  # fmt: skip
"""Times that are all different, for a clock of 100 MHz."""
POWERED = [(NOP, 10)]
CLOSED = [*POWERED, (PRECHARGE | {"a": 1 << 10}, 4)]
REFRESHED = [*CLOSED, *[(REFRESH, 7)] * 8]
READY = [*REFRESHED, (MODE | {"a": 0x32}, 2)]
DATA = {"dq_oe": 1, "dq_o": 0x1234}
BURST = [(WRITE | DATA, 1), *[(DATA, 1)] * 3]


def drive(steps):
    """Runs (pins, cycles until the next) and gives the violation."""
    model = SdramModel(CHIP, 100e6)
    for pins, cycles in steps:
        for cycle in range(cycles):
            held = pins if cycle == 0 else {}
            model.clock(**{"clk_en": 1, "cs": 1} | held)
    violation = model.violation
    model.close()
    return violation


SEQUENCES = {
    "tPOWERUP": [*POWERED, (PRECHARGE, 1)],
    "tMRD": [*READY, (ACTIVATE, 1)],
    "tRFC": [*READY, (REFRESH, 7), (ACTIVATE, 1)],
    "tRCD": [*READY, (ACTIVATE, 3), (READ, 1)],
    "tRAS": [*READY, (ACTIVATE, 9), (PRECHARGE, 1)],
    "tRP": [*READY, (ACTIVATE, 12), (PRECHARGE, 4), (ACTIVATE, 1)],
    "tRC": [*READY, (ACTIVATE, 9), (PRECHARGE, 6), (ACTIVATE, 1)],
    "tRRD": [*READY, (ACTIVATE, 2), (ACTIVATE | {"ba": 1}, 1)],
    "tWR": [*READY, (ACTIVATE, 15), *BURST[:-1], (DATA, 2), (PRECHARGE, 1)],
    "cuts a burst off": [*READY, (ACTIVATE, 3), (READ, 4), (READ, 1)],
    "drive the data bus": [*READY, (ACTIVATE, 3), (READ, 7), *BURST],
}


@pytest.mark.parametrize("rule", SEQUENCES)
def test_model_accepts_what_just_keeps_a_rule(rule):
    assert drive(SEQUENCES[rule]) == ""


@pytest.mark.parametrize("rule", SEQUENCES)
def test_model_sees_what_just_breaks_a_rule(rule):
    steps = SEQUENCES[rule]
    # The wait that matters is the last one longer than a cycle.
    place = max(place for place, (_, cycles) in enumerate(steps) if cycles > 1)
    pins, cycles = steps[place]
    assert rule in drive([*steps[:place], (pins, cycles - 1), *steps[place + 1 :]])


@pytest.mark.parametrize("rule, steps", [
    ("REFRESH with an open row", [*READY, (ACTIVATE, 20), (REFRESH, 1)]),
    ("MODE with an open row", [*READY, (ACTIVATE, 20), (MODE | {"a": 0x32}, 1)]),
    ("ACTIVATE of an open bank", [*READY, (ACTIVATE, 20), (ACTIVATE, 1)]),
    ("closed bank", [*READY, (READ, 1)]),
    ("closed bank", [*READY, (ACTIVATE, 20), (WRITE | {"ba": 2}, 1)]),
    ("before MODE", [*REFRESHED, (ACTIVATE, 1)]),
    ("too few REFRESHes", [*CLOSED, *[(REFRESH, 7)] * 7, (MODE | {"a": 0x32}, 1)]),
    ("REFRESH before PRECHARGE", [*POWERED, (REFRESH, 1)]),
    ("CAS latency", [*REFRESHED, (MODE | {"a": 0x22}, 1)]),
    ("mode register: burst", [*REFRESHED, (MODE | {"a": 0x3A}, 1)]),
    ("reserved bit", [*REFRESHED, (MODE | {"a": 0x232}, 1)]),
    ("tREFI", [*READY, (NOP, 8000)]),
    ("open for too long", [*READY, (ACTIVATE, 501), (PRECHARGE, 1)]),
    ("open for too long", [*READY, (ACTIVATE, 501), (READ, 1)]),
    ("nobody drives", [*READY, (ACTIVATE, 3), (WRITE, 4)]),
    ("clock enable", [*READY, ({"clk_en": 0}, 1)]),
    ("DQM hides", [*READY, (ACTIVATE, 3), (READ | {"dqm": 1}, 8)]),
    ("auto precharge", [*READY, (ACTIVATE, 3), (READ | {"a": 1 << 10}, 1)]),
])  # fmt: skip
def test_model_sees_what_is_forbidden(rule, steps):
    assert rule in drive(steps)


def test_model_keeps_what_is_written():
    model = SdramModel(CHIP, 100e6)
    seen = []
    steps = [*READY, (ACTIVATE | {"a": 5}, 3), (WRITE | {"dq_oe": 1, "dq_o": 0x1111, "a": 8}, 1)]
    steps += [({"dq_oe": 1, "dq_o": 0x2222, "dqm": 2}, 1), ({"dq_oe": 1, "dq_o": 0x3333}, 1),
              ({"dq_oe": 1, "dq_o": 0x4444}, 1)]
    steps += [(READ | {"a": 8}, 9)]
    for pins, cycles in steps:
        for cycle in range(cycles):
            seen.append(model.clock(**{"clk_en": 1, "cs": 1} | (pins if cycle == 0 else {})))
    assert model.violation == ""
    first, second, third, fourth = seen[-9:][2:6]
    assert (first, second & 0xFF, third, fourth) == (0x1111, 0x22, 0x3333, 0x4444)
    assert second >> 8 != 0x22  # masked
    assert list(model.memory[(5 << 9) + 8 : (5 << 9) + 12]) == [first, second, third, fourth]
