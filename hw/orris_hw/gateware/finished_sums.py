"""Finished sums between the psum ports and the lanes of post-processing."""

from itertools import groupby
from typing import Any

from amaranth.hdl import Cat, Const, Module, Mux, Signal, Value, signed
from amaranth.lib import memory, wiring
from amaranth.lib.wiring import In, Out
from amaranth.utils import ceil_log2

from ..config import AcceleratorConfig
from .arithmetic import chosen


class SumOffer(wiring.Signature):
    """A column's next finished sum, as its port sees it: taken where `valid` and `ready`, as of a stream. The
    sum itself is on its queue's `sum` from the next cycle on, until the next one of the queue is taken."""

    def __init__(self) -> None:
        super().__init__({"valid": Out(1), "ready": In(1)})


def sum_queues(config: AcceleratorConfig) -> list[tuple[int, ...]]:
    """The columns of each queue: those whose sums come from one psum port and go to one lane."""
    columns, lanes = config.array.columns, config.post_processing.lanes
    group = -(-columns // config.psum_ports)

    def port_and_lane(column: int) -> tuple[int, int]:
        return column // group, column % lanes

    return [tuple(queue) for _, queue in groupby(sorted(range(columns), key=port_and_lane), port_and_lane)]


def queues_name(queues: tuple[tuple[int, ...], ...]) -> str:
    """What tells modules apart that are made for different queues."""
    return "_".join("".join(f"{place:x}" for place in queue) for queue in queues)


class SumQueue(wiring.Component):
    """FIFOs of the finished sums of several columns, in one memory: one sum comes, one is taken a cycle.

    Latency from `i` to `offer` 1 cycle. What is meant to be a block RAM takes no more of it with more columns
    or deeper FIFOs, and joins the columns' sums without a multiplexer.

    Parameters
    ----------
    width : int
        Bits of a sum.
    columns : int
    depth : int
        Sums that a column has room for, at least 2.

    Members
    -------
    reserve : In(columns)
        Columns that speak for a place, for a sum that comes later; only where there is `room`.
    room : Out(columns)
        Columns with a place left.
    en : In(columns)
        One-hot: the column whose sum comes, one that has spoken for its place.
    sum_in : In(signed(width))
    offer : Out(SumOffer()).array(columns)
        At most one is `ready` in a cycle.
    sum : Out(signed(width))
        The sum taken last.
    """

    def __init__(self, width: int, columns: int, depth: int):
        self.columns, self.depth = columns, depth
        super().__init__({
            "reserve": In(columns),
            "room": Out(columns),
            "en": In(columns),
            "sum_in": In(signed(width)),
            "offer": Out(SumOffer()).array(columns),
            "sum": Out(signed(width)),
        })

    def elaborate(self, platform: Any) -> Module:
        m = Module()
        column_bits, place_bits = ceil_log2(self.columns), ceil_log2(self.depth)
        m.submodules.storage = storage = memory.Memory(
            shape=self.sum.shape(), depth=1 << column_bits + place_bits, init=[]
        )
        write, read = storage.write_port(), storage.read_port()
        tails, heads, taken = [], [], []
        for c, offer in enumerate(self.offer):
            tail, head = (Signal(range(self.depth), name=f"{end}_{c}") for end in ("tail", "head"))
            space = Signal(range(self.depth + 1), init=self.depth, name=f"space_{c}")
            held = Signal(range(self.depth + 1), name=f"held_{c}")
            comes, goes = self.en[c], Signal(name=f"goes_{c}")
            m.d.comb += [goes.eq(offer.valid & offer.ready), self.room[c].eq(space != 0)]
            with m.If(self.reserve[c] ^ goes):
                m.d.sync += space.eq(Mux(goes, space + 1, space - 1))
            with m.If(comes ^ goes):
                m.d.sync += [held.eq(Mux(comes, held + 1, held - 1)), offer.valid.eq(comes | (held != 1))]
            with m.If(comes):
                m.d.sync += tail.eq(Mux(tail == self.depth - 1, 0, tail + 1))
            with m.If(goes):
                m.d.sync += head.eq(Mux(head == self.depth - 1, 0, head + 1))
            tails.append(tail)
            heads.append(head)
            taken.append(goes)
        m.d.comb += [
            write.en.eq(self.en.any()),
            write.addr.eq(self._address(self.en, tails)),
            write.data.eq(self.sum_in),
            read.en.eq(Cat(taken).any()),
            read.addr.eq(self._address(Cat(offer.ready for offer in self.offer), heads)),
            self.sum.eq(read.data),
        ]
        return m

    def _address(self, column: Value, places: list[Signal]) -> Value:
        """Where `places` of a column lies in the memory."""
        if self.columns == 1:
            return places[0]
        bits = ceil_log2(self.columns)
        return chosen(column, [Cat(place, Const(c, bits)) for c, place in enumerate(places)])
