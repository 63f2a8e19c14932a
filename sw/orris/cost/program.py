"""Cycles of a program: every command in its unit, every pass in the array.

The accelerator's units are followed command by command, plane by plane and pass by pass, with their queues
and semaphores. Every constant is the number of pipeline stages or states of a block; nothing is fitted.
"""

from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial

from orris_hw.commands import COMMAND_WORDS, FORMATS, QUEUE_DEPTH, SEMAPHORES, Format
from orris_hw.config import AcceleratorConfig

from ..compiler.layout import WORD_BYTES
from ..compiler.vector_counts import command_cycles
from .compute import ComputeUnit
from .events import Ahead, Kernel, Process, Tokens
from .memory import Dma, Memory, MemoryTiming, Place

_START = 5  # cycles from the start command to the program's, in which the core is reset
_SETTLE = 7  # from the end of the program until the counters hold everything
_FETCHED, _BUFFERED = 4, 16  # commands asked for at once, commands held
_DECODE = 3  # cycles from a command's last word to its queue
_FETCH_FIFO = 2
_TOKEN = 5  # from giving a token to taking it
_BEGIN = 3  # cycles from a command to its first plane
_FLIGHTS = 16  # transfers under way

Command = tuple[Format, dict[str, int]]


@dataclass(frozen=True)
class Timing:
    """What a program is expected to take.

    cycles : from start to done. stalls : PE-cycles that PEs in use wait, by the counters' names.
    """

    cycles: int
    stalls: dict[str, int]


def program_timing(
    config: AcceleratorConfig, commands: Sequence[Command], memory: MemoryTiming | None = None
) -> Timing:
    """Expected timing of a program (`END` is not needed) with the accelerator's memory as given."""
    return _Program(config, commands, memory or MemoryTiming()).timing()


class _Queue:
    """Commands of a kind on their way to their unit."""

    def __init__(self, depth: int = QUEUE_DEPTH) -> None:
        self.room, self.items = Tokens(depth), Tokens()
        self.commands: deque[dict[str, int]] = deque()


class _Program:
    def __init__(self, config: AcceleratorConfig, commands: Sequence[Command], timing: MemoryTiming):
        self._commands, self._kernel = commands, Kernel()
        self._words = config.port_words
        memory = Memory(timing, self._words)
        self._reads = Dma(self._kernel, memory, False, self._words)
        self._writes = Dma(self._kernel, memory, True, self._words)
        self._tokens = [Tokens() for _ in range(SEMAPHORES + 1)]
        self._compute = ComputeUnit(config, self._kernel, self._tokens, self._give, self._complete)
        self._config = config
        self._queues = {"LOAD": _Queue(), "STORE": _Queue(), "RUN": _Queue(), "VECTOR": _Queue(1)}
        self._under_way, self._completed = 0, Tokens()
        compute = self._queues["RUN"]
        compute.room, compute.items, compute.commands = (
            self._compute.room, self._compute.items, self._compute.runs,
        )  # fmt: skip
        self._fetched, self._room = Tokens(), Tokens(_BUFFERED)
        self._end = 0

    def timing(self) -> Timing:
        kernel, compute = self._kernel, self._compute
        kernel.now = 1
        for process in (
            self._fetch(),
            self._decode(),
            self._reads.move(),
            self._writes.move(),
            self._transfers("LOAD", self._reads),
            self._transfers("STORE", self._writes),
            compute.filters(),
            compute.array(),
            self._vectors(),
        ):
            kernel.start(process)
        kernel.run()
        cycles = _START + self._end + _SETTLE
        return Timing(cycles, {name: round(value) for name, value in compute.stalls.items()})

    def _give(self, number: int, at: float) -> None:
        if number:
            self._kernel.give(self._tokens[number], int(at) + _TOKEN)

    def _done(self, at: int) -> None:
        self._end = max(self._end, at)

    def _complete(self, at: float) -> None:
        """A command that was handed out is done."""
        self._done(int(at))
        self._kernel.give(self._completed, int(at))

    # -- commands ------------------------------------------------------------------------------------------
    def _fetch(self) -> Process:
        kernel, left = self._kernel, len(self._commands)
        while left:
            group = min(_FETCHED, left)
            for _ in range(_FETCHED):
                yield self._room
            yield Ahead(self._reads.free)
            # Commands and parameters are taken word by word.
            self._reads.start(group * COMMAND_WORDS, 1, self._bring, self._words, each=COMMAND_WORDS)
            for _ in range(_FETCHED - group):
                kernel.give(self._room, kernel.now)
            left -= group

    def _bring(self, done: int) -> None:
        """A command has come."""
        self._kernel.give(self._fetched, done + _FETCH_FIFO)

    def _decode(self) -> Process:
        kernel, handed_out = self._kernel, 0
        for format_, fields in self._commands:
            came = yield self._fetched
            yield max(came, handed_out + COMMAND_WORDS)
            kernel.give(self._room, kernel.now)
            yield kernel.now + _DECODE
            if format_.name == "SIGNAL":
                for token in range(fields["count"]):
                    self._give(fields["semaphore"], kernel.now + token)
                # The next command is handed out when all are given.
                yield kernel.now + max(0, fields["count"] + 1 - COMMAND_WORDS - _DECODE)
            elif format_.name in self._queues:
                queue = self._queues[format_.name]
                yield queue.room
                queue.commands.append(_ZEROS[format_.name] | fields)
                kernel.give(queue.items, kernel.now + 1)
                self._under_way += 1
            elif format_.name == "BARRIER":
                for _ in range(self._under_way):
                    yield self._completed
                self._under_way = 0
                yield kernel.now + _TOKEN
                for tokens in self._tokens:
                    tokens.given.clear()
            handed_out = kernel.now
            self._done(handed_out + 2)

    # -- transfers -----------------------------------------------------------------------------------------
    def _transfers(self, kind: str, dma: Dma) -> Process:
        """The load or the store unit: a token, then one transfer per plane, then a token."""
        kernel, queue = self._kernel, self._queues[kind]
        flights = Tokens(_FLIGHTS)
        while True:
            yield queue.items
            command = queue.commands.popleft()
            kernel.give(queue.room, kernel.now)
            yield kernel.now + _BEGIN + command.get("ring_start", 0)
            each, planes = command.get("each", 0), command["planes"]
            for plane in range(planes):
                asks = plane == 0 or each
                if command["wait"] and asks:
                    yield kernel.now + 1
                    yield self._tokens[command["wait"]]
                yield kernel.now + 2 + bool(asks)
                yield flights
                yield dma.free
                row_words, rows, beat = command["row_words"], command["rows"], 1.0
                place = (plane + command.get("ring_start", 0)) % (command.get("ring") or planes)
                address = command["buffer_address"] + place * command["buffer_plane_stride"]
                if kind == "LOAD":
                    beat = float(self._words)
                    if not command["parameters"]:
                        beat = self._compute.write_interval(address, row_words * rows)
                first = command["address"] + plane * command["plane_stride"]
                last = plane + 1 == planes
                signal = command["signal"] if each or last else 0
                dma.start(
                    row_words, rows, partial(self._landed, flights, signal, last), beat,
                    Place(first // WORD_BYTES, command["row_stride"] // WORD_BYTES),
                    Place(address, command["buffer_row_stride"]),
                )  # fmt: skip
                yield kernel.now + 1

    def _landed(self, flights: Tokens, signal: int, last: bool, done: int) -> None:
        """A plane has arrived, the `last` one of its command."""
        self._kernel.give(flights, done)
        self._give(signal, done)
        if last:
            self._complete(done + 1)

    # -- vector unit ---------------------------------------------------------------------------------------
    def _vectors(self) -> Process:
        """VECTOR commands, one after the other."""
        kernel, queue = self._kernel, self._queues["VECTOR"]
        while True:
            yield queue.items
            command = queue.commands.popleft()
            for wait in (command["wait_a"], command["wait_b"], command["wait_out"]):
                if wait:
                    yield self._tokens[wait]
            yield kernel.now + command_cycles(command, self._config)
            for signal in ("signal_a", "signal_b", "signal_out"):
                self._give(command[signal], kernel.now)
            kernel.give(queue.room, kernel.now)
            self._complete(kernel.now)


_ZEROS = {name: {field.name: 0 for field in format_.fields} for name, format_ in FORMATS.items()}
