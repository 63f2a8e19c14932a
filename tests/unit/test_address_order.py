"""The order of addresses: every one, once, from 0."""

import pytest
from amaranth.hdl import Module, Signal
from amaranth.sim import Simulator

from orris_hw.gateware.address_order import address_after


@pytest.mark.parametrize("bits", range(2, 11))
def test_every_address_comes_once(bits):
    m, address, seen = Module(), Signal(bits), []
    m.d.sync += address.eq(address_after(address))
    sim = Simulator(m)
    sim.add_clock(1e-6)

    async def bench(ctx):
        for _ in range(1 << bits):
            seen.append(ctx.get(address))
            await ctx.tick()
        assert ctx.get(address) == 0

    sim.add_testbench(bench)
    sim.run()
    assert seen[0] == 0 and sorted(seen) == list(range(1 << bits))


@pytest.mark.parametrize("bits", [1, 11])
def test_addresses_that_have_no_order(bits):
    with pytest.raises(ValueError, match=f"^address_after takes addresses of 2 to 10 bits, not {bits}$"):
        address_after(Signal(bits))
