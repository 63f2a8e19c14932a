"""A small discrete-event kernel: processes, and the tokens they wait for."""

from collections import deque
from collections.abc import Generator
from dataclasses import dataclass
from heapq import heappop, heappush


class Tokens:
    """Tokens that processes take, first come, first served; each knows the cycle it came in."""

    def __init__(self, count: int = 0):
        self.given = deque([0] * count)
        self.waiting: deque[Process] = deque()


@dataclass(frozen=True)
class Ahead:
    """Tokens that are wanted ahead of all processes that wait for one."""

    tokens: Tokens


Process = Generator["int | Tokens | Ahead", int, None]
"""Yields a cycle to sleep until, or `Tokens` to take one from: it is sent the cycle that one came in, which
is earlier than now where the process asked late."""


class Kernel:
    """Runs processes in the order of their cycles; `now` is the present one."""

    def __init__(self) -> None:
        self.now = 0
        self._heap: list[tuple[int, int, Process | Tokens]] = []
        self._order = 0

    def start(self, process: Process) -> None:
        """Runs it up to where it first waits."""
        self._resume(process, None)

    def give(self, tokens: Tokens, at: int) -> None:
        """One token that can be taken from cycle `at` on."""
        self._push(at, tokens)

    def run(self) -> None:
        """Until nothing is left to do."""
        while self._heap:
            self.now, _, what = heappop(self._heap)
            if not isinstance(what, Tokens):
                self._resume(what, self.now)
            elif what.waiting:
                self._resume(what.waiting.popleft(), self.now)
            else:
                what.given.append(self.now)

    def _push(self, at: int, what: "Process | Tokens") -> None:
        self._order += 1
        heappush(self._heap, (max(at, self.now), self._order, what))

    def _resume(self, process: Process, came: int | None) -> None:
        """Goes on with a process that has slept, or waited for a token that came, or that begins (None)."""
        while True:
            try:
                wish = process.send(came)  # type: ignore[arg-type]
            except StopIteration:
                return
            if isinstance(wish, Ahead):
                wish = wish.tokens
                if not wish.given:
                    wish.waiting.appendleft(process)
                    return
                came = wish.given.popleft()
            elif isinstance(wish, Tokens):
                if not wish.given:
                    wish.waiting.append(process)
                    return
                came = wish.given.popleft()
            else:
                came = self.now
                if wish > self.now:
                    self._push(wish, process)
                    return
