"""The places of a VECTOR command and the taps of their windows, in order."""

from typing import Any

from amaranth.hdl import Module, Signal
from amaranth.lib import data, stream, wiring
from amaranth.lib.wiring import In, Out

from ..commands import VECTOR
from .command_layout import part_layout
from .global_buffer import ADDR_WIDTH

WALK = part_layout(
    VECTOR, "last", "planes", "rows", "columns", "R", "S",
    "source", "source_tap_stride", "source_column_stride", "source_row_stride", "source_plane_stride",
    "target", "target_column_stride", "target_row_stride", "target_plane_stride",
)  # fmt: skip
"""What the walk needs of a VECTOR."""


class Tap(data.Struct):
    """A word to read, and with the last tap of a place whose result is written, where to."""

    source: ADDR_WIDTH
    target: ADDR_WIDTH
    last: 1


class VectorWalk(wiring.Component):
    """Gives the address of every tap, for plane, row, column, r and s from the outside in::

        source + plane*source_plane_stride + row*source_row_stride + column*source_column_stride
            + r*source_tap_stride + s    (modulo 2^20)

    and beside it the target's. Throughput 1 tap per cycle.

    Parameters
    ----------
    limit_bits : int
        A walk of more than 2^limit_bits taps is broken off there; 0 for no limit.

    Members
    -------
    start : In(1)
        Begins `command`, which stands still until the walk is over. All counts of it are at least 1.
    command : In(WALK)
    o : Out(stream of Tap)
        Valid until the walk is over.
    broken_off : Out(1)
        Until the next start.
    """

    def __init__(self, limit_bits: int):
        self._limit_bits = limit_bits
        super().__init__({
            "start": In(1),
            "command": In(WALK),
            "o": Out(stream.Signature(Tap)),
            "broken_off": Out(1),
        })  # fmt: skip

    def elaborate(self, platform: Any) -> Module:
        m = Module()
        command = self.command
        running = Signal()

        # Loops from the inside out: what is left of each, where it begins again, and how far a step goes.
        names = ("S", "R", "columns", "rows", "planes")
        left = [Signal(command[name].shape(), name=f"{name}_left") for name in names]
        steps: list[Any] = [
            1, command.source_tap_stride, command.source_column_stride, command.source_row_stride,
            command.source_plane_stride,
        ]  # fmt: skip
        target_steps = [command.target_column_stride, command.target_row_stride, command.target_plane_stride]
        bases = [Signal(ADDR_WIDTH, name=f"{name}_source") for name in names]
        targets = [Signal(ADDR_WIDTH, name=f"{name}_target") for name in names[2:]]

        final = [count == 1 for count in left]
        window_ends = final[0] & final[1]
        m.d.comb += [
            self.o.valid.eq(running),
            self.o.payload.source.eq(bases[0]),
            self.o.payload.target.eq(targets[0]),
            self.o.payload.last.eq(
                window_ends & (command.last | ~(final[2] & final[3] & final[4]))
            ),
        ]
        with m.If(self.start):
            m.d.sync += [running.eq(1), *(base.eq(command.source) for base in bases)]
            m.d.sync += [target.eq(command.target) for target in targets]
            m.d.sync += [count.eq(command[name]) for count, name in zip(left, names, strict=True)]
        with m.Elif(running & self.o.ready):
            inner_end: Any = 1
            source, target = Signal(ADDR_WIDTH), Signal(ADDR_WIDTH)
            for level, name in enumerate(names):
                # This loop steps where all inside it have ended; they begin again from where it is then.
                turn = Signal(name=f"{name}_steps")
                m.d.comb += turn.eq(inner_end & ~final[level])
                with m.If(turn):
                    m.d.comb += source.eq(bases[level] + steps[level])
                    m.d.sync += [left[level].eq(left[level] - 1), bases[level].eq(source)]
                    m.d.sync += [inner.eq(source) for inner in bases[:level]]
                    m.d.sync += [
                        count.eq(command[inner]) for count, inner in zip(left, names[:level], strict=False)
                    ]
                    if level >= 2:
                        m.d.comb += target.eq(targets[level - 2] + target_steps[level - 2])
                        m.d.sync += [inner.eq(target) for inner in targets[: level - 1]]
                inner_end = inner_end & final[level]
            with m.If(inner_end):
                m.d.sync += running.eq(0)
        if self._limit_bits:
            walked = Signal(self._limit_bits)
            with m.If(self.start):
                m.d.sync += [walked.eq(0), self.broken_off.eq(0)]
            with m.Elif(running & self.o.ready):
                m.d.sync += walked.eq(walked + 1)
                with m.If(walked.all() & ~inner_end):
                    m.d.sync += [running.eq(0), self.broken_off.eq(1)]
        return m
