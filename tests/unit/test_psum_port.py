"""The psum port, on the banks of a real global buffer, against plain sums."""

import random
import re

import pytest
from amaranth.hdl import Module
from amaranth.lib import wiring
from amaranth.sim import Simulator

from orris_hw.config import preset
from orris_hw.gateware.global_buffer import GlobalBuffer
from orris_hw.gateware.psum_port import PsumPort

DEPTH = 16


def make(columns=1, psum_width=32, arithmetic="integer"):
    return preset("tiny").derive({
        "array": {"columns": columns},
        "data_width": 8 if arithmetic == "integer" else 16,
        "psum_width": psum_width,
        "arithmetic": arithmetic,
        "global_buffer": {"banks": max(2, columns), "depth": DEPTH},
        "networks": {"psum_bits": psum_width, "ifmap_bits": 16, "filter_bits": 16},
        "post_processing": {"lanes": 1},
    })


def expected(config, streams):
    """Finals per column, reads and writes in all, for `streams[c]` = [(psum, first, last, end)]."""
    high = 1 << (config.psum_width - 1)

    def limit(total):
        if config.arithmetic == "fixed_point":
            return max(-high, min(high - 1, total))
        return (total + high) % (2 * high) - high

    finals, reads, writes = [], 0, 0
    for psums in streams:
        bank, slot, done = {}, 0, []
        for psum, first, last, end in psums:
            total = psum if first else limit(bank.get(slot, 0) + psum)
            reads += not first
            writes += not last
            if last:
                done.append(total)
            else:
                bank[slot] = total
            slot = 0 if end else slot + 1
        finals.append(done)
    return finals, reads, writes


def random_psum(rng, config):
    high = 1 << (config.link_width - 1)
    return rng.choice((rng.randrange(-high, high), rng.randrange(-9, 10), high - 1, -high))


def runs(rng, config, count):
    """Run after run: K passes of n psums each, `first` in the first pass, `last` in the last."""
    psums = []
    while len(psums) < count:
        slots = DEPTH * config.psums_per_word
        n, passes = rng.choice((1, 1, 2, 3, 4, 5, 6, 7, rng.randint(1, slots), slots)), rng.randint(1, 5)
        psums += [(random_psum(rng, config), int(k == 0), int(k == passes - 1), int(i == n - 1))
                  for k in range(passes) for i in range(n)]
    return psums


class Bench:
    """Feeds `streams[c]` at rate `offer`, takes finals at rate `take[c]`; logs cycles.

    All columns share a queue, of which one is taken a cycle, or each has its own.
    """

    def __init__(self, config, streams, seed=0, offer=1.0, take=None, cycles=None, share=False):
        columns = len(streams)
        self.streams, self.offer, self.limit = [list(s) for s in streams], offer, cycles
        self.take = take or [1.0] * columns
        self.rng = random.Random(seed)
        self.accepted = [[] for _ in streams]  # cycles
        self.finals = [[] for _ in streams]
        self.final_cycles = [[] for _ in streams]
        self.events = [0, 0, 0]
        self.cycle = 0

        m = Module()
        m.submodules.glb = glb = GlobalBuffer(config)
        self.queues = (tuple(range(columns)),) if share else tuple((c,) for c in range(columns))
        m.submodules.port = self.port = port = PsumPort(config, self.queues)
        for c in range(columns):
            wiring.connect(m, port.bank_read[c], glb.psum_read[c])
            wiring.connect(m, port.bank_write[c], glb.psum_write[c])
            m.d.comb += port.bank_data[c].eq(glb.psum_data[c])
        simulator = Simulator(m)
        simulator.add_clock(1e-8)
        simulator.add_testbench(self._bench)
        simulator.run()

    async def _bench(self, ctx):
        port = self.port
        watched = [stream.ready for stream in port.psum]
        watched += [offer.valid for offer in port.final]
        watched += port.sums
        watched += [port.read_event, port.write_event, port.final_event]
        taken = [None] * len(self.queues)  # the column whose sum was taken in the cycle before
        shown = [None] * len(self.queues)
        valid_before = [0] * len(self.streams)
        # Until all is through, and then some for what should not come.
        due, after = sum(last for stream in self.streams for _, _, last, _ in stream), 0
        while after < 20 if self.limit is None else self.cycle < self.limit:
            for c, stream in enumerate(port.psum):
                if not ctx.get(stream.valid) and self.streams[c] and self.rng.random() < self.offer:
                    ctx.set(stream.payload, dict(
                        zip(("psum", "first", "last", "end"), self.streams[c][0], strict=True)))
                    ctx.set(stream.valid, 1)
            for queue in self.queues:
                willing = [c for c in queue if self.rng.random() < self.take[c]]
                for c in queue:
                    ctx.set(port.final[c].ready, 0)
                if willing:
                    ctx.set(port.final[self.rng.choice(willing)].ready, 1)
            offered = [ctx.get(stream.valid) for stream in port.psum]
            taking = [ctx.get(offer.ready) for offer in port.final]
            _, _, *sample = await ctx.tick().sample(*watched)
            for c, stream in enumerate(port.psum):
                if offered[c] and sample[c]:
                    self.streams[c].pop(0)
                    self.accepted[c].append(self.cycle)
                    ctx.set(stream.valid, 0)
            del sample[:len(self.streams)]
            valid, sample = sample[: len(self.finals)], sample[len(self.finals) :]
            for number, queue in enumerate(self.queues):
                value = sample.pop(0)
                if taken[number] is not None:
                    self.finals[taken[number]].append(value)
                    shown[number] = value
                assert value == shown[number] or shown[number] is None, "sum not held until the next one"
                taken[number] = next((c for c in queue if valid[c] and taking[c]), None)
                if taken[number] is not None:
                    self.final_cycles[taken[number]].append(self.cycle)
            for c in range(len(self.finals)):
                assert valid[c] or not valid_before[c], "final not held until taken"
                valid_before[c] = valid[c] and not taking[c]
            self.events = [total + event for total, event in zip(self.events, sample, strict=True)]
            self.cycle += 1
            through = not any(self.streams) and sum(map(len, self.finals)) >= due
            after = after + 1 if through else 0
            assert self.limit or self.cycle < 30000, "the port hangs"


def check(config, streams, bench):
    finals, reads, writes = expected(config, streams)
    assert bench.finals == finals
    assert bench.events == [reads, writes, sum(map(len, finals))]


@pytest.mark.parametrize("psum_width, arithmetic", [
    (16, "fixed_point"), (24, "fixed_point"), (24, "integer"), (32, "integer"), (48, "integer"),
])
@pytest.mark.parametrize("columns, share", [(1, False), (2, True), (3, False), (3, True), (4, True)])
def test_random_runs(columns, share, psum_width, arithmetic):
    seed = random.randrange(1 << 32)
    print("seed", seed)
    rng = random.Random(seed)
    config = make(columns, psum_width, arithmetic)
    streams = [runs(rng, config, rng.randint(50, 150)) for _ in range(columns)]
    take = [rng.choice((0.1, 0.4, 1)) for _ in range(columns)]
    check(config, streams, Bench(config, streams, seed, rng.choice((0.3, 0.8, 1)), take, share=share))


@pytest.mark.parametrize("columns", [1, 3])
def test_random_flags(columns):
    """Whatever the flags: each psum stands for itself."""
    seed = random.randrange(1 << 32)
    print("seed", seed)
    rng = random.Random(seed)
    config = make(columns)
    streams = []
    for _ in range(columns):
        left, psums = 0, []
        for _ in range(200):
            left = (left or rng.randint(1, 12)) - 1
            psums.append((random_psum(rng, config), rng.getrandbits(1), rng.getrandbits(1), int(left == 0)))
        streams.append(psums)
    check(config, streams, Bench(config, streams, seed))


def passes(count, n, *, first=0, last=0):
    return [(i + 1, first, last, int(i == n - 1)) for _ in range(count) for i in range(n)]


@pytest.mark.parametrize("n", [6, 7, 32])
def test_one_active_column_loses_no_cycle(n):
    config = make(3)
    streams = [[], passes(64 // n + 1, n), []]
    bench = Bench(config, streams)
    check(config, streams, bench)
    count = len(streams[1])
    assert bench.accepted[1] == list(range(count))
    # Finished at once, or after the bank: the same latency.
    for first in (0, 1):
        streams[1] = passes(3, n, first=first, last=1)
        bench = Bench(config, streams)
        check(config, streams, bench)
        assert bench.final_cycles[1] == list(range(8, 8 + 3 * n))


@pytest.mark.parametrize("n", [1, 2, 5])
def test_short_passes_wait_for_their_slots(n):
    config = make(1)
    streams = [passes(1, n, first=1) + passes(10, n) + passes(1, n, last=1)]
    check(config, streams, Bench(config, streams))
    streams = [passes(12, n, last=1)]
    bench = Bench(config, streams)
    check(config, streams, bench)
    assert bench.final_cycles[0] == [8 + 6 * k + i for k in range(12) for i in range(n)]


@pytest.mark.parametrize("columns", [2, 3, 4])
def test_columns_take_turns_burst_by_burst(columns):
    config = make(columns)
    n = 32
    streams = [passes(1, n, first=0, last=1) for _ in range(columns)]
    bench = Bench(config, streams)
    check(config, streams, bench)
    for c in range(columns):
        assert bench.final_cycles[c] == list(range(8 + c * n, 8 + (c + 1) * n))


def test_full_final_stalls_its_column_only():
    config = make(2)
    n = 32
    streams = [passes(3, n, first=1, last=1), passes(3, n) + passes(1, n, last=1)]
    bench = Bench(config, streams, take=[0.0, 1.0], cycles=300)
    assert len(bench.accepted[0]) >= config.scratchpads.psum + 2  # a burst at least
    assert len(bench.accepted[0]) < 2 * n
    assert bench.finals[1] == expected(config, streams)[0][1]
    # Column 0 has the port until its room is full; from then on column 1 has every cycle.
    assert bench.final_cycles[1][-1] <= 8 + 4 * n + len(bench.accepted[0])


@pytest.mark.parametrize("arithmetic", ["integer", "fixed_point"])
def test_rails(arithmetic):
    config = make(1, 24, arithmetic).derive({"array": {"rows": 16}})  # links as wide as the sums
    top, bottom = (1 << 23) - 1, -(1 << 23)
    pairs = [(top, 1), (top, top), (bottom, -1), (bottom, bottom), (top, bottom), (top - 1, 1), (bottom, 0)]
    streams = [[(a, 1, 0, int(i == len(pairs) - 1)) for i, (a, _) in enumerate(pairs)]
               + [(b, 0, 1, int(i == len(pairs) - 1)) for i, (_, b) in enumerate(pairs)]]
    bench = Bench(config, streams)
    check(config, streams, bench)
    if arithmetic == "fixed_point":
        assert bench.finals[0] == [top, top, bottom, bottom, -1, top, bottom]
    else:
        assert bench.finals[0] == [bottom, -2, top, 0, -1, top, bottom]


@pytest.mark.parametrize("queues", [(), ((),), ((1,),), ((0,), (0, 1)), ((0, 1), ())])
def test_bad_queues(queues):
    with pytest.raises(ValueError, match=f"queues must be of the columns .* not {re.escape(repr(queues))}"):
        PsumPort(make(), queues)
