"""When words move between memory and the accelerator: the two DMA engines and the memory they share."""

from collections import deque
from dataclasses import dataclass

from orris_hw.config import AcceleratorConfig
from orris_hw.config.model import WORD_BITS
from orris_hw.errors import OrrisError

BURST = 32
"""Most beats of a burst."""
_OUTSTANDING = 16
_PLAN = 5  # cycles from a transfer to its first request on the bus
_PER_BURST = 2  # planning a burst
_AGAIN = 2  # from the end of a burst to the request that takes its place
_READ_OUT = 2  # bus to the buffer's write port
_FETCH = 10  # a write request to its first word on the bus: reading the buffer, FIFOs


@dataclass(frozen=True)
class MemoryTiming:
    """`latency` cycles to the first data or to a write's response; `rate` words of 64 bits a cycle."""

    latency: int = 100
    rate: float = 1.0


class BandwidthError(OrrisError, ValueError):
    """A memory faster than the accelerator's port to it."""


def within_port(config: AcceleratorConfig, bytes_per_cycle: float) -> float:
    """`bytes_per_cycle` of a memory; BandwidthError if that is more than the accelerator can take."""
    port = WORD_BITS // 8
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

    def move(self, start: float, words: int, word: float = 1.0) -> float:
        """Cycle after the last of `words` that may begin to move at `start`; the accelerator takes (or gives)
        one in `word` cycles."""
        self._free = max(start, self._free) + words * max(word, 1 / self.timing.rate)
        return self._free


class Dma:
    """One engine: transfers in order, burst by burst, planned while earlier ones are under way."""

    def __init__(self, memory: Memory, writes: bool):
        self._memory, self._writes = memory, writes
        self.free = 0  # when the next transfer can be taken
        self._asked = 0.0
        self._ends: deque[float] = deque([0.0] * _OUTSTANDING, maxlen=_OUTSTANDING)

    def transfer(self, now: int, row_words: int, rows: int, word: float = 1.0) -> int:
        """Cycle in which the transfer, taken at `now`, is done: its words in the buffer or in memory.

        word : cycles that the buffer needs for one.
        """
        latency, move, ends = self._memory.timing.latency, self._memory.move, self._ends
        before, after = (_FETCH, latency - 1) if self._writes else (latency, 0)
        asked = max(now + _PLAN, self._asked + _PER_BURST)
        full, rest = divmod(row_words, BURST)
        row = [BURST] * full + [rest] * bool(rest)
        for _ in range(rows):
            for beats in row:
                asked = max(asked, ends[0] + _AGAIN)
                ends.append(move(asked + before, beats, word) + after)
                self._asked = asked
                asked += _PER_BURST
        self.free = int(self._asked - _PLAN + _PER_BURST + 1)
        return int(ends[-1]) + 1 + (0 if self._writes else _READ_OUT)
