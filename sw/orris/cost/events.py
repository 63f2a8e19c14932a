"""A small discrete-event kernel: processes, and the tokens they wait for."""

from collections import deque
from collections.abc import Generator
from heapq import heappop, heappush


class Tokens:
    """A counter that processes take tokens from, first come, first served."""

    def __init__(self, count: int = 0):
        self.count = count
        self.waiting: deque[Process] = deque()


Process = Generator["int | Tokens", None, None]
"""Yields a cycle to sleep until, or `Tokens` to take one from."""


class Kernel:
    """Runs processes in the order of their cycles; `now` is the present one."""

    def __init__(self) -> None:
        self.now = 0
        self._heap: list[tuple[int, int, Process | Tokens]] = []
        self._order = 0

    def start(self, process: Process) -> None:
        self._push(self.now, process)

    def give(self, tokens: Tokens, at: int) -> None:
        """One token that can be taken from cycle `at` on."""
        self._push(at, tokens)

    def _push(self, at: int, what: "Process | Tokens") -> None:
        self._order += 1
        heappush(self._heap, (max(at, self.now), self._order, what))

    def run(self) -> None:
        """Until nothing is left to do."""
        while self._heap:
            self.now, _, what = heappop(self._heap)
            if not isinstance(what, Tokens):
                self._resume(what)
            elif what.waiting:
                self._resume(what.waiting.popleft())
            else:
                what.count += 1

    def _resume(self, process: Process) -> None:
        for wish in process:
            if isinstance(wish, Tokens):
                if wish.count == 0:
                    wish.waiting.append(process)
                    return
                wish.count -= 1
            elif wish > self.now:
                self._push(wish, process)
                return
