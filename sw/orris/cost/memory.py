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
_TOGETHER = 4  # full bursts that are moved at once: what is faster to follow, and hardly coarser
_AHEAD = 2  # bursts that are planned and wait to be asked for
_PLAN = 3  # cycles from a planned burst to its request on the bus
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
    """The words that reads and writes share: where both have some to move they take turns.

    port_words : words of a beat.
    """

    def __init__(self, timing: MemoryTiming, port_words: int = 1):
        self.timing = timing
        rate = timing.rate / port_words
        self._alone, self._shared = min(1.0, rate), min(1.0, rate / 2)  # beats a cycle
        self._left = [0.0, 0.0]  # beats of reads and of writes that have yet to move
        self._now = 0.0

    def begin(self, writes: bool, now: float, beats: int) -> None:
        """`beats` more may move from now on."""
        self._advance(now)
        self._left[writes] += beats

    def end(self, writes: bool, now: float) -> float:
        """When they will have moved, unless the other side begins more by then."""
        self._advance(now)
        here, there = self._left[writes], self._left[not writes]
        if here <= there:
            return now + here / self._shared
        return now + there / self._shared + (here - there) / self._alone

    def _advance(self, now: float) -> None:
        """Moves what can have moved until now."""
        cycles, left = max(0.0, now - self._now), self._left
        self._now = max(self._now, now)
        both = min(*left, cycles * self._shared)
        cycles -= both / self._shared
        for side in (False, True):
            left[side] -= both
        for side in (False, True):
            left[side] = max(0.0, left[side] - cycles * self._alone)


Finished = Callable[[int], None]
"""Is told the cycle in which the words of a transfer are in the buffer or in memory."""


class _Transfer(NamedTuple):
    row_words: int
    rows: int
    finished: Finished
    beat: float
    memory: Place
    buffer: Place
    each: int


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
        self._ahead = Tokens(_AHEAD)
        self._burst, self._cut = Tokens(), deque[_Piece]()
        self._planned, self._pieces = Tokens(), deque[_Piece]()
        self._room = Tokens(_OUTSTANDING)

    def start(
        self, row_words: int, rows: int, finished: Finished, beat: float = 1.0, memory: Place = _START,
        buffer: Place = _START, each: int = 0,
    ) -> None:  # fmt: skip
        """Takes a transfer now.

        beat : cycles that the buffer needs for one. memory, buffer : where the rows begin, in words.
        each : words after which `finished` is told each time (0: only of all), of a transfer of one burst.
        """
        self._transfers.append(_Transfer(row_words, rows, finished, beat, memory, buffer, each))
        self._kernel.give(self._given, self._kernel.now)

    def processes(self) -> tuple[Process, ...]:
        """All that go on at once."""
        return self._plan(), self._ask(), self._move()

    def _plan(self) -> Process:
        """Cuts transfer after transfer into bursts, some of them ahead of their requests."""
        kernel, planned = self._kernel, 0
        while True:
            came = yield self._given
            transfer = self._transfers.popleft()
            planned = max(planned, came)
            rows = self._rows(transfer)
            for row, pieces in enumerate(rows, start=1):
                for place, (bursts, beats) in enumerate(pieces, start=1):
                    begun = 0
                    for number in range(bursts):
                        if number < _AHEAD:
                            came = yield self._ahead
                        planned = max(planned + _PER_BURST, came + 1)
                        begun = begun or planned
                    last = row == len(rows) and place == len(pieces)
                    finished = transfer.finished if last or transfer.each else None
                    self._cut.append(_Piece(begun + _PLAN, bursts, beats, transfer.beat, finished))
                    kernel.give(self._burst, begun)
            planned += 1
            kernel.give(self.free, planned)

    def _ask(self) -> Process:
        """Asks for burst after burst, where it can have so many under way."""
        kernel, asked = self._kernel, 0
        while True:
            yield self._burst
            piece = self._cut.popleft()
            asked = max(asked, int(piece.asked))
            for _ in range(piece.bursts):
                came = yield self._room
                asked = max(asked, came + _AGAIN)
            self._pieces.append(piece._replace(asked=asked))
            kernel.give(self._planned, asked)
            for _ in range(min(piece.bursts, _AHEAD)):
                kernel.give(self._ahead, asked)
            asked += _PER_BURST * piece.bursts

    def _move(self) -> Process:
        """Moves the words of burst after burst."""
        kernel, memory, end = self._kernel, self._memory, 0.0
        latency = memory.timing.latency
        align = _ALIGN if self._lanes > 1 else 0
        before, after = (_FETCH + align, latency - 1) if self._writes else (latency, align)
        while True:
            yield self._planned
            piece = self._pieces.popleft()
            begin = max(piece.asked + before, end)
            yield int(begin)
            memory.begin(self._writes, begin, piece.beats)
            while (end := memory.end(self._writes, max(begin, kernel.now))) > kernel.now + 1:
                yield int(end)
            end = max(end, begin + piece.beats * piece.beat)
            for _ in range(piece.bursts):
                kernel.give(self._room, int(end + after))
            if piece.finished:
                piece.finished(int(end + after) + 1 + (0 if self._writes else _READ_OUT))

    def _rows(self, transfer: _Transfer) -> list[list[tuple[int, int]]]:
        """(bursts, beats) of what is moved at once, row by row."""
        if transfer.each:
            beats = transfer.each // self._lanes
            return [[(number == 0, beats) for number in range(transfer.row_words // transfer.each)]]
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
