"""ReadDma: values, order, throughput under latency, burst rules, errors and halt."""

import random
from collections import deque

import pytest
from amaranth.hdl import Const
from amaranth.sim import Simulator

from axi_memory import AxiMemory
from orris_hw.gateware.read_dma import ReadDma
from orris_hw.register_map import ErrorCode

MEMORY = 1 << 16


def transfer(addr, row_words, rows=1, row_stride=0, dest=0, dest_addr=0, dest_stride=0):
    return {
        "addr": addr, "row_words": row_words, "rows": rows, "row_stride": row_stride % (1 << 32),
        "dest": dest, "dest_addr": dest_addr, "dest_stride": dest_stride % (1 << 20),
    }


def golden(memory, transfers):
    """What must appear on `write`, a list for each transfer."""
    return [
        [
            (t["dest"], (t["dest_addr"] + i * t["dest_stride"] + k) % (1 << 20),
             memory.word((t["addr"] + i * t["row_stride"]) % (1 << 32) + 8 * k))
            for i in range(t["rows"]) for k in range(t["row_words"])
        ]
        for t in transfers
    ]


def bench_latency(seed):
    return (0, 1, 30)[seed % 3] + 1


class Bench:
    """Runs transfers through a ReadDma and records what leaves it, cycle by cycle."""

    def __init__(self, *, outstanding=16, port_words=1, window=(0, MEMORY), seed=0, stall=0.0, **memory):
        print("seed", seed)
        self.rng = random.Random(seed)
        self.dut = ReadDma(outstanding=outstanding, port_words=port_words)
        self.memory = AxiMemory(self.dut.axi, MEMORY, seed=seed, stall=stall, **memory)
        self.memory.load(0, [self.rng.getrandbits(64) for _ in range(MEMORY // 8)])
        self.window, self.stall = window, stall
        self.came = 0  # words from memory, as the block counts them
        self.words, self.done, self.log = [], [], []  # (cycle, word); cycles; state per cycle

    def run(self, transfers, *, until, halt_after=None, limit=20000):
        """Run until `until(bench, idle, error)` holds; `halt_after` words, raise halt."""
        dut = self.dut
        pending = deque(transfers)

        async def source(ctx):
            ctx.set(dut.window_base, self.window[0])
            ctx.set(dut.window_limit, self.window[1])
            while pending:
                if self.rng.random() < self.stall:
                    await ctx.tick()
                    continue
                ctx.set(dut.transfer.payload, pending.popleft())
                ctx.set(dut.transfer.valid, 1)
                while not (await ctx.tick().sample(dut.transfer.ready))[2]:
                    pass
                ctx.set(dut.transfer.valid, 0)

        async def sink(ctx):
            held = None
            for cycle in range(limit):
                ready = self.rng.random() >= self.stall
                ctx.set(dut.write.ready, ready)
                ctx.set(dut.halt, halt_after is not None and len(self.words) >= halt_after)
                p = dut.write.payload
                mask = p.mask if dut.port_words > 1 else Const(1)
                _, _, valid, dest, addr, row, lanes, done, idle, error, code, came = await ctx.tick().sample(
                    dut.write.valid, p.dest, p.addr, p.data, mask, dut.done, dut.idle, dut.error,
                    dut.error_code, dut.words)
                now = (dest, addr, row, lanes)
                self.came += came
                if held is not None:
                    assert valid and now == held, "write changed while waiting"
                held = now if valid and not ready else None
                if done:
                    self.done.append(cycle)
                if valid and ready:
                    assert addr % dut.port_words == 0 and lanes
                    self.words += [
                        (cycle, (dest, addr + lane, row >> 64 * lane & (1 << 64) - 1))
                        for lane in range(dut.port_words) if lanes >> lane & 1
                    ]
                self.error, self.code, self.idle = error, code, idle
                if until(self, idle, error):
                    return
            raise AssertionError(f"not finished after {limit} cycles")

        sim = Simulator(dut)
        sim.add_clock(1e-8)
        sim.add_testbench(self.memory.run, background=True)
        sim.add_testbench(source, background=True)
        sim.add_testbench(sink)
        sim.run()

    def run_all(self, transfers):
        self.run(transfers, until=lambda b, idle, error: error or (len(b.done) == len(transfers) and idle))
        assert not self.error
        assert self.code == ErrorCode.NONE

    def check(self, transfers):
        """All values in order, and done in the cycle after each transfer's last word."""
        parts = golden(self.memory, transfers)
        assert [word for _, word in self.words] == [word for part in parts for word in part]
        ends, total = [], 0
        for part in parts:
            total += len(part)
            ends.append(self.words[total - 1][0] + 1)
        assert self.done == ends
        assert self.came == total


def random_transfers(rng, count):
    transfers = []
    for _ in range(count):
        row_words, rows = rng.choice([1, 2, 5, 13, 33, 100]), rng.randint(1, 4)
        transfers.append(transfer(
            8 * rng.randrange(MEMORY // 16), row_words, rows,
            8 * rng.choice([row_words, 0, rng.randint(1, 900), 509]),
            rng.randrange(3), rng.getrandbits(20), rng.getrandbits(20),
        ))
    return transfers


@pytest.mark.parametrize("stall", [0.0, 0.2, 0.6])
@pytest.mark.parametrize("outstanding", [2, 5, 16])
@pytest.mark.parametrize("latency", [1, 30])
def test_values(stall, outstanding, latency):
    seed = hash((stall, outstanding, latency)) & 0xFFFF
    bench = Bench(outstanding=outstanding, seed=seed, stall=stall, latency=latency)
    transfers = random_transfers(bench.rng, 12)
    bench.run_all(transfers)
    bench.check(transfers)


@pytest.mark.parametrize("stall", [0.0, 0.4])
@pytest.mark.parametrize("port_words", [2, 4])
def test_values_of_a_wide_port(port_words, stall, seed):
    bench = Bench(port_words=port_words, seed=seed, stall=stall, latency=bench_latency(seed))
    transfers = random_transfers(bench.rng, 16)
    bench.run_all(transfers)
    bench.check(transfers)


@pytest.mark.parametrize("addr, dest_addr", [(0x1000, 0), (0x1008, 1), (0x1008, 2), (0x1018, 0)])
def test_full_rate_of_a_wide_port(addr, dest_addr):
    """A beat a cycle; where lanes differ, a cycle more for a burst of 32 beats."""
    bench = Bench(latency=100, port_words=4)
    transfers = [transfer(addr + 0x3000 * i, 1024, dest_addr=dest_addr) for i in range(4)]
    bench.run_all(transfers)
    bench.check(transfers)
    cycles = bench.words[-1][0] - bench.words[0][0] + 1
    assert cycles <= 1.05 * len(bench.words) / 4


def test_window_of_a_wide_port():
    """The words that are asked for count, not the beats that they lie in."""
    bench = Bench(port_words=4, window=(0x1008, 0x1078))
    transfers = [transfer(0x1008, 14)]
    bench.run_all(transfers)
    bench.check(transfers)
    bench, run = error_bench(port_words=4, window=(0x1008, 0x1078))
    run([transfer(0x1008, 15)])
    assert bench.code == ErrorCode.MEMORY_RANGE and bench.memory.bursts["ar"] == []


def test_row_stride_may_be_negative():
    bench = Bench()
    transfers = [transfer(0x3000, 7, 4, -0x408, dest_addr=1000, dest_stride=-50)]
    bench.run_all(transfers)
    bench.check(transfers)


def test_bursts_end_at_rows_32_beats_and_4_kib():
    bench = Bench()
    bench.run_all([transfer(0x1F80, 70, 2, 0x2000)])
    assert bench.memory.bursts["ar"] == [
        (0x1F80, 16), (0x2000, 32), (0x2100, 22), (0x3F80, 16), (0x4000, 32), (0x4100, 22)]


@pytest.mark.parametrize("name, transfers", [
    ("long rows", [transfer(0x1000 + 0x2000 * i, 512) for i in range(3)]),
    ("unaligned long rows", [transfer(0x1018 + 0x2000 * i, 512) for i in range(3)]),
    ("rows of 13 words", [transfer(0x40, 13, 120, 8 * 29)]),
    ("transfers of 13 words", [transfer(0x40 + 8 * 29 * i, 13) for i in range(120)]),
])
def test_full_rate_with_latency_100(name, transfers):
    bench = Bench(latency=100)
    bench.run_all(transfers)
    bench.check(transfers)
    cycles = bench.words[-1][0] - bench.words[0][0] + 1
    assert cycles <= 1.02 * len(bench.words), name
    assert bench.words[0][0] < 115, "from the first cycle"


def test_latency():
    """5 cycles from transfer to arvalid, 2 from rvalid to write.valid."""
    dut = ReadDma()

    async def bench(ctx):
        ctx.set(dut.window_limit, MEMORY)
        ctx.set(dut.transfer.payload, transfer(8, 1))
        ctx.set(dut.transfer.valid, 1)
        await ctx.tick()
        ctx.set(dut.transfer.valid, 0)
        await ctx.tick().repeat(3)
        assert not ctx.get(dut.axi.arvalid)
        await ctx.tick()
        assert ctx.get(dut.axi.arvalid)
        ctx.set(dut.axi.arready, 1)
        await ctx.tick()
        ctx.set(dut.axi.rvalid, 1)
        ctx.set(dut.axi.rlast, 1)
        await ctx.tick()
        ctx.set(dut.axi.rvalid, 0)
        assert not ctx.get(dut.write.valid)
        await ctx.tick()
        assert ctx.get(dut.write.valid)

    sim = Simulator(dut)
    sim.add_clock(1e-8)
    sim.add_testbench(bench)
    sim.run()


def error_bench(**options):
    bench = Bench(**options)
    return bench, lambda transfers: bench.run(transfers, until=lambda b, idle, error: error and idle)


@pytest.mark.parametrize("change", [
    {"row_words": 0}, {"rows": 0}, {"addr": 0x1004}, {"row_stride": 12},
])
def test_bad_field(change):
    bench, run = error_bench(latency=20)
    good = [transfer(0x100, 40), transfer(0x800, 3)]
    run([*good, {**transfer(0x1000, 5, 2, 40), **change}, transfer(0, 5)])
    assert bench.code == ErrorCode.BAD_FIELD
    bench.check(good)  # what came before is done, and nothing else is


@pytest.mark.parametrize("bad", [
    transfer(0xFF8, 4), transfer(0x1F00 - 24, 4), transfer(0x1F00, 1), transfer(0, 1),
    transfer(0xFFFFFFF8, 2),
])
def test_window(bad):
    bench, run = error_bench(latency=20, window=(0x1000, 0x1F00))
    good = [transfer(0x1000, 40), transfer(0x1F00 - 8 * 33, 33)]
    run([*good, bad, transfer(0x1000, 5)])
    assert bench.code == ErrorCode.MEMORY_RANGE
    bench.check(good)
    assert all(0x1000 <= addr and addr + 8 * beats <= 0x1F00 for addr, beats in bench.memory.bursts["ar"])


def test_window_violated_by_a_later_row():
    bench, run = error_bench(latency=20, window=(0x1000, 0x2000))
    run([transfer(0x1E00, 10, 4, 0x100)])
    assert bench.code == ErrorCode.MEMORY_RANGE
    assert bench.memory.bursts["ar"] == [(0x1E00, 10), (0x1F00, 10)]
    assert bench.done == []


@pytest.mark.parametrize("stall", [0.0, 0.4])
def test_slave_error_in_mid_burst(stall):
    bench, run = error_bench(latency=40, failing={0x1000 // 8 + 45}, stall=stall, seed=7)
    transfers = [transfer(0x100, 40), transfer(0x1000, 100), transfer(0x2000, 100)]
    run(transfers)
    assert bench.code == ErrorCode.BUS_READ
    first, second, _ = golden(bench.memory, transfers)
    assert [word for _, word in bench.words] == first + second[:45]
    assert len(bench.done) == 1
    asked = sum(beats for _, beats in bench.memory.bursts["ar"])
    assert len(bench.memory.read_beats) == asked, "idle although beats were outstanding"


def test_lost_beat_is_noticed():
    bench, run = error_bench(drop_beat=50)
    run([transfer(0x100, 40), transfer(0x1000, 100)])
    assert bench.code == ErrorCode.BUS_READ
    assert len(bench.done) == 1


@pytest.mark.parametrize("stall", [0.0, 0.4])
@pytest.mark.parametrize("halt_after", [0, 1, 60, 177])
def test_halt(stall, halt_after):
    bench = Bench(latency=50, stall=stall, seed=halt_after)
    transfers = [transfer(0x100, 40), transfer(0x1000, 200), transfer(0x2000, 13, 20, 8 * 17)]
    quiet = []

    def until(b, idle, error):
        quiet.append(idle and len(b.words) >= halt_after)
        return sum(quiet) > 100 and all(quiet[-100:])

    bench.run(transfers, until=until, halt_after=halt_after)
    assert not bench.error
    words = [word for part in golden(bench.memory, transfers) for word in part]
    assert [word for _, word in bench.words] == words[:len(bench.words)]
    assert len(bench.words) <= halt_after + 4
    asked = sum(beats for _, beats in bench.memory.bursts["ar"])
    assert len(bench.memory.read_beats) == asked
    assert asked < len(words), "halt came too late to mean anything"


def test_error_waits_for_what_came_before():
    """The good transfer's only word is not taken for long; the bad transfer's error comes after its done."""
    dut = ReadDma()
    memory = AxiMemory(dut.axi, MEMORY)

    async def bench(ctx):
        ctx.set(dut.window_limit, MEMORY)
        for payload in (transfer(0, 1), transfer(4, 1)):
            ctx.set(dut.transfer.payload, payload)
            ctx.set(dut.transfer.valid, 1)
            await ctx.tick().until(dut.transfer.ready)
        ctx.set(dut.transfer.valid, 0)
        await ctx.tick().repeat(50)
        assert ctx.get(dut.write.valid) and not ctx.get(dut.error)
        ctx.set(dut.write.ready, 1)
        await ctx.tick()
        assert ctx.get(dut.done) and not ctx.get(dut.error)
        await ctx.tick().repeat(2)
        assert ctx.get(dut.error) and ctx.get(dut.error_code) == ErrorCode.BAD_FIELD

    sim = Simulator(dut)
    sim.add_clock(1e-8)
    sim.add_testbench(memory.run, background=True)
    sim.add_testbench(bench)
    sim.run()


def test_idle_does_not_wait_for_a_blocked_sink():
    dut = ReadDma()
    memory = AxiMemory(dut.axi, MEMORY, latency=10)

    async def bench(ctx):
        ctx.set(dut.window_limit, MEMORY)
        ctx.set(dut.transfer.payload, transfer(0, 300))
        ctx.set(dut.transfer.valid, 1)
        await ctx.tick().until(dut.transfer.ready)
        ctx.set(dut.transfer.valid, 0)
        await ctx.tick().repeat(200)
        assert not ctx.get(dut.idle)
        ctx.set(dut.halt, 1)
        for _ in range(1000):
            await ctx.tick()
            if ctx.get(dut.idle):
                break
        assert ctx.get(dut.idle)
        assert ctx.get(dut.write.valid)

    sim = Simulator(dut)
    sim.add_clock(1e-8)
    sim.add_testbench(memory.run, background=True)
    sim.add_testbench(bench)
    sim.run()


@pytest.mark.parametrize("outstanding", [0, 1, 257, 4.0])
def test_parameters(outstanding):
    with pytest.raises(ValueError, match=f"outstanding must be an integer in 2..256, not {outstanding!r}"):
        ReadDma(outstanding=outstanding)


