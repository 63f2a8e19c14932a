"""ReadShare, ReadAhead and WriteShare: each client gets its own words, in order, whoever stalls."""

import random

import pytest
from amaranth.sim import Simulator

from orris_hw.gateware.glb_share import ReadAhead, ReadShare, WriteShare
from stream_bench import Bench


@pytest.mark.parametrize("case", range(6))
def test_reads(case, seed):
    rng = random.Random(seed)
    dut = ReadShare()
    bench = Bench(dut, seed)
    asked = [[rng.randrange(1 << 20) for _ in range(rng.randint(0, 150))] for _ in range(2)]
    for client, addresses in zip((dut.first, dut.second), asked, strict=True):
        bench.source(client.req, addresses)
    got = [bench.sink(client.resp, stalls=False) for client in (dut.first, dut.second)]
    served = bench.memory(dut.port, lambda address: address ^ 0xABCDE << 30)
    bench.run(lambda: [len(words) for words in got] == [len(addresses) for addresses in asked])
    assert [[word for _, word in words] for words in got] == [
        [address ^ 0xABCDE << 30 for address in addresses] for addresses in asked
    ]
    assert sorted(address for _, address in served) == sorted(asked[0] + asked[1])


def test_rows_for_the_first_and_words_for_the_second(seed):
    """With rows of four words the first client gets them whole, the second the word it asked for."""
    rng = random.Random(seed)
    dut = ReadShare(4)
    bench = Bench(dut, seed)
    asked = [[rng.randrange(1 << 20) for _ in range(80)] for _ in range(2)]
    for client, addresses in zip((dut.first, dut.second), asked, strict=True):
        bench.source(client.req, addresses)
    got = [bench.sink(client.resp, stalls=False) for client in (dut.first, dut.second)]

    def row(address):
        return sum((address - address % 4 + lane) << 64 * lane for lane in range(4))

    bench.memory(dut.port, row)
    bench.run(lambda: [len(words) for words in got] == [80, 80])
    assert [row for _, row in got[0]] == [row(address) for address in asked[0]]
    assert [word for _, word in got[1]] == asked[1]


def test_the_first_reader_goes_first():
    """With both asking all the time, the second one waits; afterwards it gets a word per cycle."""
    dut = ReadShare()
    bench = Bench(dut, 1, stalls=(0.0,))
    bench.source(dut.first.req, range(50))
    bench.source(dut.second.req, range(1000, 1050))
    got = [bench.sink(client.resp, stalls=False) for client in (dut.first, dut.second)]
    served = bench.memory(dut.port, lambda address: address)
    bench.run(lambda: len(got[1]) == 50)
    cycles = [cycle for cycle, _ in served]
    assert cycles[-1] - cycles[0] <= 101
    order = [address for _, address in served if address != 1000]  # offered first, it stays until it is taken
    assert order == [*range(50), *range(1001, 1050)]


@pytest.mark.parametrize("case", range(4))
def test_writes(case, seed):
    rng = random.Random(seed)
    dut = WriteShare()
    bench = Bench(dut, seed)
    sent = [
        [
            {"addr": rng.randrange(1 << 20), "data": 2 * n + client, "mask": rng.randrange(256)}
            for n in range(100)
        ]
        for client in range(2)
    ]
    taken = [bench.source(port, writes) for port, writes in zip((dut.first, dut.second), sent, strict=True)]
    got = bench.sink(dut.port)
    bench.run(lambda: len(got) == 200)
    for client in range(2):
        mine = [(cycle, write) for cycle, write in got if write["data"] % 2 == client]
        assert [write for _, write in mine] == sent[client]
        assert [cycle for cycle, _ in mine] == taken[client], "the port takes it when the client sees that"


@pytest.mark.parametrize("case", range(3))
def test_read_ahead(case, seed):
    rng = random.Random(seed)
    dut = ReadAhead()
    bench = Bench(dut, seed)
    asked = [rng.randrange(1 << 20) for _ in range(150)]
    bench.source(dut.client.req, asked)
    got = bench.sink(dut.client.resp)
    bench.memory(dut.port, lambda address: address ^ 0x12345 << 30)
    bench.run(lambda: len(got) == len(asked))
    assert [word for _, word in got] == [address ^ 0x12345 << 30 for address in asked]


def test_read_ahead_asks_for_what_it_has_room_for():
    """A client that takes nothing leaves the port free: it has asked for 16 words, and takes all of them."""
    dut = ReadAhead()
    simulator = Simulator(dut)
    simulator.add_clock(1e-6)

    async def bench(ctx):
        ctx.set(dut.client.req.valid, 1)
        ctx.set(dut.port.req.ready, 1)
        asked = 0
        for cycle in range(60):
            ctx.set(dut.port.resp.valid, cycle >= 30 and cycle < 46)
            assert ctx.get(dut.port.resp.ready) or cycle >= 46
            asked += ctx.get(dut.port.req.valid)
            await ctx.tick()
        assert asked == 16
        ctx.set(dut.port.resp.valid, 0)
        ctx.set(dut.client.resp.ready, 1)  # and goes on when there is room again
        await ctx.tick().repeat(3)
        assert ctx.get(dut.port.req.valid)

    simulator.add_testbench(bench)
    simulator.run()
