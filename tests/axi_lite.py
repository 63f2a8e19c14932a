"""An AXI4-Lite master for pysim."""

import random

PATIENCE = 1000
"""Cycles within which an access is taken, and answered."""


class Master:
    """An AXI4-Lite master that pauses at random on every channel; AssertionError if the other side hangs."""

    def __init__(self, bus, seed=0, stall=0.0):
        print("seed", seed)
        self.bus, self.stall, self.rng = bus, stall, random.Random(seed)

    async def pause(self, ctx):
        while self.rng.random() < self.stall:
            await ctx.tick()

    async def write(self, ctx, address, word, strobes=0xF):
        bus = self.bus
        ctx.set(bus.awaddr, address)
        ctx.set(bus.wdata, word)
        ctx.set(bus.wstrb, strobes)
        waiting = {"aw", "w"}
        offered = set()
        for _ in range(PATIENCE):
            if not waiting:
                break
            for channel in sorted(waiting - offered):
                if self.rng.random() >= self.stall:
                    offered.add(channel)
                    ctx.set(getattr(bus, channel + "valid"), 1)
            _, _, *ready = await ctx.tick().sample(bus.awready, bus.wready)
            for channel, taken in zip(("aw", "w"), ready, strict=True):
                if taken and channel in offered & waiting:
                    ctx.set(getattr(bus, channel + "valid"), 0)
                    waiting.discard(channel)
        assert not waiting, f"{waiting} not taken"
        return (await self._answer(ctx, "b", (bus.bresp,)))[0]

    async def read(self, ctx, address):
        bus = self.bus
        await self.pause(ctx)
        ctx.set(bus.araddr, address)
        ctx.set(bus.arvalid, 1)
        for _ in range(PATIENCE):
            if (await ctx.tick().sample(bus.arready))[2]:
                break
        else:
            raise AssertionError("ar not taken")
        ctx.set(bus.arvalid, 0)
        return await self._answer(ctx, "r", (bus.rresp, bus.rdata))

    async def _answer(self, ctx, channel, members):
        valid, ready = getattr(self.bus, channel + "valid"), getattr(self.bus, channel + "ready")
        held = None
        for _ in range(PATIENCE):
            willing = self.rng.random() >= self.stall
            ctx.set(ready, willing)
            _, _, offered, *values = await ctx.tick().sample(valid, *members)
            assert held is None or (offered and values == held), f"{channel} changed while waiting"
            held = values if offered else None
            if offered and willing:
                ctx.set(ready, 0)
                return values
        raise AssertionError(f"no answer on {channel}")
