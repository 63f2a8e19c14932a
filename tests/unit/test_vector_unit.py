"""VectorUnit: random VECTOR commands with random stalls, against the numpy model."""

import random

import numpy as np
import pytest

from orris_hw.commands import VECTOR
from orris_hw.config import preset
from orris_hw.gateware.vector_unit import VectorUnit
from orris_hw.gateware.vector_walk import VectorWalk
from stream_bench import Bench
from vector_model import VectorModel, random_vector

WORDS = 256
TINY = preset("tiny")
CONFIGS = {
    "one lane": TINY.derive({"vector": {"lanes": 1}}),
    "two lanes": TINY,
    "eight lanes": TINY.derive({"vector": {"lanes": 8}}),
    "int16": preset("eyeriss-v1").derive({"vector": {"lanes": 2}}),
    "int16, wide psums": preset("eyeriss-v1").derive({
        "arithmetic": "integer", "psum_width": 48, "vector": {"lanes": 4},
    }),
}  # fmt: skip


class Machine:
    """A vector unit on a buffer of `WORDS` words; commands are (index, fields)."""

    def __init__(self, config, seed, commands, **options):
        rng = np.random.default_rng(seed)
        self.model = VectorModel(config, rng.integers(-(1 << 63), (1 << 63) - 1, WORDS, dtype=np.int64))
        self.buffer = self.model.buffer.copy()
        self.commands = commands
        self.dut = VectorUnit(config)
        self.bench = bench = Bench(self.dut, seed, **options)
        self.taken = bench.source(self.dut.commands, [
            {"index": 7 * n, "command": {"opcode": VECTOR.opcode} | fields}
            for n, fields in enumerate(commands)
        ])  # fmt: skip
        self.reads = bench.memory(self.dut.read, lambda address: int(self.buffer[address]) % (1 << 64))
        self.writes = bench.sink(self.dut.write)
        self.waits = bench.grants(self.dut.wait)
        self.gifts = bench.gifts(self.dut.signal)
        bench.background(self._store)

    async def _store(self, ctx):
        done = 0
        async for _ in ctx.tick():
            for _, write in self.writes[done:]:
                word = self.buffer[write["addr"] : write["addr"] + 1].view(np.uint8)
                data = write["data"].to_bytes(8, "little")
                for k in range(8):
                    if write["mask"] >> k & 1:
                        word[k] = data[k]
            done = len(self.writes)

    def run(self):
        self.bench.run(lambda: len(self.gifts) == 3 * len(self.commands), limit=60_000)
        return self


@pytest.mark.parametrize("case", range(4))
@pytest.mark.parametrize("config", CONFIGS.values(), ids=CONFIGS)
def test_random_commands(config, case, seed):
    rng = random.Random(seed)
    commands = [random_vector(rng, config, WORDS) for _ in range(8)]
    for n, fields in enumerate(commands):
        fields |= {name: rng.randrange(16) for name in ("wait_a", "wait_b", "wait_out")}
        fields |= {name: rng.randrange(16) for name in ("signal_a", "signal_b", "signal_out")}
        if n == 0 or commands[n - 1]["last"]:
            fields["first"] = 1
    machine = Machine(config, seed, commands).run()
    for fields in commands:
        machine.model.run(fields)
    assert machine.buffer.tolist() == machine.model.buffer.tolist()
    assert [address for _, address in machine.reads] == machine.model.read
    assert [write["addr"] for _, write in machine.writes] == machine.model.written
    for port, names in ((machine.waits, "wait"), (machine.gifts, "signal")):
        want = [f[f"{names}_{name}"] for f in commands for name in ("a", "b", "out")]
        assert [token[1] for token in port] == want


def test_tokens_enclose_the_work(seed):
    """Nothing is read before the last token is taken, and tokens are given after the last write."""
    rng = random.Random(seed)
    commands = [random_vector(rng, TINY, WORDS) | {"first": 1, "last": 1} for _ in range(3)]
    machine = Machine(TINY, seed, commands).run()
    reads, writes = iter(machine.reads), iter(machine.writes)
    for n, f in enumerate(commands):
        places = f["planes"] * f["rows"] * f["columns"]
        granted, given = machine.waits[3 * n + 2][0], machine.gifts[3 * n][0]
        assert all(next(reads)[0] > granted for _ in range(places * f["R"] * f["S"]))
        assert all(next(writes)[0] < given for _ in range(places))


@pytest.mark.parametrize("lanes, op, window, per_place", [
    (1, 0, (2, 3), 6), (1, 3, (1, 1), 1), (2, 1, (2, 2), 7), (4, 1, (2, 3), 7), (4, 2, (2, 1), 3),
    (8, 2, (2, 1), 2), (1, 1, (1, 1), 8),
])  # fmt: skip
def test_throughput(lanes, op, window, per_place, seed):
    """A tap per cycle, and what the lanes take more than one cycle for a word."""
    config = TINY.derive({"vector": {"lanes": lanes}})
    command = {
        "op": op, "first": 1, "last": 1, "planes": 1, "rows": 4, "columns": 20,
        "R": window[0], "S": window[1], "source_tap_stride": 3,
        "source_column_stride": 1, "source_row_stride": 1, "target": 100,
        "target_column_stride": 1, "target_row_stride": 20, "mask": 255, "act_max": 1, "rounding": 1,
    }  # fmt: skip
    machine = Machine(config, seed, [command], stalls=(0.0,)).run()
    cycles = machine.gifts[0][0] - machine.waits[2][0]
    assert 0 <= cycles - 80 * per_place <= 40


@pytest.mark.parametrize("taps, broken_off", [(16, False), (17, True), (18, True)])
def test_a_walk_that_is_too_long_is_broken_off(taps, broken_off):
    dut = VectorWalk(4)
    bench = Bench(dut, 0)
    walked = bench.sink(dut.o)
    counts = {"planes": 1, "rows": 1, "columns": taps, "R": 1, "S": 1, "last": 1, "source_column_stride": 3}

    ended = []

    async def start(ctx):
        ctx.set(dut.command, counts)
        ctx.set(dut.start, 1)
        await ctx.tick()
        ctx.set(dut.start, 0)
        await ctx.tick().repeat(400)
        ended.append(ctx.get(dut.broken_off))

    bench.background(start)
    bench.run(lambda: ended, limit=500)
    assert [tap["source"] for _, tap in walked] == [3 * n for n in range(16)]
    assert ended == [broken_off]
