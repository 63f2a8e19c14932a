"""The core's loads and stores as transactions of an AXI4 memory that stalls, fails, or does not answer."""

import random
from dataclasses import dataclass

import pytest

from axi_memory import AxiMemory
from orris_hw.gateware.microcontroller.memory_port import MemoryPort
from pysim import simulate

SIZE = 256
FOREVER = (1 << 32) - 1
STROBES = (0b0001, 0b0010, 0b0100, 0b1000, 0b0011, 0b1100, 0b1111)


@dataclass
class Access:
    """A load, or a store with `strobe`; `begun` and `answered` are cycles, `data` is stored or loaded."""

    address: int
    write: bool
    strobe: int
    data: int
    begun: int = 0
    answered: int = 0


class Core:
    """Makes accesses to memory as the core does, and notes in which cycles the port says what."""

    def __init__(self, port: MemoryPort):
        self.port, self.cycle = port, 0
        self.accesses: list[Access] = []
        self.told: dict[str, list[int]] = {"read_failed": [], "write_failed": [], "late": []}

    async def watch(self, ctx):
        told = [getattr(self.port, name) for name in self.told]
        async for _, _, valid, ready, *values in ctx.tick().sample(
            self.port.bus.valid, self.port.bus.ready, *told
        ):
            assert valid or not ready, f"an answer without an access in cycle {self.cycle}"
            for cycles, value in zip(self.told.values(), values, strict=True):
                if value:
                    cycles.append(self.cycle)
            self.cycle += 1

    async def access(self, ctx, access: Access, gap: int = 0):
        bus = self.port.bus
        ctx.set(bus.address, access.address)
        ctx.set(bus.write, access.write)
        ctx.set(bus.data, access.data if access.write else 0xDEADBEEF)
        ctx.set(bus.strobe, access.strobe)
        ctx.set(bus.valid, 1)
        access.begun = self.cycle
        while not (await ctx.tick().sample(bus.ready))[2]:
            pass
        access.answered = self.cycle - 1
        self.accesses.append(access)
        ctx.set(bus.valid, 0)
        if not access.write:  # the core takes what it loads in the cycle after
            access.data = (await ctx.tick().sample(bus.read_data))[2]
        for _ in range(gap):
            await ctx.tick()


def draw(rng: random.Random) -> Access:
    address = 4 * rng.randrange(SIZE // 4) | rng.getrandbits(1) << 31
    return Access(address, rng.random() < 0.5, rng.choice(STROBES), rng.getrandbits(32))


@pytest.mark.parametrize("stall", [0.0, 0.3, 0.8])
@pytest.mark.parametrize("latency", [1, 4])
def test_random_accesses(stall, latency, seed):
    """Every byte is where it belongs and no other changes; each error is told once, of its own kind."""
    rng = random.Random(seed)
    port = MemoryPort()
    core = Core(port)
    failing = set(rng.sample(range(SIZE // 8), 4))
    memory = AxiMemory(port.axi, SIZE, latency, stall, seed, failing=failing)
    memory.bytes[:] = rng.randbytes(SIZE)
    expected = bytearray(memory.bytes)
    failures = {"read_failed": [], "write_failed": []}

    async def bench(ctx):
        ctx.set(port.patience, FOREVER)
        for _ in range(300):
            access = draw(rng)
            await core.access(ctx, access, rng.choice((0, 0, 1, 5)))
            place = access.address & SIZE - 1
            fails = place // 8 in failing
            if access.write:
                for lane in range(4):
                    if access.strobe >> lane & 1 and not fails:
                        expected[place + lane] = access.data >> 8 * lane & 0xFF
                if fails:
                    failures["write_failed"].append(access.answered)
            else:
                assert access.data == int.from_bytes(expected[place : place + 4], "little")
                if fails:
                    failures["read_failed"].append(access.answered + 1)
        await ctx.tick().repeat(10)

    simulate(port, bench, memory.run, core.watch)
    assert memory.bytes == expected
    assert {name: core.told[name] for name in failures} == failures and all(failures.values())
    assert not core.told["late"]
    reads = [access for access in core.accesses if not access.write]
    writes = [access for access in core.accesses if access.write]
    for kind, made in (("ar", reads), ("aw", writes)):
        assert memory.bursts[kind] == [(access.address & SIZE - 8, 1) for access in made]
    assert memory.responses == len(writes) == len(memory.write_beats)
    if not stall:
        assert {access.answered - access.begun for access in reads} == {latency}
        assert {access.answered - access.begun for access in writes} == {latency}


@pytest.mark.parametrize("page", [0, 1])
def test_the_page_is_the_address_s_upper_bit(page):
    port = MemoryPort()
    core, seen = Core(port), {}

    async def answer(ctx):
        for name in ("arready", "awready", "wready", "rvalid", "bvalid"):
            ctx.set(getattr(port.axi, name), 1)
        async for _, _, ar, araddr, aw, awaddr in ctx.tick().sample(
            port.axi.arvalid, port.axi.araddr, port.axi.awvalid, port.axi.awaddr
        ):
            seen.update({"ar": araddr} if ar else {}, **({"aw": awaddr} if aw else {}))

    async def bench(ctx):
        ctx.set(port.page, page)
        for write in (False, True):
            await core.access(ctx, Access(0x8000_0000 | 0x7BCD_E01C, write, 0b1111, 0))

    simulate(port, bench, answer, core.watch)
    assert seen == dict.fromkeys(("ar", "aw"), page << 31 | 0x7BCD_E018)


def test_an_access_that_waits_for_too_long_is_told_of_once_and_goes_on(seed):
    rng = random.Random(seed)
    port = MemoryPort()
    core = Core(port)
    memory = AxiMemory(port.axi, SIZE, 1, 0.5, seed)
    patiences = []

    async def bench(ctx):
        for _ in range(200):
            memory.latency = rng.choice((1, 10, 40))
            patiences.append(rng.choice((0, 1, 5, 9, 10, 11, 12, 30, 50)))
            ctx.set(port.patience, patiences[-1])
            await core.access(ctx, draw(rng), rng.choice((1, 3, 60)))

    simulate(port, bench, memory.run, core.watch)
    pairs = list(zip(core.accesses, patiences, strict=True))
    expected = [
        access.begun + patience + 1
        for access, patience in pairs
        if access.answered - access.begun > patience
    ]
    assert core.told["late"] == expected and 20 < len(expected) < 180
    assert any(access.answered - access.begun == patience for access, patience in pairs)


@pytest.mark.parametrize("write", [False, True])
def test_a_memory_that_takes_no_address_is_late_too(write):
    port = MemoryPort()
    core = Core(port)

    async def bench(ctx):
        ctx.set(port.patience, 20)
        ctx.set(port.bus.write, write)
        ctx.set(port.bus.valid, 1)
        await ctx.tick().repeat(100)

    simulate(port, bench, core.watch)
    assert core.told == {"read_failed": [], "write_failed": [], "late": [21]}
