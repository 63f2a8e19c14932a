"""LoadUnit and StoreUnit: transfers, tokens and order of random commands against a list per plane."""

import random
from collections import deque

import pytest

from orris_hw.gateware.read_dma import Destination
from orris_hw.gateware.transfer_units import IN_FLIGHT, LoadUnit, StoreUnit
from stream_bench import Bench

WORD = 1 << 32


def random_command(rng, kind, opcode):
    bits = {
        "address": 32, "row_words": 16, "rows": 16, "row_stride": 32, "plane_stride": 32,
        "buffer_address": 20, "buffer_row_stride": 20, "buffer_plane_stride": 20,
    }  # fmt: skip
    command = {name: rng.getrandbits(width) for name, width in bits.items()} | {
        "opcode": opcode, "wait": rng.choice((0, rng.randint(1, 15))),
        "signal": rng.choice((0, rng.randint(1, 15))), "planes": rng.choice((1, 2, rng.randint(1, 9))),
    }  # fmt: skip
    if kind is LoadUnit:
        ring = rng.choice((0, 1, rng.randint(1, 5)))
        command |= {
            "each": rng.randint(0, 1), "parameters": rng.randint(0, 1), "ring": ring,
            "ring_start": rng.randrange(ring) if ring else rng.choice((0, 3)),
        }  # fmt: skip
    return command


def planes(command):
    """The transfer of each plane, whether a token is taken before it, and the semaphore told after it."""
    ring, start = command.get("ring", 0), command.get("ring_start", 0)
    each = command.get("each", 0)
    for plane in range(command["planes"]):
        place = (start + plane) % ring if ring else start + plane
        at = (command["buffer_address"] + place * command["buffer_plane_stride"]) % (1 << 20)
        transfer = {
            "addr": (command["address"] + plane * command["plane_stride"]) % WORD,
            "row_words": command["row_words"], "rows": command["rows"], "row_stride": command["row_stride"],
        }  # fmt: skip
        if "ring" in command:
            dest = Destination.PARAMETERS if command["parameters"] else Destination.GLB
            transfer |= {"dest": int(dest), "dest_addr": at, "dest_stride": command["buffer_row_stride"]}
        else:
            transfer |= {"src_addr": at, "src_stride": command["buffer_row_stride"]}
        final = plane == command["planes"] - 1
        yield transfer, each or plane == 0, command["signal"] if each or final else 0


class Engine:
    """Stands for the DMA: takes transfers, and says of the oldest that it is done, some time later."""

    def __init__(self, bench, dut, rng, pause=0.6):
        self.transfers = bench.sink(dut.transfer)
        self.done, self.wrong = [], []

        async def run(ctx):
            while True:
                oldest = len(self.done) < len(self.transfers)
                finish = oldest and rng.random() > pause
                ctx.set(dut.done, finish)
                if oldest and ctx.get(dut.index) != self.indices[len(self.done)]:
                    self.wrong.append((bench.cycle, ctx.get(dut.index)))
                if oldest and ctx.get(dut.idle):
                    self.wrong.append((bench.cycle, "idle"))
                await ctx.tick()
                if finish:
                    self.done.append(bench.cycle)

        self.indices = []
        bench.background(run)


@pytest.mark.parametrize("kind", [LoadUnit, StoreUnit])
@pytest.mark.parametrize("case", range(4))
def test_random_commands(kind, case, seed):
    rng = random.Random(seed)
    dut = kind()
    bench = Bench(dut, seed)
    commands = [random_command(rng, kind, opcode=2 if kind is StoreUnit else 1) for _ in range(15)]
    indexed = [{"index": rng.getrandbits(32), "command": command} for command in commands]
    bench.source(dut.commands, indexed)
    engine = Engine(bench, dut, rng, pause=rng.choice((0.0, 0.6, 0.95)))
    grants, gifts = bench.grants(dut.wait), bench.gifts(dut.signal)
    expected = [(index, plane) for index, command in enumerate(commands) for plane in planes(command)]
    engine.indices = [indexed[index]["index"] for index, _ in expected]
    bench.run(lambda: len(engine.done) == len(expected))

    assert [transfer for _, transfer in engine.transfers] == [transfer for _, (transfer, _, _) in expected]
    assert not engine.wrong
    # Tokens: each taken after the plane before was handed over and before its own is.
    waits = [(i, commands[index]["wait"]) for i, (index, (_, waits, _)) in enumerate(expected) if waits]
    assert [semaphore for _, semaphore in grants] == [semaphore for _, semaphore in waits]
    for (i, _), (cycle, _) in zip(waits, grants, strict=True):
        assert cycle < engine.transfers[i][0]
        assert i == 0 or engine.transfers[i - 1][0] < cycle
    given = [(cycle, signal) for cycle, (_, (_, _, signal)) in zip(engine.done, expected, strict=True)]
    assert [gift for gift in gifts if gift[1]] == [g for g in given if g[1]]


@pytest.mark.parametrize("kind", [LoadUnit, StoreUnit])
def test_runs_ahead_and_becomes_idle(kind, seed):
    """Up to `IN_FLIGHT` transfers are under way; idle is only before the first and after the last."""
    rng = random.Random(seed)
    dut = kind()
    bench = Bench(dut, seed, stalls=(0.0,))
    command = random_command(rng, kind, 1) | {"planes": IN_FLIGHT + 3, "wait": 0}
    if kind is LoadUnit:
        command |= {"ring_start": 0, "ring": 0}
    bench.source(dut.commands, [{"index": 9, "command": command}])
    transfers = bench.sink(dut.transfer)
    bench.grants(dut.wait)
    seen = deque()

    async def watch(ctx):
        assert ctx.get(dut.idle)
        await ctx.tick().until(dut.commands.valid & dut.commands.ready)
        for _ in range(150):
            assert not ctx.get(dut.idle)
            await ctx.tick()
        assert len(transfers) == IN_FLIGHT
        for _ in range(IN_FLIGHT + 3):
            assert not ctx.get(dut.idle)
            ctx.set(dut.done, 1)
            await ctx.tick()
            ctx.set(dut.done, 0)
            await ctx.tick().repeat(8)
        assert ctx.get(dut.idle)
        seen.append(True)

    bench.background(watch)
    bench.run(lambda: bool(seen))
    assert len(transfers) == IN_FLIGHT + 3


def test_waits_for_its_token(seed):
    dut = LoadUnit()
    bench = Bench(dut, seed, stalls=(0.0,))
    command = random_command(random.Random(seed), LoadUnit, 1) | {"planes": 3, "wait": 5, "each": 1}
    bench.source(dut.commands, [{"index": 0, "command": command}])
    transfers = bench.sink(dut.transfer)
    grants = bench.grants(dut.wait, allowed=lambda: bench.cycle > 100 * (len(grants) + 1))
    bench.run(lambda: len(transfers) == 3)
    assert all(100 * (i + 1) < cycle for i, (cycle, _) in enumerate(transfers))
