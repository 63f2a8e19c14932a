"""The tokens by which load, compute and store wait for each other."""

from typing import Any

from amaranth.hdl import Cat, Module, Mux, Signal
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out
from amaranth.utils import bits_for

from ..commands import SEMAPHORE_MAX, SEMAPHORES
from .event_sum import count_ones

ID_BITS = 4


class TokenSource(wiring.Signature):
    """Gives a token to semaphore `id` in a cycle with `give`; 0 is no semaphore."""

    def __init__(self) -> None:
        super().__init__({"give": Out(1), "id": Out(ID_BITS)})


class TokenSink(wiring.Signature):
    """Asks for a token of semaphore `id` as long as `want`; `granted`, a register, says that it was taken.

    `want` and `id` hold still until `granted`, which is high for one cycle. Semaphore 0 has always a token.
    """

    def __init__(self) -> None:
        super().__init__({"want": Out(1), "id": Out(ID_BITS), "granted": In(1)})


class Semaphores(wiring.Component):
    """15 token counters. One token is taken at a time, by the first asker whose semaphore has one.

    Latency: 4 cycles from giving until the token can be asked for, 2 from asking to `granted` (1 for
    semaphore 0). Throughput: every gift of every cycle; one token taken in 4 cycles.

    Parameters
    ----------
    sources, sinks : int
        How many blocks give tokens, and how many take them.

    Members
    -------
    source : In(TokenSource()), one per giver
    sink : In(TokenSink()), one per taker
    clear : In(1)
        All counters go to 0, with what was given or taken up to this cycle.
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
        chosen = self._take(m, available := Signal(SEMAPHORES))
        width = SEMAPHORE_MAX.bit_length()

        # Registers on the way: each giver's gift, the change of a counter, the counter.
        ids = [Signal(ID_BITS, name=f"gift_{i}") for i in range(self._sources)]
        for giver, given in zip(self.source, ids, strict=True):
            m.d.sync += given.eq(Mux(giver.give & ~self.clear, giver.id, 0))
        overflows = Signal(SEMAPHORES)
        m.d.sync += self.overflow.eq(self.overflow | overflows.any())
        for number in range(1, SEMAPHORES + 1):
            change = Signal(range(-1, self._sources + 1), name=f"change_{number}")
            # One bit more: a token is only taken where there is one, so that nothing goes below 0.
            counter, after = Signal(width, name=f"tokens_{number}"), Signal(width + 1, name=f"after_{number}")
            gifts = count_ones([given == number for given in ids])[: bits_for(self._sources)]
            m.d.comb += after.eq(counter + change)
            m.d.sync += [
                change.eq(gifts - (chosen == number)),
                counter.eq(after),
                available[number - 1].eq(counter != 0),
                overflows[number - 1].eq(after[-1]),
            ]
            with m.If(self.clear):
                m.d.sync += [change.eq(0), counter.eq(0), available[number - 1].eq(0)]
        return m

    def _take(self, m: Module, available: Signal) -> Signal:
        """Grants tokens to the sinks; returns the semaphore that one is taken from, or 0."""
        # Who has found a token of which semaphore: whoever asks may be far away.
        asking, granted = Signal(self._sinks), Signal(self._sinks)
        found = [Signal(ID_BITS, name=f"found_{number}") for number in range(self._sinks)]
        taking, chosen = Signal(), Signal(ID_BITS)
        # A token taken leaves its counter in the next cycle, and `available` tells so in the one after it.
        settling = Signal()
        idle = ~asking.any() & ~taking & ~settling
        free: Any = 1
        for number, sink in enumerate(self.sink):
            there = Cat(0, available).bit_select(sink.id, 1)
            grants = asking[number] & free
            free = free & ~asking[number]
            m.d.comb += sink.granted.eq(granted[number])
            m.d.sync += [
                found[number].eq(sink.id),
                asking[number].eq(sink.want & there & idle & ~self.clear),
                granted[number].eq((grants & ~self.clear) | (sink.want & (sink.id == 0) & ~granted[number])),
            ]
            with m.If(grants):
                m.d.comb += chosen.eq(found[number])
        m.d.sync += [taking.eq((chosen != 0) & ~self.clear), settling.eq(taking)]
        return chosen

