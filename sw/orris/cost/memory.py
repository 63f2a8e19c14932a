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
        cycles = now - self._now
        if cycles <= 0:
            return
        self._now = now
        reads, writes = self._left
        both = min(reads, writes, cycles * self._shared)
        alone = (cycles - both / self._shared) * self._alone
        self._left = [max(0.0, reads - both - alone), max(0.0, writes - both - alone)]


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
    """Bursts one behind the other: from when on they are asked for, beats, cycles a beat; `finished` of the
    last one."""

    asked: int
    bursts: int
    beats: int
    beat: float
    finished: Finished | None


class Dma:
    """One engine: transfers in order, burst by burst, planned while earlier ones are under way.

    When a burst is planned and asked for follows from when earlier ones were asked for and have ended: no
    process waits for either, both are worked out as soon as those are known.

    port_words : words of a beat. free : a token when the next transfer can be taken.
    """

    def __init__(self, kernel: Kernel, memory: Memory, writes: bool, port_words: int = 1):
        self._kernel, self._memory, self._writes, self._lanes = kernel, memory, writes, port_words
        self.free = Tokens(1)
        self._transfers = deque[tuple[int, _Transfer]]()
        self._ahead = deque([0] * _AHEAD)  # when bursts may be planned
        self._cut = deque[_Piece]()
        self._room = deque([0] * _OUTSTANDING)  # when bursts may be asked for
        self._asked = 0
        self._pieces = deque[_Piece]()
        self._idle, self._woken = False, Tokens()
        self._planning = self._plan()

    def start(
        self, row_words: int, rows: int, finished: Finished, beat: float = 1.0, memory: Place = _START,
        buffer: Place = _START, each: int = 0,
    ) -> None:  # fmt: skip
        """Takes a transfer now.

        beat : cycles that the buffer needs for one. memory, buffer : where the rows begin, in words.
        each : words after which `finished` is told each time (0: only of all), of a transfer of one burst.
        """
        transfer = _Transfer(row_words, rows, finished, beat, memory, buffer, each)
        self._transfers.append((self._kernel.now, transfer))
        self._go_on()
        if self._idle and self._pieces:
            self._idle = False
            self._kernel.give(self._woken, self._kernel.now)

    def _go_on(self) -> None:
        """Plans and asks for all bursts of which it is known when."""
        next(self._planning)
        while self._ask():
            pass

    def _plan(self) -> Iterator[None]:
        """Cuts transfer after transfer into bursts, some of them ahead of their requests; yields where it
        depends on what is not known yet."""
        ahead, planned = self._ahead, 0
        while True:
            while not self._transfers:
                yield
            came, transfer = self._transfers.popleft()
            planned = max(planned, came)
            rows = self._rows(transfer)
            for row, pieces in enumerate(rows, start=1):
                for place, (bursts, beats) in enumerate(pieces, start=1):
                    while len(ahead) < min(bursts, _AHEAD):
                        if not self._ask():
                            yield
                    begun = 0
                    for number in range(bursts):
                        if number < _AHEAD:
                            came = ahead.popleft()
                        planned = max(planned + _PER_BURST, came + 1)
                        begun = begun or planned
                    last = row == len(rows) and place == len(pieces)
                    finished = transfer.finished if last or transfer.each else None
                    self._cut.append(_Piece(begun + _PLAN, bursts, beats, transfer.beat, finished))
            planned += 1
            self._kernel.give(self.free, planned)

    def _ask(self) -> bool:
        """Asks for the next bursts, if it is known when there is room for so many under way."""
        if not self._cut or len(self._room) < self._cut[0].bursts:
            return False
        planned, bursts, beats, beat, finished = self._cut.popleft()
        asked = max(self._asked, planned)
        for _ in range(bursts):
            asked = max(asked, self._room.popleft() + _AGAIN)
        self._pieces.append(_Piece(asked, bursts, beats, beat, finished))
        self._ahead.extend([asked] * min(bursts, _AHEAD))
        self._asked = asked + _PER_BURST * bursts
        return True

    def move(self) -> Process:
        """Moves the words of burst after burst."""
        kernel, memory, writes, end = self._kernel, self._memory, self._writes, 0.0
        latency = memory.timing.latency
        align = _ALIGN if self._lanes > 1 else 0
        before, after = (_FETCH + align, latency - 1) if writes else (latency, align)
        told = after + 1 + (0 if writes else _READ_OUT)
        while True:
            if not self._pieces:
                self._idle = True
                yield self._woken
            asked, bursts, beats, beat, finished = self._pieces.popleft()
            begin = max(asked + before, end)
            yield int(begin)
            memory.begin(writes, begin, beats)
            while (end := memory.end(writes, max(begin, kernel.now))) > kernel.now + 1:
                yield int(end)
            end = max(end, begin + beats * beat)
            self._room.extend([int(end + after)] * bursts)
            self._go_on()
            if finished:
                finished(int(end + told))

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
