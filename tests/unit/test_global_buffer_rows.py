"""The global buffer behind a wide memory port: rows for those next to memory, words for others."""

import random

import pytest

from orris_hw.config import preset
from orris_hw.gateware.global_buffer import PSUM_READ_LATENCY, GlobalBuffer
from stream_bench import Bench

BANKS, DEPTH, COLUMNS = 4, 16, 3
WORDS = BANKS * DEPTH


def make(lanes):
    return GlobalBuffer(
        preset("tiny").derive({
            "array": {"columns": COLUMNS}, "global_buffer": {"banks": BANKS, "depth": DEPTH},
            "memory": {"port_bits": 64 * lanes},
        })
    )


def set_bytes(words, at, data, mask):
    """Byte k of the words from `at` on becomes that of `data` where `mask` has bit k."""
    for k in range(mask.bit_length()):
        if mask >> k & 1:
            lane, byte = divmod(k, 8)
            keep = words[at + lane] & ~(255 << 8 * byte)
            words[at + lane] = keep | (data >> 8 * k & 255) << 8 * byte


async def put(ctx, port, payload):
    ctx.set(port.payload, payload)
    ctx.set(port.valid, 1)
    await ctx.tick().until(port.ready)
    ctx.set(port.valid, 0)


async def get(ctx, port, address):
    """Asks for an address and takes the answer."""
    await put(ctx, port.req, address)
    ctx.set(port.resp.ready, 1)
    (answer,) = await ctx.tick().sample(port.resp.payload).until(port.resp.valid)
    ctx.set(port.resp.ready, 0)
    return answer


@pytest.mark.parametrize("lanes", [2, 4])
def test_rows_and_words_are_the_same_memory(lanes, seed):
    """Writes of all kinds in any order, each read back at once by clients of all kinds."""
    rng = random.Random(seed)
    dut = make(lanes)
    bench = Bench(dut, seed)
    words, passed = [0] * WORDS, []

    async def write(ctx):
        kind = rng.choice(("load", "post", "psum"))
        at, bits = rng.randrange(WORDS), 64
        if kind == "load":
            at, bits = at - at % lanes, 64 * lanes
        if kind == "psum":
            at = rng.randrange(COLUMNS * DEPTH)
        data, mask = rng.getrandbits(bits), rng.getrandbits(bits // 8)
        set_bytes(words, at, data, mask)
        if kind == "psum":
            port = dut.psum_write[at // DEPTH]
            for name, value in (("offset", at % DEPTH), ("data", data), ("mask", mask), ("en", 1)):
                ctx.set(getattr(port, name), value)
            await ctx.tick()
            ctx.set(port.en, 0)
        else:
            await put(ctx, dut.load_write if kind == "load" else dut.post_write,
                      {"addr": at, "data": data, "mask": mask})
        return at

    async def check(ctx, at):
        row = at - at % lanes
        whole = sum(words[row + lane] << 64 * lane for lane in range(lanes))
        assert await get(ctx, dut.store_read, rng.randrange(row, row + lanes)) == whole
        assert await get(ctx, rng.choice((dut.ifmap_read, dut.filter_read)), at) == words[at]
        if at < COLUMNS * DEPTH:
            port = dut.psum_read[at // DEPTH]
            ctx.set(port.offset, at % DEPTH)
            ctx.set(port.en, 1)
            await ctx.tick()
            ctx.set(port.en, 0)
            await ctx.tick().repeat(PSUM_READ_LATENCY - 1)
            assert ctx.get(dut.psum_data[at // DEPTH]) == words[at]

    async def run(ctx):
        for at in range(0, WORDS, lanes):  # memory comes up as anything
            await put(ctx, dut.load_write, {"addr": at, "data": 0, "mask": -1})
        for _ in range(150):
            at = await write(ctx)
            await check(ctx, min(max(0, at + rng.randrange(-1, lanes)), WORDS - 1))
        passed.append(True)

    bench.background(run)
    bench.run(lambda: passed)


def test_the_read_of_a_row_waits_for_a_word_of_it_to_be_written(seed):
    """A word that was accepted, while its bank is busy with psums, is in any row read after it."""
    dut = make(4)
    bench = Bench(dut, seed)
    got = []

    async def run(ctx):
        await put(ctx, dut.load_write, {"addr": 0, "data": 0, "mask": -1})
        await ctx.tick().repeat(4)  # that is written before the bank is busy
        psums = dut.psum_write[0]
        for name, value in (("offset", DEPTH - 1), ("mask", 1), ("en", 1)):
            ctx.set(getattr(psums, name), value)
        await put(ctx, dut.post_write, {"addr": 2, "data": 7, "mask": 0xFF})
        await put(ctx, dut.store_read.req, 0)
        await ctx.tick().repeat(20)
        ctx.set(psums.en, 0)
        ctx.set(dut.store_read.resp.ready, 1)
        got.extend(await ctx.tick().sample(dut.store_read.resp.payload).until(dut.store_read.resp.valid))

    bench.background(run)
    bench.run(lambda: got)
    assert got == [7 << 128]
