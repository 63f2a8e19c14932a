"""Memory behind AXI: bursts on words, on-chip memory, and two masters at one port."""

import random

import pytest
from amaranth.hdl import Module
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out
from amaranth.sim import Simulator

from orris_fpga.gateware.axi_registers import AxiRegisters
from orris_fpga.gateware.axi_switch import AxiSwitch
from orris_fpga.gateware.axi_words import AxiWords
from orris_fpga.gateware.block_memory import BlockMemory
from orris_hw.gateware.axi import Axi4Signature

WORDS = 64


class Shared(wiring.Component):
    """Two masters at one on-chip memory, one of them behind registers."""

    masters: In(Axi4Signature()).array(2)

    def elaborate(self, platform):
        m = Module()
        m.submodules.switch = switch = AxiSwitch()
        m.submodules.words = words = AxiWords(WORDS, in_flight=4)
        m.submodules.memory = memory = BlockMemory(WORDS)
        m.submodules.registers = registers = AxiRegisters()
        wiring.connect(m, wiring.flipped(self.masters[0]), registers.master)
        wiring.connect(m, registers.slave, switch.masters[0])
        wiring.connect(m, wiring.flipped(self.masters[1]), switch.masters[1])
        wiring.connect(m, switch.slave, words.axi)
        wiring.connect(m, words.memory, memory.port)
        return m


async def stream(ctx, rng, stall, valid, ready):
    """Keeps `valid` high until `ready`, after a random pause."""
    while rng.random() < stall:
        await ctx.tick()
    ctx.set(valid, 1)
    await ctx.tick().until(ready)
    ctx.set(valid, 0)


class Master:
    """Writes bursts and reads them back, in a region of its own; several reads may be under way."""

    def __init__(self, port, rng, region, bursts):
        self.port, self.rng, self.region = port, rng, region
        self.stall = rng.choice((0.0, 0.3, 0.8))
        self.content = {}
        self.plan = [self.burst() for _ in range(bursts)]
        self.to_read = []
        self.answers = []

    def burst(self):
        first = self.rng.choice(self.region)
        beats = self.rng.randrange(1, min(8, self.region[-1] - first + 1) + 1)
        return first, [(self.rng.getrandbits(64), self.rng.choice((255, self.rng.getrandbits(8))))
                       for _ in range(beats)]  # fmt: skip

    def benches(self):
        async def bench(ctx):
            port, rng = self.port, self.rng
            for first, beats in self.plan:
                ctx.set(port.awaddr, 8 * first)
                ctx.set(port.awlen, len(beats) - 1)
                await stream(ctx, rng, self.stall, port.awvalid, port.awready)
                for place, (word, mask) in enumerate(beats):
                    ctx.set(port.wdata, word)
                    ctx.set(port.wstrb, mask)
                    ctx.set(port.wlast, place == len(beats) - 1)
                    await stream(ctx, rng, self.stall, port.wvalid, port.wready)
                    before = self.content.get(first + place, 0)
                    bits = sum(255 << 8 * i for i in range(8) if mask >> i & 1)
                    self.content[first + place] = before & ~bits | word & bits
                while rng.random() < self.stall:
                    await ctx.tick()
                ctx.set(port.bready, 1)
                (response,) = await ctx.tick().sample(port.bresp).until(port.bvalid)
                ctx.set(port.bready, 0)
                assert response == (0 if first + len(beats) <= WORDS else 3)
                ctx.set(port.araddr, 8 * first)
                ctx.set(port.arlen, len(beats) - 1)
                await stream(ctx, rng, self.stall, port.arvalid, port.arready)
                for place in range(len(beats)):
                    while rng.random() < self.stall:
                        await ctx.tick()
                    ctx.set(port.rready, 1)
                    word, response, last = await (
                        ctx.tick().sample(port.rdata, port.rresp, port.rlast).until(port.rvalid)
                    )
                    ctx.set(port.rready, 0)
                    inside = first + place < WORDS
                    assert (word, response) == ((self.content[first + place], 0) if inside else (0, 3))
                    assert last == (place == len(beats) - 1)
                self.answers.append(first)

        return bench


def simulate(dut, *benches):
    sim = Simulator(dut)
    sim.add_clock(1e-6)
    for bench in benches:
        sim.add_testbench(bench)
    sim.run()


@pytest.mark.parametrize("variant", range(4))
def test_two_masters_share_a_memory(variant, seed):
    rng = random.Random(seed + variant)
    dut = Shared()
    regions = range(0, WORDS // 2), range(WORDS // 2, WORDS + 10)  # the second goes beyond the end
    masters = [
        Master(port, random.Random(rng.random()), region, 40)
        for port, region in zip(dut.masters, regions, strict=True)
    ]
    simulate(dut, *(master.benches() for master in masters))
    assert [len(master.answers) for master in masters] == [40, 40]


@pytest.mark.parametrize("through", [(), ("r",), ("aw", "b")])
def test_registers_cut_every_path(through, seed):
    """Nothing of what either side says is seen by the other before the next clock edge, or all at once."""
    rng = random.Random(seed)
    dut = AxiRegisters(through)
    sides = {Out: (dut.master, dut.slave), In: (dut.slave, dut.master)}  # who says it, who hears it
    members = [(name, *sides[member.flow]) for name, member in Axi4Signature().members.items()]
    told = [getattr(source, name) for name, source, _ in members]
    passed = [name.startswith(through) for name, _, _ in members]
    heard = [getattr(sink, name) for (name, _, sink), now in zip(members, passed, strict=True) if not now]
    at_once = [(getattr(source, name), getattr(sink, name))
               for (name, source, sink), now in zip(members, passed, strict=True) if now]
    changes = 0

    async def bench(ctx):
        nonlocal changes
        for _ in range(200):
            before = [ctx.get(signal) for signal in heard]
            for signal in told:
                ctx.set(signal, rng.getrandbits(len(signal)))
            await ctx.delay(1e-8)
            assert [ctx.get(signal) for signal in heard] == before
            for source, sink in at_once:
                assert ctx.get(source) == ctx.get(sink)
            await ctx.tick()
            changes += [ctx.get(signal) for signal in heard] != before

    simulate(dut, bench)
    assert changes > 100


def test_a_beat_per_cycle():
    """Long reads take one cycle a beat and one more a burst, once the first word is there."""
    dut = Shared()
    beats, bursts, times = 16, 6, []

    async def ask(ctx):
        port = dut.masters[0]
        ctx.set(port.arlen, beats - 1)
        ctx.set(port.rready, 1)
        for burst in range(bursts):
            ctx.set(port.araddr, 8 * beats * (burst % 4))
            ctx.set(port.arvalid, 1)
            await ctx.tick().until(port.arready)
        ctx.set(port.arvalid, 0)

    async def collect(ctx):
        cycle = 0
        while len(times) < beats * bursts:
            _, _, valid = await ctx.tick().sample(dut.masters[0].rvalid)
            cycle += 1
            if valid:
                times.append(cycle)

    simulate(dut, ask, collect)
    assert times[-1] - times[0] + 1 == beats * bursts + bursts - 1


def test_sizes_that_cannot_be():
    with pytest.raises(ValueError, match=r"^AxiWords words must be an integer from 2 to 2\^29, not 1$"):
        AxiWords(1)
