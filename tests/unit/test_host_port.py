"""The host's registers that lie in the core's RAM, against a model that knows the register map alone."""

import random

import pytest

from axi_lite import Master
from orris_hw.gateware.microcontroller.host_port import HostPort
from orris_hw.microcontroller.memory_map import REGISTERS_BYTES
from orris_hw.register_map import COUNTER_BASE, DEFAULT_TIMEOUT, FEW_COUNTERS, REGISTER, REGISTERS, ErrorCode
from pysim import simulate

OKAY, SLVERR = 0, 2
START, SOFT_RESET, IRQ_ENABLE = 1, 2, 4
CONTROL, STATUS = REGISTER["CONTROL"].offset, REGISTER["STATUS"].offset
SETTINGS = [r.offset for r in REGISTERS if r.writable and r.name not in ("CONTROL", "STATUS")]
COUNTER_PLACES = range(COUNTER_BASE, COUNTER_BASE + 8 * FEW_COUNTERS, 4)
READABLE = [*(r.offset for r in REGISTERS), *COUNTER_PLACES]


class Surroundings:
    """The RAM, which the core leaves alone now and then and which forgets what it read; and the core.

    busy_core : chance that the core has the RAM for itself in a cycle
    """

    def __init__(self, host: HostPort, rng: random.Random, busy_core: float):
        self.host, self.rng, self.busy_core = host, rng, busy_core
        self.ram = [rng.getrandbits(32) for _ in range(REGISTERS_BYTES // 4)]
        self.restarts = 0

    async def run(self, ctx):
        host = self.host
        while True:
            granted = self.rng.random() >= self.busy_core
            ctx.set(host.grant, granted & ~ctx.get(host.hold))
            _, _, request, hold, address, write, word, restart = await ctx.tick().sample(
                host.request, host.hold, host.address, host.write, host.data, host.restart
            )
            self.restarts += restart
            assert not (request and hold), "the word that was read is lost"
            if request and granted:
                if write:
                    self.ram[address] = word
                else:
                    ctx.set(host.read_data, self.ram[address])
            elif not hold and not granted:
                ctx.set(host.read_data, self.rng.getrandbits(32))

    async def pulse(self, ctx, *signals):
        for signal in signals:
            ctx.set(signal, 1)
        await ctx.tick()
        for signal in signals:
            ctx.set(signal, 0)

    async def finish(self, ctx, done=False, error=False):
        ctx.set(self.host.finish_done, done)
        ctx.set(self.host.finish_error, error)
        await self.pulse(ctx, self.host.finish)
        ctx.set(self.host.finish_done, self.rng.getrandbits(1))  # do not matter now
        ctx.set(self.host.finish_error, self.rng.getrandbits(1))


class Model:
    """What the register map promises."""

    def __init__(self, ram: list[int]):
        self.ram = list(ram)
        self.busy = self.done = self.error = self.halted = self.irq_enable = False
        self.patience = DEFAULT_TIMEOUT
        self.restarts = 0

    def write(self, address: int, word: int, strobes: int) -> int:
        if strobes != 0b1111:
            return SLVERR
        if address == CONTROL:
            start, soft_reset = bool(word & START), bool(word & SOFT_RESET)
            if start and (soft_reset or self.busy or self.error):
                return SLVERR
            self.irq_enable = bool(word & IRQ_ENABLE)
            if start:
                self.busy, self.done = True, False
            if soft_reset:
                self.busy = self.done = self.error = self.halted = False
                self.restarts += 1
            return OKAY
        if address == STATUS:
            self.done &= not word & 2
            return OKAY
        if address not in SETTINGS or self.busy:
            return SLVERR
        self.ram[address // 4] = word
        if address == REGISTER["TIMEOUT"].offset:
            self.patience = word
        return OKAY

    def read(self, address: int) -> list[int]:
        if address not in READABLE:
            return [SLVERR, 0]
        if address == CONTROL:
            return [OKAY, IRQ_ENABLE * self.irq_enable]
        if address == STATUS:
            return [OKAY, self.busy | self.done << 1 | self.error << 2]
        if address == REGISTER["ERROR_CODE"].offset and self.halted:
            return [OKAY, ErrorCode.TIMEOUT]
        return [OKAY, self.ram[address // 4]]


async def answers(ctx, bus, cycles=50) -> bool:
    """Whether an access is taken or answered within so many cycles."""
    for _ in range(cycles):
        _, _, *taken = await ctx.tick().sample(bus.awready, bus.wready, bus.arready, bus.bvalid, bus.rvalid)
        if any(taken):
            return True
    return False


@pytest.mark.parametrize("busy_core", [0.0, 0.4, 0.9])
@pytest.mark.parametrize("stall", [0.0, 0.5])
def test_random_accesses_and_events(stall, busy_core, seed):
    rng = random.Random(seed)
    host = HostPort()
    around = Surroundings(host, rng, busy_core)
    master = Master(host.bus, seed, stall)
    model = Model(around.ram)

    def address() -> int:
        # mostly where something is; also just beside it, and far away
        place = rng.choice(((CONTROL, STATUS) * 8, READABLE, SETTINGS, SETTINGS)[rng.randrange(4)])
        return rng.choice((place,) * 8 + (place + rng.randrange(1, 4), rng.getrandbits(12)))

    async def event(ctx):
        kind = rng.choice(("finish", "late", "core writes"))
        if kind == "finish" and model.busy:
            done = rng.random() < 0.7
            await around.finish(ctx, done, not done)
            model.busy, model.done, model.error = False, done, not done
        elif kind == "late":
            await around.pulse(ctx, host.late)
            if model.busy:
                model.busy, model.error, model.halted = False, True, True
        elif kind == "core writes":
            place, word = rng.randrange(len(around.ram)), rng.getrandbits(32)
            around.ram[place] = model.ram[place] = word

    async def bench(ctx):
        await around.finish(ctx)
        for number in range(1000):
            if rng.random() < 0.3:
                await event(ctx)
            place = address()
            if rng.random() < 0.5:
                strobes = 0b1111 if rng.random() < 0.8 else rng.randrange(15)
                word = rng.choice((rng.getrandbits(32), rng.randrange(8), START, START | IRQ_ENABLE))
                restarts = model.restarts
                expected = model.write(place, word, strobes)
                assert await master.write(ctx, place, word, strobes) == expected, number
                if model.restarts != restarts:
                    await ctx.tick().repeat(rng.randrange(1, 5))
                    await around.finish(ctx)
            else:
                expected = model.read(place)
                assert await master.read(ctx, place) == expected, (number, hex(place))
            assert around.ram == model.ram and around.restarts == model.restarts, number
            assert ctx.get(host.patience) == model.patience
            states = ctx.get(host.busy), ctx.get(host.halted), ctx.get(host.cold)
            assert states == (model.busy, model.halted, False)
            await ctx.tick().repeat(2)
            assert ctx.get(host.irq) == (model.irq_enable and (model.done or model.error))

    simulate(host, bench, around.run)


def test_every_address():
    """Read and written, while nothing runs, while a program does, another one, and after its error."""
    host = HostPort()
    rng = random.Random(1)
    around = Surroundings(host, rng, 0.0)
    master = Master(host.bus)
    model = Model(around.ram)

    async def sweep(ctx):
        for place in [*range(max(READABLE) + 32), 0x400, 0x400 + SETTINGS[0], 0x800 + STATUS, 0xFFC]:
            assert await master.read(ctx, place) == model.read(place), hex(place)
            if place != CONTROL:
                word = rng.getrandbits(32) & ~2  # leaves done
                expected = model.write(place, word, 0b1111)
                assert await master.write(ctx, place, word) == expected, hex(place)
        assert around.ram == model.ram

    async def bench(ctx):
        await around.finish(ctx)
        await sweep(ctx)
        for _ in range(2):  # the second one clears done
            assert await master.write(ctx, CONTROL, START) == model.write(CONTROL, START, 0b1111) == OKAY
            await sweep(ctx)
            await around.finish(ctx, done=True)
            model.busy, model.done = False, True
        assert await master.write(ctx, CONTROL, START) == model.write(CONTROL, START, 0b1111) == OKAY
        await around.pulse(ctx, host.late)
        model.busy, model.error, model.halted = False, True, True
        await sweep(ctx)

    simulate(host, bench, around.run)


@pytest.mark.parametrize("write", [False, True])
def test_nothing_is_answered_until_firmware_has_started(write):
    """After reset, and after each soft reset."""
    host = HostPort()
    around = Surroundings(host, random.Random(1), 0.0)
    master = Master(host.bus)
    bus, setting = host.bus, SETTINGS[0]

    async def waits(ctx) -> bool:
        valid = (bus.awvalid, bus.wvalid) if write else (bus.arvalid,)
        ctx.set(bus.awaddr if write else bus.araddr, setting)
        ctx.set(bus.wstrb, 0b1111)
        for signal in valid:
            ctx.set(signal, 1)
        answered = await answers(ctx, bus)
        for signal in valid:
            ctx.set(signal, 0)
        return not answered

    async def bench(ctx):
        assert ctx.get(host.cold) and await waits(ctx) and ctx.get(host.cold)
        await around.finish(ctx)
        assert not ctx.get(host.cold)
        assert (await master.read(ctx, setting))[0] == OKAY
        assert await master.write(ctx, CONTROL, SOFT_RESET) == OKAY
        assert await waits(ctx) and not ctx.get(host.cold)
        await around.finish(ctx)
        assert (await master.read(ctx, setting))[0] == OKAY

    simulate(host, bench, around.run)


def test_latency():
    """Three cycles from the later of AW and W, or from AR, to the answer, when nobody else uses the RAM."""
    host = HostPort()
    around = Surroundings(host, random.Random(1), 0.0)
    bus = host.bus

    async def bench(ctx):
        await around.finish(ctx)
        for names, last, answer in (
            (("awvalid", "wvalid"), "wvalid", bus.bvalid),
            (("awvalid", "wvalid"), "awvalid", bus.bvalid),
            (("arvalid",), "arvalid", bus.rvalid),
        ):
            for name in names:
                ctx.set(getattr(bus, name), name != last)
            await ctx.tick().repeat(4)
            ctx.set(getattr(bus, last), 1)
            cycles = 0
            while not (await ctx.tick().sample(answer))[2]:
                cycles += 1
                if cycles == 2:
                    for name in names:
                        ctx.set(getattr(bus, name), 0)
            assert cycles == 2  # it comes in the third
            ctx.set(bus.bready, 1)
            ctx.set(bus.rready, 1)
            await ctx.tick()
            ctx.set(bus.bready, 0)
            ctx.set(bus.rready, 0)

    simulate(host, bench, around.run)
