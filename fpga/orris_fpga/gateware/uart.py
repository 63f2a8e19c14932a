"""A UART: 8 data bits, no parity, one stop bit."""

from typing import Any

from amaranth.hdl import Cat, Module, Signal
from amaranth.lib import stream, wiring
from amaranth.lib.cdc import FFSynchronizer
from amaranth.lib.wiring import In, Out

MIN_DIVISOR = 4
BITS = 10
"""Start bit, 8 data bits, stop bit."""


def divisor(clock_hz: float, baud: int) -> int:
    """Cycles per bit.

    Raises
    ------
    ValueError
        If the nearest rate is more than 2 % off, or there would be fewer than `MIN_DIVISOR` cycles.
    """
    cycles = round(clock_hz / baud)
    if cycles < MIN_DIVISOR:
        raise ValueError(f"{baud} baud needs a clock of at least {MIN_DIVISOR * baud / 1e6:g} MHz, "
                         f"not {clock_hz / 1e6:g} MHz ({MIN_DIVISOR} cycles per bit)")
    off = abs(clock_hz / cycles / baud - 1)
    if off > 0.02:
        raise ValueError(f"{baud} baud cannot be made from {clock_hz / 1e6:g} MHz: the nearest is "
                         f"{clock_hz / cycles:.0f} baud, {off:.1%} off, and at most 2 % is possible")
    return cycles


class UartReceiver(wiring.Component):
    """Bytes from the line.

    A byte whose stop bit is missing is dropped. Latency: a byte comes in the middle of its stop bit.
    Throughput: a byte in 10 * divisor cycles; one that is not taken in that time is lost.

    Parameters
    ----------
    divisor : int
        Cycles per bit, at least 4.

    Members
    -------
    rx : In(1, init=1)
        The line, asynchronous.
    o : Out(stream.Signature(8))
    """

    rx: In(1, init=1)
    o: Out(stream.Signature(8))

    def __init__(self, divisor: int):
        _check(divisor)
        self._divisor = divisor
        super().__init__()

    def elaborate(self, platform: Any) -> Module:
        m = Module()
        line = Signal(init=1)
        m.submodules.synchronizer = FFSynchronizer(self.rx, line, init=1)
        wait = Signal(range(self._divisor + self._divisor // 2 + 1))
        left = Signal(range(BITS))
        bits = Signal(9)
        broken = Signal()
        with m.If(self.o.valid & self.o.ready):
            m.d.sync += self.o.valid.eq(0)
        with m.If(left == 0):
            with m.If(line):
                m.d.sync += broken.eq(0)
            with m.Elif(~broken):
                # The middle of the first data bit is one and a half bits from here.
                m.d.sync += [left.eq(9), wait.eq(self._divisor + self._divisor // 2 - 2)]
        with m.Elif(wait != 0):
            m.d.sync += wait.eq(wait - 1)
        with m.Else():
            m.d.sync += [wait.eq(self._divisor - 1), left.eq(left - 1), bits.eq(Cat(bits[1:], line))]
            with m.If(left == 1):
                with m.If(line & ~self.o.valid):
                    m.d.sync += [self.o.valid.eq(1), self.o.payload.eq(bits[1:])]
                with m.If(~line):
                    m.d.sync += broken.eq(1)  # a line held low is no start bit: wait for it to rise
        return m


class UartTransmitter(wiring.Component):
    """Bytes to the line.

    Throughput: a byte in 10 * divisor + 1 cycles.

    Parameters
    ----------
    divisor : int
        Cycles per bit, at least 4.

    Members
    -------
    i : In(stream.Signature(8))
    tx : Out(1, init=1)
    """

    i: In(stream.Signature(8))
    tx: Out(1, init=1)

    def __init__(self, divisor: int):
        _check(divisor)
        self._divisor = divisor
        super().__init__()

    def elaborate(self, platform: Any) -> Module:
        m = Module()
        wait = Signal(range(self._divisor))
        left = Signal(range(BITS + 1))
        bits = Signal(9, init=0x1FF)
        m.d.comb += self.i.ready.eq(left == 0)
        with m.If(left == 0):
            m.d.sync += wait.eq(self._divisor - 1)
            with m.If(self.i.valid):
                m.d.sync += [self.tx.eq(0), bits.eq(Cat(self.i.payload, 1)), left.eq(BITS)]
        with m.Elif(wait != 0):
            m.d.sync += wait.eq(wait - 1)
        with m.Else():
            m.d.sync += [
                wait.eq(self._divisor - 1), left.eq(left - 1), self.tx.eq(bits[0]), bits.eq(Cat(bits[1:], 1)),
            ]  # fmt: skip
        return m


def _check(divisor: int) -> None:
    if not isinstance(divisor, int) or divisor < MIN_DIVISOR:
        raise ValueError(f"UART divisor must be an integer of at least {MIN_DIVISOR}, not {divisor!r}")
