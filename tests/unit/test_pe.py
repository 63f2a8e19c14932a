"""The PE against a direct evaluation of its equation, pass after pass."""

import random

import pytest
from amaranth.hdl import ResetInserter, Signal
from amaranth.lib import data
from amaranth.sim import Simulator

from orris_hw.config import preset
from orris_hw.gateware.beats import PassField
from orris_hw.gateware.pe import PE, PeEvents


class Pass:
    """A random pass: its shape, its filters, its ifmap row and the psums that come from below."""

    def __init__(self, rng, config, shape=None):
        spads = config.scratchpads
        if shape is None:
            taps = rng.randint(1, spads.ifmap)
            p = rng.randint(1, min(spads.psum, spads.filter // taps))
            shape = (p, taps, rng.randint(1, taps), rng.randint(1, 6))
        self.p, self.taps, self.step, self.positions = shape
        high = 1 << (config.data_width - 1)
        self.join, self.first, self.last = (rng.randint(0, 1) for _ in range(3))
        self.shift = rng.randint(0, 15) if config.arithmetic == "fixed_point" else 0
        self.filters = [[rng.randint(-high, high - 1) for _ in range(self.p)] for _ in range(self.taps)]
        most = 255 if config.data_width == 8 else 32767  # 8-bit data: the difference of two values
        zeros = rng.choice((0, 0.5, 0.9))
        self.ifmap = [
            0 if rng.random() < zeros else rng.randint(-most, most)
            for _ in range((self.positions - 1) * self.step + self.taps)
        ]
        top = 1 << (config.link_width - 1)
        self.forward = rng.choice((0, rng.randint(1, 5)))
        self.each = self.join + self.forward  # psums from below for each own one
        self.below = [rng.randint(-top, top - 1) for _ in range(self.p * self.positions * self.each)]
        self.macs = self.p * self.taps * self.positions

    def beats(self):
        flags = self.join | self.first << 1 | self.last << 2 | self.shift << 3
        fields = {
            PassField.FILTERS: self.p - 1,
            PassField.TAPS: self.taps - 1,
            PassField.STEP: self.step,
            PassField.POSITIONS_HIGH: (self.positions - 1) >> 8,
            PassField.POSITIONS_LOW: (self.positions - 1) & 255,
            PassField.FORWARD: self.forward,
            PassField.FLAGS: flags,
        }
        for field, value in fields.items():
            yield dict(parameter=1, field=field.value, last=0, data=value)
        flat = [w for tap in self.filters for w in tap]
        for i, weight in enumerate(flat):
            yield dict(parameter=0, field=0, last=int(i == len(flat) - 1), data=weight)

    def psums(self, config):
        fixed = config.arithmetic == "fixed_point"
        high = 1 << (config.link_width - 1)

        def add(a, b):
            total = a + b
            return max(-high, min(high - 1, total)) if fixed else (total + high) % (2 * high) - high

        for f in range(self.positions):
            for m in range(self.p):
                total = 0
                for j in range(self.taps):
                    total = add(total, (self.ifmap[f * self.step + j] * self.filters[j][m]) >> self.shift)
                start = (f * self.p + m) * self.each
                below = self.below[start : start + self.each]
                if self.join:
                    total = add(total, below.pop(0))
                last = f == self.positions - 1 and m == self.p - 1
                for index, psum in enumerate([total, *below]):
                    yield (psum, self.first, self.last, int(last and index == len(below)))


def simulate(config, passes, *, stall=0.0, seed=0, disturbed=0):
    """Runs the passes; returns the psums, the number of cycles and the event counts.

    Before them come so many `disturbed` cycles of random beats, and a reset.
    """
    pe, reset = PE(config), Signal()
    sim = Simulator(ResetInserter(reset)(pe))
    sim.add_clock(1e-6)
    got, events = [], {}
    expected = sum(p.p * p.positions * (1 + p.forward) for p in passes)
    mask = (1 << config.data_width) - 1

    def source(port, payloads, salt):
        rng = random.Random(f"{seed}{salt}")

        async def bench(ctx):
            for _ in range(disturbed if payloads else 0):
                ctx.set(port.payload, rng.choice(payloads))
                ctx.set(port.valid, rng.randint(0, 1))
                await ctx.tick()
            ctx.set(port.valid, 0)
            await ctx.tick()  # the reset
            for payload in payloads:
                while rng.random() < stall:
                    await ctx.tick()
                ctx.set(port.payload, payload)
                ctx.set(port.valid, 1)
                await ctx.tick().until(port.ready)
                ctx.set(port.valid, 0)

        return bench

    weights = [dict(b, data=b["data"] & mask) for p in passes for b in p.beats()]
    sim.add_testbench(source(pe.filter, weights, "filter"), background=True)
    sim.add_testbench(source(pe.ifmap, [x for p in passes for x in p.ifmap], "ifmap"), background=True)
    below = [dict(psum=v, first=0, last=0, end=0) for p in passes for v in p.below]
    sim.add_testbench(source(pe.psum_in, below, "psum"), background=True)

    async def count(ctx):
        async for *_, in ctx.tick():
            value = ctx.get(pe.events)
            for name, _ in data.Layout.cast(PeEvents):
                events[name] = events.get(name, 0) + value[name]
            events["cycles"] = events.get("cycles", 0) + 1

    async def sink(ctx):
        rng = random.Random(f"{seed}sink")
        for _ in range(disturbed):
            ctx.set(pe.psum_out.ready, rng.randint(0, 1))
            await ctx.tick()
        ctx.set(reset, 1)
        ctx.set(pe.psum_out.ready, 0)
        await ctx.tick()
        ctx.set(reset, 0)
        events.clear()
        while len(got) < expected:
            while rng.random() < stall:
                await ctx.tick()
            ctx.set(pe.psum_out.ready, 1)
            *_, payload = await ctx.tick().sample(pe.psum_out.payload).until(pe.psum_out.valid)
            ctx.set(pe.psum_out.ready, 0)
            got.append((payload.psum, payload.first, payload.last, payload.end))
        for _ in range(20):  # nothing may follow
            ctx.set(pe.psum_out.ready, 1)
            assert not ctx.get(pe.psum_out.valid)
            await ctx.tick()

    sim.add_testbench(count, background=True)
    sim.add_testbench(sink)
    sim.run()
    return got, events


@pytest.mark.parametrize("stall", [0.0, 0.3])
@pytest.mark.parametrize("psum_memory", ["lut_ram", "block_ram"])
@pytest.mark.parametrize("name", ["tiny", "orris-168", "eyeriss-v1"])
def test_random_passes(name, psum_memory, stall):
    seed = random.randrange(1 << 32)
    print(f"seed {seed}")
    rng = random.Random(seed)
    config = preset(name).derive({"scratchpads": {"psum_memory": psum_memory}})
    passes = [Pass(rng, config) for _ in range(12)]
    got, events = simulate(config, passes, stall=stall, seed=seed)
    assert got == [psum for p in passes for psum in p.psums(config)]

    taps = sum(p.taps * p.positions for p in passes)
    zero_macs = sum(
        p.p * sum(p.ifmap[f * p.step + j] == 0 for j in range(p.taps))
        for p in passes
        for f in range(p.positions)
    )
    assert events["mac_done"] + events["mac_gated"] == sum(p.macs for p in passes)
    assert events["mac_gated"] == zero_macs
    assert events["spad_ifmap_read"] == taps
    assert events["spad_ifmap_write"] == sum(len(p.ifmap) for p in passes)
    assert events["spad_filter_write"] == sum(p.p * p.taps for p in passes)


SHAPES = [(1, 1, 1, 40), (1, 3, 1, 40), (2, 3, 2, 20), (16, 12, 4, 3), (8, 16, 3, 2)]


@pytest.mark.parametrize("disturbed", [30, 300, 500, 1000])
def test_a_reset_leaves_nothing_of_what_was_before(disturbed, seed):
    rng = random.Random(seed)
    passes = [Pass(rng, preset("tiny"), (rng.randint(2, 8), rng.randint(2, 9), 1, 5)) for _ in range(3)]
    got, _ = simulate(preset("tiny"), passes, seed=seed, disturbed=disturbed)
    assert got == [psum for p in passes for psum in p.psums(preset("tiny"))]


@pytest.mark.parametrize("psum_memory", ["lut_ram", "block_ram"])
@pytest.mark.parametrize("shape", SHAPES)
def test_one_mac_every_cycle(shape, psum_memory):
    """Across taps, positions and passes, from the first MAC to the last, also for p = 1 and a full ring."""
    config = preset("orris-168").derive({"scratchpads": {"psum_memory": psum_memory}})
    passes = [Pass(random.Random(n), config, shape) for n in range(6)]
    for p in passes:
        p.join, p.forward, p.each, p.below = 0, 0, 0, []
        p.ifmap = [x or 1 for x in p.ifmap]
    got, events = simulate(config, passes)
    assert got == [psum for p in passes for psum in p.psums(config)]
    macs = sum(p.macs for p in passes)
    assert events["mac_done"] == macs
    loading = passes[0].p * passes[0].taps + len(PassField)
    if passes[0].macs >= loading:  # else the next pass's filters take longer than the pass
        assert events["cycles"] <= macs + loading + 40
        assert events["stall_filter"] <= loading + 2
