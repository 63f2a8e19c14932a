"""The tokens by which load, compute and store wait for each other."""

from typing import Any

from amaranth.hdl import Array, Cat, Module, Mux, Signal
from amaranth.lib import data, wiring
from amaranth.lib.wiring import In, Out

from ..commands import SEMAPHORE_MAX, SEMAPHORES

ID_BITS = 4


class TokenSource(wiring.Signature):
    """Gives `count` tokens to semaphore `id` in a cycle with `give`; 0 is no semaphore."""

    def __init__(self) -> None:
        super().__init__({"give": Out(1), "id": Out(ID_BITS), "count": Out(8)})


class TokenSink(wiring.Signature):
    """Asks for a token of semaphore `id` as long as `want`; `granted` in the cycle it is taken.

    Semaphore 0 is granted at once.
    """

    def __init__(self) -> None:
        super().__init__({"want": Out(1), "id": Out(ID_BITS), "granted": In(1)})


class Semaphores(wiring.Component):
    """15 token counters. One token is taken per cycle, the first asker with a token first.

    Giving takes one cycle until the token can be taken.

    Parameters
    ----------
    sources, sinks : int
        How many blocks give and take tokens.

    Members
    -------
    source : In(TokenSource()), one per giver
    sink : In(TokenSink()), one per taker
    clear : In(1)
        All counters go to 0, whatever is given or taken in that cycle.
    overflow : Out(1)
        A counter was given more than 255 tokens (the counters are then no longer right).
    """

    def __init__(self, sources: int, sinks: int):
        self._sources, self._sinks = sources, sinks
        super().__init__(
            {
                "source": In(TokenSource()).array(sources),
                "sink": In(TokenSink()).array(sinks),
                "clear": In(1),
                "overflow": Out(1),
            }
        )

    def elaborate(self, platform: Any) -> Module:
        m = Module()
        width = SEMAPHORE_MAX.bit_length()
        counters = [Signal(width, name=f"tokens_{i}") for i in range(1, SEMAPHORES + 1)]
        available = Array([1, *(counter.any() for counter in counters)])

        # Each giver's gift is registered on its way; several may reach one counter in the same cycle.
        gift = data.StructLayout({"id": ID_BITS, "count": 8})
        gifts = [Signal(gift, name=f"gift_{i}") for i in range(self._sources)]
        for source, given in zip(self.source, gifts, strict=True):
            m.d.sync += [given.id.eq(Mux(source.give, source.id, 0)), given.count.eq(source.count)]

        taken = Signal(range(SEMAPHORES + 1))
        free: Any = 1
        for sink in self.sink:
            grant = Signal(name="grant")
            m.d.comb += [
                grant.eq(sink.want & available[sink.id] & ((sink.id == 0) | free)),
                sink.granted.eq(grant),
            ]
            with m.If(grant & (sink.id != 0)):
                m.d.comb += taken.eq(sink.id)
            free = free & ~(grant & (sink.id != 0))

        overflows = []
        for number, counter in enumerate(counters, start=1):
            total: Any = counter
            for given in gifts:
                total = total + Mux(given.id == number, given.count, 0)
            after = Signal(width + 4, name=f"after_{number}")
            m.d.comb += after.eq(total - (taken == number))
            m.d.sync += counter.eq(Mux(self.clear, 0, after))
            overflows.append(after[width:].any())
        m.d.sync += self.overflow.eq(self.overflow | Cat(overflows).any())
        return m
