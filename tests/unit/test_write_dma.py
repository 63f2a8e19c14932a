"""WriteDma: memory contents with canaries, order, throughput under latency, burst rules, errors and halt."""

import random
from collections import deque

import pytest
from amaranth.sim import Simulator

from axi_memory import CANARY, AxiMemory
from orris_hw.gateware.write_dma import WriteDma
from orris_hw.register_map import ErrorCode

MEMORY = 1 << 16
BUFFER = 1 << 12


def transfer(addr, row_words, rows=1, row_stride=0, src_addr=0, src_stride=0):
    return {
        "addr": addr, "row_words": row_words, "rows": rows, "row_stride": row_stride % (1 << 32),
        "src_addr": src_addr, "src_stride": src_stride % (1 << 20),
    }


def rows_of(t):
    """(byte address, buffer addresses) of each row."""
    for i in range(t["rows"]):
        source = t["src_addr"] + i * t["src_stride"]
        yield (t["addr"] + i * t["row_stride"]) % (1 << 32), [
            (source + k) % (1 << 20) for k in range(t["row_words"])]


def total(transfers):
    return sum(t["row_words"] * t["rows"] for t in transfers)


class Bench:
    """Runs transfers through a WriteDma between a global buffer and an AXI memory."""

    def __init__(self, *, outstanding=16, window=(0, MEMORY), seed=0, stall=0.0, buffer_latency=3,
                 buffer_room=4, port_words=1, **memory):
        print("seed", seed)
        self.rng = random.Random(seed)
        self.dut = WriteDma(outstanding=outstanding, port_words=port_words)
        self.memory = AxiMemory(self.dut.axi, MEMORY, seed=seed, stall=stall, **memory)
        self.buffer = [self.rng.getrandbits(64) for _ in range(BUFFER)]
        self.window, self.stall = window, stall
        self.buffer_latency, self.buffer_room = buffer_latency, buffer_room
        self.requests, self.answered, self.done = [], 0, []
        self.fetched = self.sent = 0  # words, as the block counts them

    def run(self, transfers, *, until, halt_when=lambda: False, limit=20000):
        """Run until `until(idle, error)` holds; raise halt while `halt_when()` does."""
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

        async def buffer(ctx):
            queue, offered, held, cycle = deque(), None, None, 0
            while True:
                # As the global buffer does: a request is only taken when its response has a place.
                room = len(queue) + (offered is not None) < self.buffer_room + self.buffer_latency
                ready = room and self.rng.random() >= self.stall
                ctx.set(dut.read.ready, ready)
                if offered is None and queue and queue[0][0] <= cycle and self.rng.random() >= self.stall:
                    offered = queue.popleft()[1]
                    ctx.set(dut.data.payload, offered)
                ctx.set(dut.data.valid, offered is not None)
                _, _, valid, addr, taken = await ctx.tick().sample(
                    dut.read.valid, dut.read.payload.addr, dut.data.ready)
                cycle += 1
                assert held is None or (valid and addr == held), "read changed while waiting"
                held = addr if valid and not ready else None
                if valid and ready:
                    self.requests.append(addr)
                    row = [self.buffer[(addr + lane) % BUFFER] for lane in range(dut.port_words)]
                    word = sum(word << 64 * lane for lane, word in enumerate(row))
                    queue.append((cycle + self.buffer_latency - 1, word))
                if offered is not None and taken:
                    self.answered += 1
                    offered = None

        async def watch(ctx):
            for _ in range(limit):
                ctx.set(dut.halt, halt_when())
                _, _, done, idle, error, code, fetched, sent = await ctx.tick().sample(
                    dut.done, dut.idle, dut.error, dut.error_code, dut.fetched, dut.words)
                self.fetched += fetched
                self.sent += sent
                if done:
                    self.done.append(self.memory.responses)
                self.error, self.code = error, code
                if until(idle, error):
                    return
            raise AssertionError(f"not finished after {limit} cycles")

        sim = Simulator(dut)
        sim.add_clock(1e-8)
        sim.add_testbench(self.memory.run, background=True)
        sim.add_testbench(source, background=True)
        sim.add_testbench(buffer, background=True)
        sim.add_testbench(watch)
        sim.run()

    def run_all(self, transfers):
        self.run(transfers, until=lambda idle, error: error or (len(self.done) == len(transfers) and idle))
        assert not self.error
        assert self.code == ErrorCode.NONE

    def expected(self, transfers):
        """Memory after `transfers`; everything else is as it was."""
        image = bytearray([CANARY]) * MEMORY
        for t in transfers:
            for addr, sources in rows_of(t):
                for k, source in enumerate(sources):
                    word = self.buffer[source % BUFFER].to_bytes(8, "little")
                    image[addr + 8 * k:addr + 8 * k + 8] = word
        return image

    def check(self, transfers):
        assert self.memory.bytes == self.expected(transfers)
        assert self.fetched == self.sent == total(transfers)
        if self.dut.port_words == 1:
            asked = [source for t in transfers for _, sources in rows_of(t) for source in sources]
            assert self.requests == asked
            assert len(self.memory.write_beats) == total(transfers)

    def check_settled(self):
        """Every issued burst has had all its beats and its response."""
        bursts = self.memory.bursts["aw"]
        assert len(self.memory.write_beats) == sum(beats for _, beats in bursts)
        assert self.memory.responses == len(bursts)


def random_transfers(rng, count):
    transfers = []
    for _ in range(count):
        row_words, rows = rng.choice([1, 2, 5, 13, 33, 100]), rng.randint(1, 4)
        transfers.append(transfer(
            8 * rng.randrange(MEMORY // 16), row_words, rows,
            8 * rng.choice([row_words, row_words + 1, rng.randint(1, 900), 509]),
            rng.getrandbits(20), rng.getrandbits(20),
        ))
    return transfers


@pytest.mark.parametrize("stall", [0.0, 0.2, 0.6])
@pytest.mark.parametrize("outstanding", [2, 5, 16])
@pytest.mark.parametrize("latency", [1, 30])
def test_values(stall, outstanding, latency):
    seed = hash((stall, outstanding, latency)) & 0xFFFF
    bench = Bench(outstanding=outstanding, seed=seed, stall=stall, latency=latency)
    transfers = random_transfers(bench.rng, 10)
    bench.run_all(transfers)
    bench.check(transfers)
    # done comes once the responses to all of a transfer's bursts, and of all before it, have come
    assert len(bench.done) == len(transfers)
    assert bench.memory.max_in_flight <= outstanding


@pytest.mark.parametrize("stall", [0.0, 0.4])
@pytest.mark.parametrize("port_words", [2, 4])
def test_values_of_a_wide_port(port_words, stall, seed):
    bench = Bench(port_words=port_words, seed=seed, stall=stall, latency=seed % 3 * 15 + 1)
    transfers = random_transfers(bench.rng, 16)
    bench.run_all(transfers)
    bench.check(transfers)
    bench.check_settled()


@pytest.mark.parametrize("addr, src_addr", [(0x1000, 0), (0x1008, 1), (0x1008, 2), (0x1018, 0)])
def test_full_rate_of_a_wide_port(addr, src_addr):
    """A beat a cycle; where lanes differ, a cycle more for a burst of 32 beats."""
    bench = Bench(latency=100, port_words=4)
    transfers = [transfer(addr + 0x3000 * i, 1024, src_addr=src_addr) for i in range(4)]
    bench.run_all(transfers)
    bench.check(transfers)
    beats = bench.memory.write_beats
    assert beats[-1] - beats[0] + 1 <= 1.05 * len(beats)


def test_halt_of_a_wide_port():
    """Bursts that were issued are finished with no byte written, and nothing is left in the air."""
    bench = Bench(latency=20, port_words=4)
    transfers = [transfer(0x108 + 0x1000 * i, 200, src_addr=3) for i in range(4)]
    quiet = []

    def until(idle, error):
        quiet.append(idle and len(bench.memory.write_beats) > 60)
        return sum(quiet) > 100 and all(quiet[-100:])

    bench.run(transfers, until=until, halt_when=lambda: len(bench.memory.write_beats) > 60)
    bench.check_settled()
    written, whole = bench.memory.bytes, bench.expected(transfers)
    assert all(byte in (CANARY, right) for byte, right in zip(written, whole, strict=True))
    assert written != whole


def test_done_follows_the_last_response():
    bench = Bench(latency=100)
    transfers = [transfer(0x1000 * i, 40) for i in range(4)]  # two bursts each
    bench.run_all(transfers)
    assert bench.done == [2, 4, 6, 8]


def test_row_stride_may_be_negative():
    bench = Bench()
    transfers = [transfer(0x3000, 7, 4, -0x408, src_addr=1000, src_stride=-50)]
    bench.run_all(transfers)
    bench.check(transfers)


def test_bursts_end_at_rows_32_beats_and_4_kib():
    bench = Bench()
    bench.run_all([transfer(0x1F80, 70, 2, 0x2000)])
    assert bench.memory.bursts["aw"] == [
        (0x1F80, 16), (0x2000, 32), (0x2100, 22), (0x3F80, 16), (0x4000, 32), (0x4100, 22)]


@pytest.mark.parametrize("name, transfers", [
    ("long rows", [transfer(0x1000 + 0x2000 * i, 512, src_addr=512 * i) for i in range(3)]),
    ("unaligned long rows", [transfer(0x1018 + 0x2000 * i, 512) for i in range(3)]),
    ("rows of 13 words", [transfer(0x40, 13, 120, 8 * 29, 5, 13)]),
    ("transfers of 13 words", [transfer(0x40 + 8 * 29 * i, 13, src_addr=7 * i) for i in range(120)]),
])
def test_full_rate_with_latency_100(name, transfers):
    bench = Bench(latency=100)
    bench.run_all(transfers)
    bench.check(transfers)
    beats = bench.memory.write_beats
    assert beats[-1] - beats[0] + 1 <= 1.02 * len(beats), name
    assert beats[0] < 20, "from the first cycle"


def test_latency():
    """5 cycles from transfer to awvalid, 6 to read.valid, 2 from data to wvalid."""
    dut = WriteDma()

    async def bench(ctx):
        ctx.set(dut.window_limit, MEMORY)
        ctx.set(dut.transfer.payload, transfer(8, 1))
        ctx.set(dut.transfer.valid, 1)
        await ctx.tick()
        ctx.set(dut.transfer.valid, 0)
        await ctx.tick().repeat(3)
        assert not ctx.get(dut.axi.awvalid)
        await ctx.tick()
        assert ctx.get(dut.axi.awvalid) and not ctx.get(dut.read.valid)
        await ctx.tick()
        assert ctx.get(dut.read.valid)
        ctx.set(dut.data.valid, 1)
        await ctx.tick()
        ctx.set(dut.data.valid, 0)
        assert not ctx.get(dut.axi.wvalid)
        await ctx.tick()
        assert ctx.get(dut.axi.wvalid)

    sim = Simulator(dut)
    sim.add_clock(1e-8)
    sim.add_testbench(bench)
    sim.run()


def error_bench(**options):
    bench = Bench(**options)
    return bench, lambda transfers: bench.run(transfers, until=lambda idle, error: error and idle)


@pytest.mark.parametrize("change", [
    {"row_words": 0}, {"rows": 0}, {"addr": 0x1004}, {"row_stride": 12},
])
def test_bad_field(change):
    bench, run = error_bench(latency=20)
    good = [transfer(0x100, 40), transfer(0x800, 3)]
    run([*good, {**transfer(0x1000, 5, 2, 40), **change}, transfer(0, 5)])
    assert bench.code == ErrorCode.BAD_FIELD
    bench.check(good)  # what came before is done, and nothing else is
    assert len(bench.done) == 2


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
    assert len(bench.done) == 2


def test_window_violated_by_a_later_row():
    bench, run = error_bench(latency=20, window=(0x1000, 0x2000))
    run([transfer(0x1E00, 10, 4, 0x100)])
    assert bench.code == ErrorCode.MEMORY_RANGE
    assert bench.memory.bytes == bench.expected([transfer(0x1E00, 10, 2, 0x100)])
    assert bench.done == []


@pytest.mark.parametrize("stall", [0.0, 0.4])
def test_slave_error(stall):
    bench, run = error_bench(latency=40, failing={0x1000 // 8 + 45}, stall=stall, seed=7)
    transfers = [transfer(0x100, 40), transfer(0x1000, 100), transfer(0x2000, 300), transfer(0x3000, 1)]
    run(transfers)
    assert bench.code == ErrorCode.BUS_WRITE
    assert len(bench.done) == 1
    bench.check_settled()
    intact(bench, transfers)


def intact(bench, transfers):
    """Each word of memory is either as it was or as the transfers make it."""
    expected = bench.expected(transfers)
    canary = bytes([CANARY]) * 8
    for addr in range(0, MEMORY, 8):
        assert bench.memory.bytes[addr:addr + 8] in (canary, expected[addr:addr + 8])


def halt_and_settle(bench, transfers, halt_when):
    """Run until the block has been idle for 100 cycles after halt."""
    quiet = []

    def until(idle, error):
        quiet.append(idle and halt_when())
        return sum(quiet) > 100 and all(quiet[-100:])

    bench.run(transfers, until=until, halt_when=halt_when)


def test_halt_takes_what_the_buffer_still_answers():
    """As many words are on their way as the prefetch FIFO holds, and W is done before they come."""
    bench = Bench(buffer_latency=80, buffer_room=40)
    halt_and_settle(bench, [transfer(0, 40)], lambda: len(bench.requests) == 16)
    bench.check_settled()
    assert bench.answered == 16
    assert bench.memory.bytes == bytes([CANARY]) * MEMORY


@pytest.mark.parametrize("stall", [0.0, 0.4])
@pytest.mark.parametrize("halt_after", [0, 1, 60, 177])
def test_halt(stall, halt_after):
    bench = Bench(latency=50, stall=stall, seed=halt_after)
    transfers = [transfer(0x100, 40), transfer(0x1000, 200), transfer(0x2000, 13, 20, 8 * 17)]
    halt_and_settle(bench, transfers, lambda: len(bench.memory.write_beats) >= halt_after)
    assert not bench.error
    bench.check_settled()
    assert bench.answered == len(bench.requests), "words were left in the buffer's hands"
    intact(bench, transfers)
    written = sum(bench.memory.bytes[a:a + 8] != bytes([CANARY]) * 8 for a in range(0, MEMORY, 8))
    assert halt_after <= written <= halt_after + 4
    assert len(bench.memory.write_beats) < total(transfers), "halt came too late to mean anything"


def test_idle_does_not_wait_for_a_blocked_buffer():
    dut = WriteDma()
    memory = AxiMemory(dut.axi, MEMORY, latency=10)

    async def bench(ctx):
        ctx.set(dut.window_limit, MEMORY)
        ctx.set(dut.transfer.payload, transfer(0, 300))
        ctx.set(dut.transfer.valid, 1)
        await ctx.tick()
        ctx.set(dut.transfer.valid, 0)
        await ctx.tick().repeat(200)
        assert not ctx.get(dut.idle)
        ctx.set(dut.halt, 1)
        for _ in range(1500):
            await ctx.tick()
            if ctx.get(dut.idle):
                break
        assert ctx.get(dut.idle)
        assert memory.responses == len(memory.bursts["aw"]) > 0
        assert memory.bytes == bytes([CANARY]) * MEMORY

    sim = Simulator(dut)
    sim.add_clock(1e-8)
    sim.add_testbench(memory.run, background=True)
    sim.add_testbench(bench)
    sim.run()


@pytest.mark.parametrize("options, message", [
    ({"outstanding": 1}, "outstanding must be an integer in 2..256, not 1"),
    ({"outstanding": 257}, "outstanding must be an integer in 2..256, not 257"),
    ({"prefetch": 1}, "prefetch must be an integer of at least 2, not 1"),
])
def test_parameters(options, message):
    with pytest.raises(ValueError, match=message):
        WriteDma(**options)
