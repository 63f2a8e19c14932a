"""SkidBuffer, StreamRegister and StreamFifo: order, throughput, registered handshakes."""

import random

import pytest
from amaranth.lib import data
from amaranth.sim import Simulator

from orris_hw.gateware.buffers import SkidBuffer, StreamFifo, StreamRegister

MAKERS = {
    "skid": SkidBuffer,
    "register": StreamRegister,
    "fifo2": lambda shape: StreamFifo(shape, 2),
    "fifo3": lambda shape: StreamFifo(shape, 3),
    "fifo8": lambda shape: StreamFifo(shape, 8),
}
CAPACITY = {"skid": 2, "register": 1, "fifo2": 2, "fifo3": 3, "fifo8": 8}


def run(dut, count, p_valid, p_ready, seed):
    """Send `count` values at the given rates; return sent, received, cycle of the last one, peak level."""
    rng = random.Random(seed)
    sent = [rng.getrandbits(16) for _ in range(count)]
    received = []
    state = {"cycle": 0, "peak": 0}

    async def source(ctx):
        for value in sent:
            while rng.random() >= p_valid:
                await ctx.tick()
            ctx.set(dut.i.payload, value)
            ctx.set(dut.i.valid, 1)
            await ctx.tick().until(dut.i.ready)
            ctx.set(dut.i.valid, 0)

    async def sink(ctx):
        held = None
        while len(received) < count:
            ready = rng.random() < p_ready
            ctx.set(dut.o.ready, ready)
            _, _, valid, payload = await ctx.tick().sample(dut.o.valid, dut.o.payload)
            state["cycle"] += 1
            assert state["cycle"] < 100 * count + 1000, "stream stopped"
            if held is not None:
                assert (valid, payload) == (1, held), "payload not held until taken"
            if isinstance(dut, StreamFifo):
                state["peak"] = max(state["peak"], ctx.get(dut.level))
            if valid and ready:
                received.append(payload)
            held = payload if valid and not ready else None

    simulator = Simulator(dut)
    simulator.add_clock(1e-8)
    simulator.add_testbench(source)
    simulator.add_testbench(sink)
    simulator.run()
    return sent, received, state["cycle"], state["peak"]


@pytest.mark.parametrize("rates", [(1, 1), (0.5, 1), (1, 0.5), (0.3, 0.3), (0.9, 0.2)])
@pytest.mark.parametrize("name", MAKERS)
def test_order(name, rates):
    seed = random.randrange(1 << 32)
    print("seed", seed)
    sent, received, _, peak = run(MAKERS[name](16), 150, *rates, seed)
    assert received == sent
    assert peak <= CAPACITY[name]


@pytest.mark.parametrize("name", MAKERS)
def test_full_throughput(name):
    _, _, cycles, _ = run(MAKERS[name](16), 100, 1, 1, 0)
    assert cycles <= 100 + 2


@pytest.mark.parametrize("name", MAKERS)
def test_handshake_is_registered_and_capacity_used(name):
    dut = MAKERS[name](16)

    async def bench(ctx):
        accepted = 0
        ctx.set(dut.i.valid, 1)
        for _ in range(20):
            ready = ctx.get(dut.i.ready)
            ctx.set(dut.o.ready, 1)
            if name != "register":
                assert ctx.get(dut.i.ready) == ready, "ready depends combinationally on the output"
            ctx.set(dut.o.ready, 0)
            accepted += ready
            await ctx.tick()
        assert accepted == CAPACITY[name]
        ctx.set(dut.i.valid, 0)
        ctx.set(dut.o.ready, 1)
        for _ in range(CAPACITY[name]):
            assert ctx.get(dut.o.valid)
            await ctx.tick()
        assert not ctx.get(dut.o.valid)
        ctx.set(dut.i.valid, 1)
        assert not ctx.get(dut.o.valid), "valid depends combinationally on the input"

    simulator = Simulator(dut)
    simulator.add_clock(1e-8)
    simulator.add_testbench(bench)
    simulator.run()


@pytest.mark.parametrize("make", MAKERS.values(), ids=MAKERS)
def test_structured_payload(make):
    layout = data.StructLayout({"psum": data.StructLayout({"low": 3, "high": 5}), "last": 1})
    dut = make(layout)

    async def bench(ctx):
        value = {"psum": {"low": 5, "high": 19}, "last": 1}
        ctx.set(dut.i.payload, value)
        ctx.set(dut.i.valid, 1)
        await ctx.tick().until(dut.i.ready)
        assert ctx.get(dut.o.valid)
        assert ctx.get(dut.o.payload) == layout.const(value)

    simulator = Simulator(dut)
    simulator.add_clock(1e-8)
    simulator.add_testbench(bench)
    simulator.run()


@pytest.mark.parametrize("depth", [0, 1, -3, 2.0])
def test_bad_depth(depth):
    with pytest.raises(ValueError, match=f"at least 2, not {depth}"):
        StreamFifo(8, depth)
