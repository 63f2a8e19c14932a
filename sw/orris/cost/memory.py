"""When words move between memory and the accelerator: the two DMA engines and the memory they share."""

from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass
from typing import NamedTuple

from orris_hw.config import AcceleratorConfig
from orris_hw.errors import OrrisError

BURST = 32
"""Most beats of a burst."""
_OUTSTANDING = 16
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
    """The words that reads and writes share, first come, first served."""

    def __init__(self, timing: MemoryTiming):
        self.timing = timing
        self._free = 0.0

    def move(self, start: float, beats: int, words: int, beat: float = 1.0) -> float:
        """Cycle after the last of `beats` of `words` that may begin to move at `start`; the accelerator takes
        (or gives) one in `beat` cycles."""
        self._free = max(start, self._free) + beats * max(beat, words / self.timing.rate)
        return self._free


class Dma:
    """One engine: transfers in order, burst by burst, planned while earlier ones are under way.

    port_words : words of a beat.
    """

    def __init__(self, memory: Memory, writes: bool, port_words: int = 1):
        self._memory, self._writes, self._lanes = memory, writes, port_words
        self.free = 0  # when the next transfer can be taken
        self._asked = 0.0
        self._ends: deque[float] = deque([0.0] * _OUTSTANDING, maxlen=_OUTSTANDING)

    def transfer(
        self, now: int, row_words: int, rows: int, beat: float = 1.0, memory: Place = _START,
        buffer: Place = _START,
    ) -> int:  # fmt: skip
        """Cycle in which the transfer, taken at `now`, is done: its words in the buffer or in memory.

        beat : cycles that the buffer needs for one. memory, buffer : where the rows begin, in words.
        """
        latency, move, ends = self._memory.timing.latency, self._memory.move, self._ends
        align = _ALIGN if self._lanes > 1 else 0
        before, after = (_FETCH + align, latency - 1) if self._writes else (latency, align)
        asked = max(now + _PLAN, self._asked + _PER_BURST)
        for row in range(rows):
            lanes = memory.lane(row, self._lanes), buffer.lane(row, self._lanes)
            for beats in self._bursts(row_words, *lanes):
                asked = max(asked, ends[0] + _AGAIN)
                ends.append(move(asked + before, beats, self._lanes, beat) + after)
                self._asked = asked
                asked += _PER_BURST
        self.free = int(self._asked - _PLAN + _PER_BURST + 1)
        return int(ends[-1]) + 1 + (0 if self._writes else _READ_OUT)

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
