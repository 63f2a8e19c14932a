"""The global buffer against a model of what each read may return."""

import random

import pytest
from amaranth.sim import Simulator

from orris_hw.config import preset
from orris_hw.gateware.global_buffer import PSUM_READ_LATENCY, READ_CLIENTS, WRITE_CLIENTS, GlobalBuffer

BANKS, DEPTH, COLUMNS = 5, 16, 3
WORDS = BANKS * DEPTH
LATENCY = 7  # request to response


def make(banks=BANKS, depth=DEPTH, columns=COLUMNS):
    config = preset("tiny").derive({
        "array": {"columns": columns},
        "global_buffer": {"banks": banks, "depth": depth},
        "post_processing": {"lanes": 1},
    })
    return GlobalBuffer(config)


def merge(old, new, mask):
    bytes_set = sum(255 << 8 * k for k in range(8) if mask >> k & 1)
    return old & ~bytes_set | new & bytes_set


class Bench:
    """Drives every port from queues at given rates; logs what was accepted, when.

    `requests[client]`: addresses; `writes[client]`: (addr, data, mask). `psum(cycle)`: (reads, writes) of a
    cycle as {column: offset} and {column: (offset, data, mask)}.
    """

    def __init__(self, dut, seed, requests=None, writes=None, psum=None, offer=1.0, take=1.0):
        self.dut, self.rng = dut, random.Random(seed)
        self.requests = {name: list((requests or {}).get(name, ())) for name in READ_CLIENTS}
        self.writes = {name: list((writes or {}).get(name, ())) for name in WRITE_CLIENTS}
        self.expected = {name: len(queue) for name, queue in self.requests.items()}
        self.psum = psum or (lambda cycle: ({}, {}))
        self.offer, self.take = offer, take
        self.accepted = {name: [] for name in (*READ_CLIENTS, *WRITE_CLIENTS)}  # (cycle, what)
        self.responses = {name: [] for name in READ_CLIENTS}  # (cycle, word)
        self.psum_reads, self.psum_writes, self.psum_data = [], [], {}  # (cycle, column, ...)
        self.errors = 0
        self.cycle = 0

    def rate(self, which, name):
        value = getattr(self, which)
        return value.get(name, 1.0) if isinstance(value, dict) else value

    def run(self, cycles=None):
        """Run until every queue is through, or for so many cycles."""
        simulator = Simulator(self.dut)
        simulator.add_clock(1e-8)
        self.limit = cycles
        simulator.add_testbench(self._bench)
        simulator.run()
        return self

    def _drive(self, ctx, port, name, queue, fields):
        if not ctx.get(port.valid) and queue and self.rng.random() < self.rate("offer", name):
            ctx.set(port.payload, fields(queue[0]))
            ctx.set(port.valid, 1)

    async def _bench(self, ctx):
        dut = self.dut
        reads = {name: getattr(dut, name) for name in READ_CLIENTS}
        writes = {name: getattr(dut, name) for name in WRITE_CLIENTS}
        watched = [dut.address_error]
        for port in reads.values():
            watched += [port.req.ready, port.resp.valid, port.resp.payload]
        watched += [port.ready for port in writes.values()]
        watched += list(dut.psum_data)
        idle = 0
        while idle < 20 if self.limit is None else self.cycle < self.limit:
            for name, port in reads.items():
                self._drive(ctx, port.req, name, self.requests[name], lambda addr: addr)
                taken = name == "store_read" or self.rng.random() < self.rate("take", name)
                ctx.set(port.resp.ready, taken)
            for name, port in writes.items():
                self._drive(ctx, port, name, self.writes[name],
                            lambda w: {"addr": w[0], "data": w[1], "mask": w[2]})
            psum_reads, psum_writes = self.psum(self.cycle)
            for j in range(dut.columns):
                ctx.set(dut.psum_read[j].en, j in psum_reads)
                ctx.set(dut.psum_read[j].offset, psum_reads.get(j, 0))
                ctx.set(dut.psum_write[j].en, j in psum_writes)
                for field, value in zip(("offset", "data", "mask"), psum_writes.get(j, ()), strict=False):
                    ctx.set(getattr(dut.psum_write[j], field), value)
            self.psum_reads += [(self.cycle, j, offset) for j, offset in psum_reads.items()]
            self.psum_writes += [(self.cycle, j, *write) for j, write in psum_writes.items()]

            offered = {name: ctx.get(port.req.valid) for name, port in reads.items()}
            offered |= {name: ctx.get(port.valid) for name, port in writes.items()}
            taking = {name: ctx.get(port.resp.ready) for name, port in reads.items()}
            _, _, error, *sample = await ctx.tick().sample(*watched)
            self.errors += error
            for name, port in reads.items():
                ready, valid, payload = sample[:3]
                del sample[:3]
                if offered[name] and ready:
                    self.accepted[name].append((self.cycle, self.requests[name].pop(0)))
                    ctx.set(port.req.valid, 0)
                if valid and taking[name]:
                    self.responses[name].append((self.cycle, payload))
            for name, port in writes.items():
                ready = sample.pop(0)
                if offered[name] and ready:
                    self.accepted[name].append((self.cycle, self.writes[name].pop(0)))
                    ctx.set(port.valid, 0)
            for j, word in enumerate(sample):
                self.psum_data[self.cycle, j] = word
            self.cycle += 1
            through = not any(self.requests.values()) and not any(self.writes.values()) and all(
                len(self.responses[name]) == count for name, count in self.expected.items())
            idle = idle + 1 if through else 0
            assert self.limit or self.cycle < 20000, "the buffer hangs"

    def history(self):
        """Per address: [(cycle accepted, word from then on)], in order. Needs one writer per address."""
        events = [(cycle, write) for name in WRITE_CLIENTS for cycle, write in self.accepted[name]]
        events += [(cycle, (j * self.dut.depth + offset, value, mask))
                   for cycle, j, offset, value, mask in self.psum_writes]
        states = {}
        for cycle, (addr, value, mask) in sorted(events):
            if addr < self.dut.banks * self.dut.depth:
                past = states.setdefault(addr, [(-1, 0)])
                past.append((cycle, merge(past[-1][1], value, mask)))
        return states

    def check_reads(self):
        states = self.history()
        for name in READ_CLIENTS:
            assert len(self.responses[name]) == len(self.accepted[name])
            both = zip(self.accepted[name], self.responses[name], strict=True)
            for (asked, addr), (answered, word) in both:
                past = states.get(addr, [(-1, 0)])
                current = max(k for k, (cycle, _) in enumerate(past) if cycle < asked)
                allowed = {value for k, (cycle, value) in enumerate(past)
                           if k == current or asked <= cycle < answered}
                assert word in allowed, f"{name} of word {addr}, cycles {asked} to {answered}"


def random_traffic(rng, count):
    """post writes even, load odd offsets below 12; offsets from 12 up belong to the psum ports.

    Some addresses are outside.
    """
    def addr(parity):
        return rng.randrange(BANKS) * DEPTH + rng.randrange(parity, 12, 2)

    def or_outside(inside):
        return rng.randrange(WORDS, 1 << 20) if rng.random() < 0.1 else inside

    requests = {name: [or_outside(rng.randrange(WORDS)) for _ in range(count)] for name in READ_CLIENTS}
    writes = {name: [(or_outside(addr(parity)), rng.getrandbits(64), rng.choice((255, rng.getrandbits(8))))
                     for _ in range(count)] for parity, name in enumerate(WRITE_CLIENTS)}
    return requests, writes


@pytest.mark.parametrize("offer, take", [(1, 1), (0.5, 1), (1, 0.4), (0.3, 0.3)])
def test_random_clients(offer, take):
    seed = random.randrange(1 << 32)
    print("seed", seed)
    rng = random.Random(seed)
    requests, writes = random_traffic(rng, 150)
    outside = sum(addr >= WORDS for queue in requests.values() for addr in queue)
    outside += sum(addr >= WORDS for queue in writes.values() for addr, _, _ in queue)
    busy = rng.choice((0.1, 0.5, 0.9))

    def psum(cycle):
        reads = {j: rng.randrange(12, DEPTH) for j in range(COLUMNS) if rng.random() < busy}
        written = {j: (rng.randrange(12, DEPTH), rng.getrandbits(64), rng.getrandbits(8))
                   for j in range(COLUMNS) if rng.random() < busy}
        return reads, written

    bench = Bench(make(), seed, requests, writes, psum, offer, take).run()
    bench.check_reads()
    assert bench.errors <= outside and (bench.errors > 0) == (outside > 0)  # several at once raise it once
    # Psum ports: exact word, exact latency, but for bytes written in the next cycle.
    states = bench.history()
    written = {(cycle, j, offset): mask for cycle, j, offset, _, mask in bench.psum_writes}
    for cycle, j, offset in bench.psum_reads:
        if cycle + PSUM_READ_LATENCY < bench.cycle:
            past = states.get(j * DEPTH + offset, [(-1, 0)])
            expected = [value for when, value in past if when <= cycle][-1]
            got = bench.psum_data[cycle + PSUM_READ_LATENCY, j]
            assert merge(got, expected, written.get((cycle + 1, j, offset), 0)) == expected


@pytest.mark.parametrize("offer", [0.3, 1])
@pytest.mark.parametrize("same_bank", [False, True])
def test_read_after_accepted_write_is_new(same_bank, offer):
    """Writes are held off by the psum port; reads of the same words follow at once."""
    seed = random.randrange(1 << 32)
    print("seed", seed)
    rng = random.Random(seed)
    addrs = [rng.randrange(3) + (0 if same_bank else rng.randrange(BANKS) * DEPTH) for _ in range(300)]
    writes = {"load_write": [(addr, rng.getrandbits(64), 255) for addr in addrs]}
    requests = {name: addrs for name in READ_CLIENTS}

    def psum(cycle):
        return {}, {j: (15, 0, 255) for j in range(COLUMNS) if rng.random() < 0.6}

    Bench(make(), seed, requests, writes, psum, {"load_write": offer}).run().check_reads()


def test_full_throughput_without_conflict():
    """Five clients, each in its own bank, and the psum ports of the other banks: nobody loses a cycle."""
    banks, depth, columns, count = 9, 64, 4, 64
    area = {name: [(columns + k) * depth + i for i in range(count)]
            for k, name in enumerate((*READ_CLIENTS, *WRITE_CLIENTS))}
    bench = Bench(
        make(banks, depth, columns), 0,
        {name: area[name] for name in READ_CLIENTS},
        {name: [(addr, addr * 0x0101010101, 255) for addr in area[name]] for name in WRITE_CLIENTS},
        lambda cycle: ({j: cycle % depth for j in range(columns)},
                       {j: ((cycle + 9) % depth, cycle, 255) for j in range(columns)}),
    ).run()
    bench.check_reads()
    for name in (*READ_CLIENTS, *WRITE_CLIENTS):
        assert bench.accepted[name][-1][0] == count - 1
    for name in READ_CLIENTS:
        assert bench.responses[name][0][0] == LATENCY
        assert bench.responses[name][-1][0] == LATENCY + count - 1


def test_full_throughput_across_banks():
    """One reader and one writer through all banks, one word behind the other."""
    seed = 1
    writes = {"load_write": [(addr, addr * 3 + 1, 255) for addr in range(WORDS)]}
    bench = Bench(make(), seed, {"filter_read": range(WORDS)}, writes).run()
    bench.check_reads()
    # The reader asks for the word being written: it waits a cycle once, then never again.
    assert bench.accepted["load_write"][-1][0] == WORDS - 1
    assert bench.responses["filter_read"][-1][0] <= LATENCY + WORDS


def test_read_priority():
    """All readers want bank 4: the ifmap feeder, then the filter feeder, then the store."""
    count = 40
    bench = Bench(make(), 0, {name: [64 + i % 16 for i in range(count)] for name in READ_CLIENTS}).run()
    times = {name: [cycle for cycle, _ in bench.responses[name]] for name in READ_CLIENTS}
    assert times["ifmap_read"] == list(range(LATENCY, LATENCY + count))
    assert times["filter_read"] == list(range(LATENCY + count, LATENCY + 2 * count))
    assert times["store_read"] == list(range(LATENCY + 2 * count, LATENCY + 3 * count))


def test_write_priority():
    count = 40
    writes = {name: [(64 + i % 16, i + 1, 255) for i in range(count)] for name in WRITE_CLIENTS}
    bench = Bench(make(), 0, writes=writes).run()
    post, load = ([cycle for cycle, _ in bench.accepted[name]] for name in WRITE_CLIENTS)
    assert post == list(range(count))
    assert load[:2] == [0, 1] and load[2] >= count and load[-1] <= 2 * count + 1


def test_psum_port_comes_first():
    """A bank whose psum port is used every cycle serves nobody else, the other banks do."""
    bench = Bench(
        make(), 0, {"ifmap_read": [0] * 4, "filter_read": range(16, 32)},
        {"post_write": [(1, 1, 255)] * 4, "load_write": [(addr, 1, 255) for addr in range(48, 64)]},
        lambda cycle: ({0: 3}, {0: (5, cycle, 255)}),
    ).run(cycles=60)
    assert not bench.responses["ifmap_read"]
    assert len(bench.accepted["post_write"]) == 2  # both in the client's buffer
    assert len(bench.accepted["load_write"]) == 16
    # Reads wait for a write that is being refused: they might be meant to see it.
    bench = Bench(make(), 0, {"ifmap_read": [0] * 4, "filter_read": range(16, 32)},
                  psum=lambda cycle: ({0: 3}, {0: (5, cycle, 255)})).run(cycles=60)
    assert not bench.responses["ifmap_read"]
    assert len(bench.responses["filter_read"]) == 16


def test_blocked_response_blocks_nobody_else():
    bench = Bench(make(), 0, {name: range(60) for name in READ_CLIENTS}, take={"ifmap_read": 0.0}).run(200)
    assert 16 <= len(bench.accepted["ifmap_read"]) <= 20
    assert len(bench.responses["filter_read"]) == len(bench.responses["store_read"]) == 60


@pytest.mark.parametrize("banks, depth", [(5, 16), (4, 32), (2, 4096)])
def test_address_error(banks, depth):
    words = banks * depth
    outside = [words, words + 1, (1 << 20) - 1, 1 << 19]
    inside = [0, words - 1, depth]
    dut = make(banks, depth, 1)
    Bench(dut, 0)
    order = [inside[0], *outside[:2], inside[1], *outside[2:], inside[2]]
    writes = {"load_write": [(addr, addr + 1, 255) for addr in order]}
    bench = Bench(dut, 0, {}, writes).run()
    assert len(bench.accepted["load_write"]) == len(order)
    assert bench.errors == len(outside)

    dut = make(banks, depth, 1)
    writes = {"post_write": [(addr, addr + 1, 255) for addr in inside]}
    bench = Bench(dut, 0, {"store_read": inside + order}, writes).run()
    assert bench.errors == len(outside)
    assert [word for _, word in bench.responses["store_read"]][3:] == [
        addr + 1 if addr in inside else 0 for addr in order]


def test_addresses_wrap_without_checks():
    """Bits of an address beyond the buffer's do not count, for order between reads and writes either."""
    config = preset("tiny").derive({
        "array": {"columns": 1}, "global_buffer": {"banks": 2, "depth": 16}, "post_processing": {"lanes": 1},
        "control": {"checks": False},
    })
    writes = {"load_write": [(addr + 32 * (addr % 3), 7 * addr + 1, 255) for addr in range(32)]}
    bench = Bench(GlobalBuffer(config), 0, {}, writes).run()
    assert bench.errors == 0
    dut = GlobalBuffer(config)
    bench = Bench(dut, 0, {"store_read": [32 * (addr % 5) + addr for addr in range(32)] * 2}, writes).run()
    assert bench.errors == 0
    assert [word for _, word in bench.responses["store_read"]][32:] == [7 * addr + 1 for addr in range(32)]


def test_one_column_and_two_banks():
    rng = random.Random(5)
    words = 2 * 16
    writes = {"load_write": [(addr, rng.getrandbits(64), 255) for addr in range(words)]}
    bench = Bench(make(2, 16, 1), 5, {name: range(words) for name in READ_CLIENTS}, writes).run()
    bench.check_reads()
