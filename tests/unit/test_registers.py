"""Registers and PerformanceCounters behind AXI4-Lite, and the register map they share with software."""

import json
import random

import pytest
from amaranth.sim import Simulator

from axi_lite import Master
from orris_hw import register_map
from orris_hw.config import preset
from orris_hw.gateware.performance_counters import PerformanceCounters
from orris_hw.gateware.registers import SETTINGS, Registers
from orris_hw.register_map import COUNTERS, REGISTER, REGISTERS, Counter, counter_offset

OKAY, SLVERR = 0, 2
CONSTANTS = register_map.constants(preset("tiny"))
START, SOFT_RESET, IRQ_ENABLE = 1, 2, 4


def simulate(dut, *benches):
    sim = Simulator(dut)
    sim.add_clock(1e-8)
    for bench in benches[:-1]:
        sim.add_testbench(bench, background=True)
    sim.add_testbench(benches[-1])
    sim.run()


@pytest.mark.parametrize("stall", [0.0, 0.5])
def test_constants_settings_and_unknown_addresses(stall):
    dut = Registers(CONSTANTS)
    master = Master(dut.bus, seed=1, stall=stall)

    async def bench(ctx):
        for name, value in CONSTANTS.items():
            assert await master.read(ctx, REGISTER[name].offset) == [OKAY, value], name
        for register in SETTINGS:
            assert await master.read(ctx, register.offset) == [OKAY, register.reset]
        values = {register.name: master.rng.getrandbits(32) for register in SETTINGS}
        for register in SETTINGS:
            assert await master.write(ctx, register.offset, values[register.name]) == OKAY
        writable = {register.offset for register in REGISTERS if register.writable}
        known = {register.offset for register in REGISTERS}
        known |= {counter_offset(c.name) + half for c in COUNTERS for half in (0, 4)}
        end = max(known)
        for address in [*range(0, 0x80), 0xFC, *range(end - 8, end + 24), 0x800, 0xFFC]:
            if address not in writable:
                assert await master.write(ctx, address, 0xFFFFFFFF) == SLVERR, hex(address)
            if address not in known:
                assert await master.read(ctx, address) == [SLVERR, 0], hex(address)
        for strobes in (0, 1, 7, 14):
            assert await master.write(ctx, REGISTER["READ_BASE"].offset, 0, strobes) == SLVERR
        for register in SETTINGS:
            assert await master.read(ctx, register.offset) == [OKAY, values[register.name]]
            assert ctx.get(getattr(dut, register.name.lower())) == values[register.name]

    simulate(dut, bench)


def test_control_status_and_irq():
    dut = Registers(CONSTANTS)
    master = Master(dut.bus, seed=2, stall=0.2)
    control, status = REGISTER["CONTROL"].offset, REGISTER["STATUS"].offset
    strobes = {"start": 0, "soft_reset": 0}

    async def watch(ctx):
        while True:
            _, _, start, soft_reset = await ctx.tick().sample(dut.start, dut.soft_reset)
            strobes["start"] += start
            strobes["soft_reset"] += soft_reset
            ctx.set(dut.busy, ctx.get(dut.busy) | start)

    async def pulse(ctx, signal):
        ctx.set(signal, 1)
        await ctx.tick()
        ctx.set(signal, 0)

    async def finish(ctx):
        ctx.set(dut.busy, 0)
        await pulse(ctx, dut.done)
        await ctx.tick()

    async def bench(ctx):
        async def read_status():
            resp, word = await master.read(ctx, status)
            assert resp == OKAY
            return REGISTER["STATUS"].unpack(word)

        assert await master.write(ctx, control, START) == OKAY
        assert strobes == {"start": 1, "soft_reset": 0}
        assert await read_status() == {"busy": 1, "done": 0, "error": 0}
        # Busy: neither start nor a setting is accepted.
        assert await master.write(ctx, control, START) == SLVERR
        assert await master.write(ctx, REGISTER["WRITE_LIMIT"].offset, 1) == SLVERR
        assert await master.write(ctx, control, IRQ_ENABLE) == OKAY
        assert await master.read(ctx, control) == [OKAY, IRQ_ENABLE]
        assert not ctx.get(dut.irq)
        await finish(ctx)
        assert await read_status() == {"busy": 0, "done": 1, "error": 0}
        assert ctx.get(dut.irq)
        # Done goes by a 1, not by a 0.
        assert await master.write(ctx, status, 0b101) == OKAY
        assert (await read_status())["done"] == 1
        assert await master.write(ctx, status, 0b010) == OKAY
        assert (await read_status())["done"] == 0
        assert not ctx.get(dut.irq)
        # Start clears done.
        assert await master.write(ctx, control, START | IRQ_ENABLE) == OKAY
        await finish(ctx)
        assert await master.write(ctx, control, START | IRQ_ENABLE) == OKAY
        assert await read_status() == {"busy": 1, "done": 0, "error": 0}
        # An error raises the interrupt, and forbids start until it is gone.
        ctx.set(dut.error, 1)
        ctx.set(dut.error_code, 7)
        ctx.set(dut.error_index, 0x12345678)
        ctx.set(dut.busy, 0)
        await ctx.tick().repeat(2)
        assert ctx.get(dut.irq)
        assert await read_status() == {"busy": 0, "done": 0, "error": 1}
        assert await master.read(ctx, REGISTER["ERROR_CODE"].offset) == [OKAY, 7]
        assert await master.read(ctx, REGISTER["ERROR_INDEX"].offset) == [OKAY, 0x12345678]
        assert await master.write(ctx, control, START) == SLVERR
        assert await master.write(ctx, control, START | SOFT_RESET) == SLVERR
        assert strobes == {"start": 3, "soft_reset": 0}
        assert await master.write(ctx, control, SOFT_RESET) == OKAY
        ctx.set(dut.error, 0)
        assert strobes == {"start": 3, "soft_reset": 1}
        assert not ctx.get(dut.irq)
        assert await master.write(ctx, control, START, 0b0111) == SLVERR
        assert await master.write(ctx, control, START) == OKAY
        assert strobes == {"start": 4, "soft_reset": 1}

    simulate(dut, watch, bench)


def test_cycles_of_an_access():
    """Writes are answered 2 cycles after the later of AW and W, reads of a register 4 cycles after AR."""
    dut = Registers(CONSTANTS)
    bus = dut.bus

    async def until(ctx, valid, *sent):
        """Cycles from that in which what was `sent` is taken to that of the answer."""
        for signal in sent:
            ctx.set(signal, 1)
        await ctx.tick()
        for signal in sent:
            ctx.set(signal, 0)
        cycles = 1
        while not ctx.get(valid):
            await ctx.tick()
            cycles += 1
        return cycles

    async def bench(ctx):
        for signal, value in ((bus.bready, 1), (bus.rready, 1), (bus.wstrb, 0xF)):
            ctx.set(signal, value)
        for register in (*SETTINGS, REGISTER["STATUS"]):
            ctx.set(bus.awaddr, register.offset)
            both = (bus.awvalid, bus.wvalid)
            for early, late in (((), both), (both[:1], both[1:]), (both[1:], both[:1])):
                for signal in early:
                    ctx.set(signal, 1)
                    await ctx.tick()
                    ctx.set(signal, 0)
                    await ctx.tick().repeat(3)
                assert await until(ctx, bus.bvalid, *late) == 2, register.name
                await ctx.tick()
        for register in REGISTERS:
            ctx.set(bus.araddr, register.offset)
            assert await until(ctx, bus.rvalid, bus.arvalid) == 4, register.name
            await ctx.tick()

    simulate(dut, bench)


def test_soft_reset_clears_done():
    dut = Registers(CONSTANTS)
    master = Master(dut.bus)

    async def bench(ctx):
        ctx.set(dut.done, 1)
        await ctx.tick()
        ctx.set(dut.done, 0)
        assert await master.read(ctx, REGISTER["STATUS"].offset) == [OKAY, 0b010]
        assert await master.write(ctx, REGISTER["CONTROL"].offset, SOFT_RESET) == OKAY
        assert await master.read(ctx, REGISTER["STATUS"].offset) == [OKAY, 0]

    simulate(dut, bench)


@pytest.mark.parametrize("seed", range(3))
def test_counters_through_the_bus(seed):
    """Counted from start while busy, exact as soon as busy has ended, and begun anew by the next program."""
    dut = Registers(CONSTANTS)
    master = Master(dut.bus, seed=seed, stall=0.3 * (seed > 0))
    rng = random.Random(seed)

    async def read_all(ctx):
        counts = {}
        for counter in COUNTERS:
            low = await master.read(ctx, counter_offset(counter.name))
            high = await master.read(ctx, counter_offset(counter.name) + 4)
            assert (low[0], high[0]) == (OKAY, OKAY)
            counts[counter.name] = low[1] | high[1] << 32
        return counts

    async def bench(ctx):
        for cycles in (1, 50, 333):
            # Increments outside busy do not count.
            ctx.set(dut.increments, {c.name: (1 << c.step_bits) - 1 for c in COUNTERS})
            ctx.set(dut.bus.awaddr, REGISTER["CONTROL"].offset)
            ctx.set(dut.bus.wdata, START)
            ctx.set(dut.bus.wstrb, 0xF)
            for signal, value in ((dut.bus.awvalid, 1), (dut.bus.wvalid, 1), (dut.bus.bready, 1)):
                ctx.set(signal, value)
            await ctx.tick()
            ctx.set(dut.bus.awvalid, 0)
            ctx.set(dut.bus.wvalid, 0)
            while not (await ctx.tick().sample(dut.start))[2]:
                pass
            ctx.set(dut.busy, 1)
            expected = dict.fromkeys((c.name for c in COUNTERS), 0)
            for _ in range(cycles):
                step = {c.name: rng.getrandbits(c.step_bits) if rng.random() < 0.7
                        else (1 << c.step_bits) - 1 for c in COUNTERS}
                ctx.set(dut.increments, step)
                for name, value in step.items():
                    expected[name] += value
                await ctx.tick()
            ctx.set(dut.busy, 0)
            ctx.set(dut.increments, {c.name: 1 for c in COUNTERS})
            ctx.set(dut.bus.bready, 0)
            assert await read_all(ctx) == expected

    simulate(dut, bench)


def test_few_counters():
    """The first counters of the map are where they always are, and beyond them there is nothing."""
    config = preset("tiny").derive({"control": {"counters": "few"}})
    few = register_map.counters_of(config)
    assert [counter.name for counter in few] == ["cycles", "commands", "dram_read_words", "dram_write_words"]
    assert few == COUNTERS[: len(few)] and register_map.counters_of(preset("tiny")) == COUNTERS
    described = register_map.describe(config)["counters"]
    assert [entry["offset_lo"] for entry in described] == [counter_offset(counter.name) for counter in few]
    dut = Registers(register_map.constants(config), few)
    master = Master(dut.bus)

    async def bench(ctx):
        ctx.set(dut.increments, {"cycles": 1, "commands": 3, "dram_read_words": 0, "dram_write_words": 1})
        ctx.set(dut.busy, 1)
        await ctx.tick().repeat(100)
        ctx.set(dut.busy, 0)
        expected = {"cycles": 100, "commands": 300, "dram_read_words": 0, "dram_write_words": 100}
        for counter in COUNTERS:
            answer = [OKAY, expected[counter.name]] if counter in few else [SLVERR, 0]
            assert await master.read(ctx, counter_offset(counter.name)) == answer, counter.name

    simulate(dut, bench)


@pytest.mark.parametrize("count", [4, 5, 9])
def test_counters_read_while_counting(count):
    """A read holds everything up to the cycle of its request, and nothing that came after its answer."""
    counters = [Counter(f"c{i}", 1 + 3 * (i % 2), "") for i in range(count)]
    dut = PerformanceCounters(counters)
    rng = random.Random(count)
    print("seed", count)

    async def bench(ctx):
        ctx.set(dut.clear, 1)
        ctx.set(dut.enable, 1)
        await ctx.tick()
        ctx.set(dut.clear, 0)
        total = [0] * count
        for _ in range(200):
            index = rng.randrange(count)
            requested = None
            wait = rng.randrange(4)
            for cycle in range(count + 12):
                if cycle == wait:
                    ctx.set(dut.request, 1)
                    ctx.set(dut.index, index)
                step = {c.name: rng.getrandbits(c.step_bits) for c in counters}
                ctx.set(dut.increment, step)
                _, _, ready, value = await ctx.tick().sample(dut.ready, dut.value)
                if ready:
                    ctx.set(dut.request, 0)
                    assert requested <= value <= total[index]
                    assert 5 <= cycle - wait <= count + 4
                total = [t + step[c.name] for t, c in zip(total, counters, strict=True)]
                if cycle == wait:
                    requested = total[index]
                if ready:
                    break
            else:
                raise AssertionError("no answer")

    simulate(dut, bench)


def test_counters_wrap_at_40_bits():
    """2^40 is far away: the total is brought near it by a wide step."""
    wide = [Counter(f"c{i}", 38, "") for i in range(4)]
    dut = PerformanceCounters(wide)
    step = (1 << 38) - 1

    async def bench(ctx):
        ctx.set(dut.enable, 1)
        ctx.set(dut.increment, {c.name: step for c in wide})
        await ctx.tick().repeat(11)
        ctx.set(dut.enable, 0)
        ctx.set(dut.request, 1)
        ctx.set(dut.index, 3)
        while True:
            _, _, ready, value = await ctx.tick().sample(dut.ready, dut.value)
            if ready:
                break
        assert value == 11 * step % (1 << 40)

    simulate(dut, bench)


def test_map_is_consistent():
    offsets = [register.offset for register in REGISTERS]
    offsets += [counter_offset(c.name) + half for c in COUNTERS for half in (0, 4)]
    assert len(set(offsets)) == len(offsets)
    assert all(offset % 4 == 0 and offset < 1 << register_map.ADDRESS_WIDTH for offset in offsets)
    assert len({c.name for c in COUNTERS}) == len(COUNTERS)
    for register in REGISTERS:
        taken = [bit for f in register.fields for bit in range(f.lsb, f.lsb + f.width)]
        assert len(set(taken)) == len(taken) and all(bit < 32 for bit in taken)
    with pytest.raises(KeyError):
        counter_offset("nothing")


def test_map_of_a_configuration():
    config = preset("orris-168")
    constants = register_map.constants(config)
    assert constants["IDENT"].to_bytes(4, "big") == b"ORRS"
    assert REGISTER["GEOMETRY_ARRAY"].unpack(constants["GEOMETRY_ARRAY"]) == {"rows": 12, "columns": 14}
    described = json.loads(json.dumps(register_map.describe(config)))
    by_name = {register["name"]: register for register in described["registers"]}
    assert by_name["GEOMETRY_ARRAY"]["reset"] == 12 | 14 << 8
    assert by_name["CONTROL"]["fields"][0]["name"] == "start"
    assert described["error_codes"]["MEMORY_RANGE"] == 4
    assert described["counters"][0] == {
        "name": "cycles", "offset_lo": 0x100, "offset_hi": 0x104, "description": "cycles busy"}


def test_pack_refuses_what_does_not_fit():
    with pytest.raises(ValueError, match=r"GEOMETRY_ARRAY.rows must be in 0..255, not 256"):
        REGISTER["GEOMETRY_ARRAY"].pack(rows=256)
    with pytest.raises(ValueError, match=r"GEOMETRY_ARRAY has no field 'row', only rows, columns"):
        REGISTER["GEOMETRY_ARRAY"].pack(row=1)


def test_constructor_errors():
    with pytest.raises(ValueError, match=r"constant IDENT must be in 0..2\^32-1, not None"):
        Registers({})
    with pytest.raises(ValueError, match="at least 4 counters, not 3"):
        PerformanceCounters(COUNTERS[:3])
