"""When words move between memory and the accelerator: the two DMA engines and the memory they share."""

from collections import deque
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import NamedTuple

from orris_hw.config import AcceleratorConfig
from orris_hw.errors import OrrisError

from .events import Kernel, Process, Tokens

BURST = 32
"""Most beats of a burst."""
_OUTSTANDING = 16
_TOGETHER = 2  # full bursts that are moved at once: what is faster to follow, and hardly coarser
_PLAN = 5  # cycles from a transfer to its first request on the bus
_PER_BURST = 2  # planning a burst
_AGAIN = 2  # from the end of a burst to the request that takes its place
_READ_OUT = 2  # bus to the buffer's write port
_FETCH = 10  # a write request to its first word on the bus: reading the buffer, FIFOs
_ALIGN = 1  # moving words to other lanes, where a beat has several


class Place(NamedTuple):
    """Where rows begin: the first one's word address, and words from row to row."""

    start: int
    stride: int

    def lane(self, row: int, lanes: int) -> int:
        """Of a row's first word."""
        return (self.start + row * self.stride) % lanes


_START = Place(0, 0)


@dataclass(frozen=True)
class MemoryTiming:
    """`latency` cycles to the first data or to a write's response; `rate` words of 64 bits a cycle."""

    latency: int = 100
    rate: float = 1.0


class BandwidthError(OrrisError, ValueError):
    """A memory faster than the accelerator's port to it."""


def within_port(config: AcceleratorConfig, bytes_per_cycle: float | None) -> float:
    """`bytes_per_cycle` of a memory, or all that the accelerator can take; BandwidthError if it is more."""
    port = config.port_bytes
    if bytes_per_cycle is None:
        return float(port)
    if bytes_per_cycle > port:
        raise BandwidthError(
            f"a memory of {bytes_per_cycle:g} bytes per cycle: the memory port of {config.name} moves "
            f"{port}, give at most that"
        )
    return bytes_per_cycle


class Memory:
    """The words that reads and writes share, first come, first served: burst by burst they take turns."""

    def __init__(self, timing: MemoryTiming):
        self.timing = timing
        self._free = 0.0

    def move(self, start: float, beats: int, words: int, beat: float = 1.0) -> float:
        """Cycle after the last of `beats` of `words` that may begin to move at `start`; the accelerator takes
        (or gives) one in `beat` cycles."""
        begin = max(start, self._free)
        self._free = begin + beats * max(1.0, words / self.timing.rate)
        return max(self._free, begin + beats * beat)


Finished = Callable[[int], None]
"""Is told the cycle in which the words of a transfer are in the buffer or in memory."""


class _Transfer(NamedTuple):
    row_words: int
    rows: int
    finished: Finished
    beat: float
    memory: Place
    buffer: Place


class _Piece(NamedTuple):
    """Bursts one behind the other: cycle of the request, beats, cycles a beat; `finished` of the last one."""

    asked: float
    bursts: int
    beats: int
    beat: float
    finished: Finished | None


class Dma:
    """One engine: transfers in order, burst by burst, planned while earlier ones are under way.

    port_words : words of a beat. free : a token when the next transfer can be taken.
    """

    def __init__(self, kernel: Kernel, memory: Memory, writes: bool, port_words: int = 1):
        self._kernel, self._memory, self._writes, self._lanes = kernel, memory, writes, port_words
        self.free = Tokens(1)
        self._given, self._transfers = Tokens(), deque[_Transfer]()
        self._planned, self._pieces = Tokens(), deque[_Piece]()
        self._room = Tokens(_OUTSTANDING)

    def start(
        self, row_words: int, rows: int, finished: Finished, beat: float = 1.0, memory: Place = _START,
        buffer: Place = _START,
    ) -> None:  # fmt: skip
        """Takes a transfer now.

        beat : cycles that the buffer needs for one. memory, buffer : where the rows begin, in words.
        """
        self._transfers.append(_Transfer(row_words, rows, finished, beat, memory, buffer))
        self._kernel.give(self._given, self._kernel.now)

    def plan(self) -> Process:
        """Asks for the bursts of transfer after transfer."""
        kernel, asked = self._kernel, 0.0
        while True:
            came = yield self._given
            transfer = self._transfers.popleft()
            asked = max(came + _PLAN, asked)
            rows = self._rows(transfer)
            for row, pieces in enumerate(rows, start=1):
                for number, (bursts, beats) in enumerate(pieces, start=1):
                    for _ in range(bursts):
                        came = yield self._room
                        asked = max(asked, came + _AGAIN)
                    finished = transfer.finished if row == len(rows) and number == len(pieces) else None
                    self._pieces.append(_Piece(asked, bursts, beats, transfer.beat, finished))
                    kernel.give(self._planned, int(asked))
                    asked += _PER_BURST * bursts
            kernel.give(self.free, int(asked) - _PLAN + 1)

    def move(self) -> Process:
        """Moves the words of burst after burst."""
        kernel, end, latency = self._kernel, 0.0, self._memory.timing.latency
        align = _ALIGN if self._lanes > 1 else 0
        before, after = (_FETCH + align, latency - 1) if self._writes else (latency, align)
        while True:
            yield self._planned
            piece = self._pieces.popleft()
            begin = max(piece.asked + before, end)
            yield int(begin)
            end = self._memory.move(begin, piece.beats, self._lanes, piece.beat)
            for _ in range(piece.bursts):
                kernel.give(self._room, int(end + after))
            if piece.finished:
                piece.finished(int(end + after) + 1 + (0 if self._writes else _READ_OUT))

    def _rows(self, transfer: _Transfer) -> list[list[tuple[int, int]]]:
        """(bursts, beats) of what is moved at once, row by row."""
        known: dict[tuple[int, int], list[tuple[int, int]]] = {}
        rows = []
        for row in range(transfer.rows):
            lanes = transfer.memory.lane(row, self._lanes), transfer.buffer.lane(row, self._lanes)
            if lanes not in known:
                known[lanes] = _together(self._bursts(transfer.row_words, *lanes))
            rows.append(known[lanes])
        return rows

    def _bursts(self, words: int, memory: int, buffer: int) -> Iterator[int]:
        """Cycles of each burst of a row, which begins at those lanes: one for each beat that is taken in, and
        one where what is left of the last one fills another beat."""
        lanes = self._lanes
        while words > 0:
            here = min(words, BURST * lanes - memory)
            taken, given = (buffer, memory) if self._writes else (memory, buffer)
            last = (taken + here - 1) % lanes + (given - taken) % lanes
            yield -(-(taken + here) // lanes) + (last >= lanes)
            words, memory, buffer = words - here, 0, (buffer + here) % lanes


def _together(bursts: Iterable[int]) -> list[tuple[int, int]]:
    """(bursts, beats): a few full ones are moved together."""
    result: list[tuple[int, int]] = []
    for beats in bursts:
        count, sum_ = result[-1] if result else (0, 0)
        if 0 < count < _TOGETHER and beats >= BURST and sum_ >= BURST * count:
            result[-1] = count + 1, sum_ + beats
        else:
            result.append((1, beats))
    return result
