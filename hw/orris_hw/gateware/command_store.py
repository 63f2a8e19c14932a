"""Commands that wait for their units, in a block RAM."""

from collections.abc import Mapping
from functools import reduce
from operator import or_
from typing import Any

from amaranth.hdl import Array, Cat, Module, Signal
from amaranth.lib import data, memory, stream, wiring
from amaranth.lib.wiring import In, Out
from amaranth.utils import exact_log2

from ..commands import COMMAND_BITS, COMMAND_WORDS, QUEUE_DEPTH
from .transfer_units import INDEX_BITS, indexed


class CommandStore(wiring.Component):
    """A queue of `QUEUE_DEPTH` commands for each of a few kinds, written and read word by word.

    A command is written in 8 consecutive words, its place in the program in the upper half of the last one.
    It is written before it is known whether it has room, to a slot that no other command is in, and counts
    once it is committed: only that waits for room.
    Latency 11 cycles from `commit` to its stream, if no other kind is being read; throughput one
    command in 10 cycles. Takes block RAM 64 bits wide, and a register for the foremost command of each kind.

    Parameters
    ----------
    layouts : mapping of str to data.StructLayout
        Name and layout of each kind of command.

    Members
    -------
    push : In(1), word : In(64), kind : In(number of the kind)
        `kind` stands still over a command's words.
    commit : In(kinds)
        The command pushed last, of this kind, counts from now on; one that is not committed is left where the
        next one goes. Only while there is `room`.
    room : Out(kinds)
        Fewer than `QUEUE_DEPTH` commands are held.
    busy : Out(1)
        Some command had not been taken in the cycle before.
    <name> : Out(stream of indexed(layout)), for each kind

    Raises
    ------
    ValueError
        If a layout leaves no room for the place in the program.
    """

    def __init__(self, layouts: Mapping[str, data.StructLayout]):
        for name, layout in layouts.items():
            if layout.size > COMMAND_BITS - INDEX_BITS:
                raise ValueError(f"{name} takes {layout.size} bits, more than {COMMAND_BITS - INDEX_BITS}")
        self._layouts = dict(layouts)
        super().__init__(
            {
                "push": In(1),
                "word": In(64),
                "kind": In(range(max(2, len(layouts)))),
                "commit": In(len(layouts)),
                "room": Out(len(layouts)),
                "busy": Out(1),
                **{name: Out(stream.Signature(indexed(layout))) for name, layout in layouts.items()},
            }
        )

    def elaborate(self, platform: Any) -> Module:
        m = Module()
        kinds, kind_bits = len(self._layouts), len(self.kind)
        place_bits = exact_log2(COMMAND_WORDS)
        slot_bits = exact_log2(QUEUE_DEPTH) + 1  # one of the slots is the one written to
        m.submodules.words = words = memory.Memory(
            shape=64, depth=1 << (kind_bits + slot_bits + place_bits), init=[]
        )
        write, read = words.write_port(), words.read_port()

        def per_kind(name: str, shape: Any) -> list[Signal]:
            return [Signal(shape, name=f"{name}_{kind}") for kind in range(kinds)]

        # Commands held, and those of them that are not yet in the register of their kind.
        held, waiting = per_kind("held", range(QUEUE_DEPTH + 1)), per_kind("waiting", range(QUEUE_DEPTH + 1))
        first, last = per_kind("first", slot_bits), per_kind("last", slot_bits)  # slots read and written next
        fetched, taken = Signal(kinds), Signal(kinds)  # a whole command, in this cycle

        place = Signal(place_bits)
        m.d.comb += [
            write.addr.eq(Cat(place, Array(last)[self.kind], self.kind)),
            write.data.eq(self.word),
            write.en.eq(self.push),
        ]
        with m.If(self.push):
            m.d.sync += place.eq(place + 1)

        # Reading: one command at a time, of the first kind whose register is free.
        reading, asked, arriving = Signal(kind_bits), Signal(place_bits), Signal(place_bits)
        asks, arrives = Signal(), Signal()
        full = Signal(kinds)
        m.d.sync += [arrives.eq(asks), arriving.eq(asked)]
        m.d.comb += [read.en.eq(asks), read.addr.eq(Cat(asked, Array(first)[reading], reading))]
        wanted = Cat((waiting[kind] != 0) & ~full[kind] for kind in range(kinds))
        with m.FSM():
            with m.State("CHOOSE"):
                for kind in reversed(range(kinds)):
                    with m.If(wanted[kind]):
                        m.d.sync += reading.eq(kind)
                with m.If(wanted.any()):
                    m.next = "READ"
            with m.State("READ"):
                m.d.comb += asks.eq(1)
                m.d.sync += asked.eq(asked + 1)
                with m.If(asked == COMMAND_WORDS - 1):
                    m.next = "ARRIVE"
            with m.State("ARRIVE"):
                m.d.comb += fetched.eq(1 << reading)
                m.next = "CHOOSE"

        for kind, (name, layout) in enumerate(self._layouts.items()):
            port = getattr(self, name)
            command = Signal(COMMAND_BITS, name=f"command_{kind}", reset_less=True)
            for number in range(COMMAND_WORDS):
                with m.If(arrives & (reading == kind) & (arriving == number)):
                    m.d.sync += command[64 * number : 64 * (number + 1)].eq(read.data)
            m.d.comb += [
                port.valid.eq(full[kind]),
                port.payload.command.eq(command[: layout.size]),
                port.payload.index.eq(command[-INDEX_BITS:]),
                taken[kind].eq(port.valid & port.ready),
                self.room[kind].eq(~held[kind][-1]),  # a power of two: full
            ]
            m.d.sync += [
                held[kind].eq(held[kind] + self.commit[kind] - taken[kind]),
                waiting[kind].eq(waiting[kind] + self.commit[kind] - fetched[kind]),
                last[kind].eq(last[kind] + self.commit[kind]),
                first[kind].eq(first[kind] + fetched[kind]),
                full[kind].eq((full[kind] | fetched[kind]) & ~taken[kind]),
            ]
        m.d.sync += self.busy.eq(reduce(or_, (count != 0 for count in held)))
        return m
