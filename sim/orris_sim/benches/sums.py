"""Both ends of the finished sums' way from a psum port to post-processing, which stall at random."""

from collections.abc import Sequence
from typing import Any

from cocotb.triggers import RisingEdge
from cocotb.types import LogicArray, Range

from .bench import four_valued, generator, known


class _Queues:
    """The offers of the columns of each queue, and the sum taken last."""

    def __init__(self, dut: Any, queues: Sequence[Sequence[int]], stall: float):
        self._dut, self._queues, self._stall = dut, queues, stall
        self._edge, self._rng = RisingEdge(dut.clk), generator("sums")

    def _offer(self, column: int, end: str) -> Any:
        return getattr(self._dut, f"final_{column}_{end}")

    def _sum(self, number: int) -> Any:
        return getattr(self._dut, f"sums_{number}")


class SumSink(_Queues):
    """Takes the finished sums of all columns, at most one of a queue in a cycle."""

    def __init__(self, dut: Any, queues: Sequence[Sequence[int]], stall: float):
        super().__init__(dut, queues, stall)
        self.received: dict[int, list[int]] = {column: [] for queue in queues for column in queue}
        """By column, as unsigned numbers."""

    async def run(self) -> None:
        """To the end of the bench."""
        taken: list[int | None] = [None] * len(self._queues)  # columns, in the cycle before
        offered: set[int] = set()
        while True:
            ready = []
            for queue in self._queues:
                ready.append(self._rng.choice(queue) if self._rng.random() >= self._stall else None)
                for column in queue:
                    self._offer(column, "ready").value = int(column == ready[-1])
            await self._edge
            for number, queue in enumerate(self._queues):
                if (column := taken[number]) is not None:
                    self.received[column].append(known(self._sum(number)))
                taken[number] = None
                for column in queue:
                    valid = known(self._offer(column, "valid"))
                    assert valid or column not in offered, f"column {column} took a sum back"
                    offered.discard(column)
                    if valid and column == ready[number]:
                        taken[number] = column
                    elif valid:
                        offered.add(column)


class SumSource(_Queues):
    """Offers finished sums; one that is taken is there in the next cycle, until the next of its queue."""

    def __init__(self, dut: Any, queues: Sequence[Sequence[int]], stall: float, width: int):
        super().__init__(dut, queues, stall)
        self._width = width
        for number, queue in enumerate(queues):
            unknown = LogicArray("X" * width, Range(width - 1, "downto", 0))
            self._sum(number).value = unknown if four_valued() else self._rng.getrandbits(width)
            for column in queue:
                self._offer(column, "valid").value = 0

    async def send(self, columns: Sequence[Sequence[int]]) -> None:
        """The sums of each column, in order."""
        left = [list(reversed(sums)) for sums in columns]
        offers = [False] * len(left)
        while any(left):
            for column, sums in enumerate(left):
                offers[column] = bool(sums) and (offers[column] or self._rng.random() >= self._stall)
                self._offer(column, "valid").value = int(offers[column])
            await self._edge
            for number, queue in enumerate(self._queues):
                taken = [c for c in queue if offers[c] and known(self._offer(c, "ready"))]
                assert len(taken) <= 1, f"columns {taken} share a queue, and are taken together"
                for column in taken:
                    self._sum(number).value = left[column].pop() % (1 << self._width)
                    offers[column] = False
        for column in range(len(left)):
            self._offer(column, "valid").value = 0
