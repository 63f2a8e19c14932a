"""Streams, tokens and buffer reads as a pysim test drives them: every port stalls at a rate of its own."""

import random
from collections import deque
from enum import Enum

from amaranth.lib import data
from amaranth.sim import Simulator


def plain(payload):
    """A sampled payload as numbers: a dictionary where it is a structure."""
    if isinstance(payload, data.Const):
        return {name: plain(payload[name]) for name, _ in payload.shape()}
    return int(payload.value if isinstance(payload, Enum) else payload)


class Bench:
    """A block under test and what surrounds it.

    Parameters
    ----------
    dut : component with one clock
    seed : all randomness follows from it
    stalls : each port draws from these its chance to pause for a cycle
    """

    def __init__(self, dut, seed, stalls=(0.0, 0.2, 0.7)):
        self.dut, self.cycle = dut, 0
        self._seed, self._stalls, self._ports = seed, stalls, 0
        self._simulator = Simulator(dut)
        self._simulator.add_clock(1e-6)
        self.background(self._count)  # the first: all others see the cycle they are in

    async def _count(self, ctx):
        async for _ in ctx.tick():
            self.cycle += 1

    def background(self, bench):
        self._simulator.add_testbench(bench, background=True)

    def _port(self):
        """A port's random numbers and its chance to stall."""
        self._ports += 1
        rng = random.Random(f"{self._seed} {self._ports}")
        return rng, rng.choice(self._stalls)

    def source(self, port, payloads):
        """Offers `payloads` one after the other; returns the cycles in which they were taken."""
        rng, stall = self._port()
        taken = []

        async def bench(ctx):
            for payload in payloads:
                while rng.random() < stall:
                    await ctx.tick()
                ctx.set(port.payload, payload)
                ctx.set(port.valid, 1)
                await ctx.tick().until(port.ready)
                ctx.set(port.valid, 0)
                taken.append(self.cycle)

        self.background(bench)
        return taken

    def sink(self, port, ready=lambda: True, stalls=True):
        """Takes payloads while `ready()`, and at once without `stalls`; returns a growing list of
        (cycle, payload as numbers)."""
        rng, stall = self._port()
        stall *= stalls
        got = []

        async def bench(ctx):
            held = None
            while True:
                takes = ready() and rng.random() >= stall
                ctx.set(port.ready, takes)
                _, _, valid, payload = await ctx.tick().sample(port.valid, port.payload)
                bits = payload.as_bits() if isinstance(payload, data.Const) else payload
                if held is not None:
                    assert valid and bits == held, "a payload was not held until taken"
                if valid and takes:
                    got.append((self.cycle, plain(payload)))
                held = bits if valid and not takes else None

        self.background(bench)
        return got

    def memory(self, port, word, depth=16, latency=7):
        """Serves a `GlbRead` port from `word(address)`; returns the (cycle, address) asked for."""
        rng, stall = self._port()
        asked = []

        async def bench(ctx):
            waiting, offered = deque(), False
            while True:
                ready = len(waiting) < depth and rng.random() >= stall
                ctx.set(port.req.ready, ready)
                if not offered and waiting and waiting[0][0] <= self.cycle and rng.random() >= stall:
                    ctx.set(port.resp.payload, word(waiting[0][1]))
                    offered = True
                ctx.set(port.resp.valid, offered)
                _, _, valid, address, taken = await ctx.tick().sample(
                    port.req.valid, port.req.payload, port.resp.ready
                )
                if offered and taken:
                    waiting.popleft()
                    offered = False
                if valid and ready:
                    waiting.append((self.cycle + latency, address))
                    asked.append((self.cycle, address))

        self.background(bench)
        return asked

    def grants(self, port, allowed=lambda: True):
        """Grants tokens on a `TokenSink` port while `allowed()`; returns the (cycle, semaphore) granted."""
        rng, stall = self._port()
        granted = []

        async def bench(ctx):
            while True:
                yes = ctx.get(port.want) and allowed() and rng.random() >= stall
                ctx.set(port.granted, yes)
                _, _, semaphore = await ctx.tick().sample(port.id)
                if yes:
                    granted.append((self.cycle, semaphore))

        self.background(bench)
        return granted

    def gifts(self, port):
        """The (cycle, semaphore) of each token given on a `TokenSource` port."""
        given = []

        async def bench(ctx):
            async for _, _, give, semaphore in ctx.tick().sample(port.give, port.id):
                if give:
                    given.append((self.cycle, semaphore))

        self.background(bench)
        return given

    def run(self, done, limit=20_000, quiet=40):
        """Runs until `done()` and `quiet` cycles more, in which nothing unexpected may follow."""

        async def bench(ctx):
            while not done():
                await ctx.tick()
                assert self.cycle < limit, f"not done after {limit} cycles"
            await ctx.tick().repeat(quiet)

        self._simulator.add_testbench(bench)
        self._simulator.run()
