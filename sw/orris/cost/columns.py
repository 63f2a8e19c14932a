"""When the columns of the array work on their passes.

Columns may share a psum port. A column delivers a burst of psums on the last tap of every ofmap position. A
port takes one psum a cycle, stays with a column until its burst is over and then goes to the next one in turn
that has a burst. A column that waits falls behind, until no two bursts meet. Columns that wait for the same
filters or ifmap values go on together, and fall behind anew.

An X-bus brings ifmap values in order, so that no column gets ahead of later ones by more than what their PEs
and the stops between them have room for.
"""

from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cache
from math import ceil
from typing import Any

_CHAIN = 4  # psums a column holds: two in its top PE, two at the port
_WAY = 5  # cycles from a PE that frees a value to one that waits for those behind it
_NEVER = float("inf")
_KNOWN = 2  # passes before the present one that columns still work on

Waits = tuple[tuple[int, int], ...]
"""Columns that a column waits for, and how far its beats are behind theirs on the X-bus."""

Needs = tuple[tuple[int, tuple[tuple[int, int], ...]], ...]
"""Columns that a column waits for, and what it waits for: see `Work.needs`."""


@dataclass(frozen=True)
class Work:
    """A pass of a column: positions of `period` cycles, each of which ends with a burst of psums.

    p, q, taps, step : as in RUN. capacity : ifmap values that a PE has room for. beats : of an ifmap column
    on an X-bus, q of which are a PE's.
    """

    positions: int
    period: float
    burst: int
    p: int
    q: int
    taps: int
    step: int
    capacity: int
    beats: int

    @property
    def values(self) -> int:
        """Ifmap values of a PE."""
        return self.taps + (self.positions - 1) * self.step

    @property
    def ahead(self) -> int:
        """Positions that a column may be ahead of another, and more."""
        return (self.capacity + self.taps) // self.step + 2

    def before(self, value: int, behind: int) -> int:
        """Values that a column takes from the X-bus before the given one comes to another column, whose beats
        are `behind` its own."""
        columns, beats = divmod(value // self.q * self.beats + value % self.q + behind, self.beats)
        return columns * self.q + min(self.q, beats)

    def needs(self, first: bool, behind: int) -> tuple[tuple[int, int], ...]:
        """(values freed by another column, beside those of the positions before this one; cycles into this
        position) that it waits for, its first or a later one; `behind` as in `before`."""
        return _needs(self, first, behind)


@cache
def _needs(work: Work, first: bool, behind: int) -> tuple[tuple[int, int], ...]:
    taps = range(0 if first else work.taps - work.q, work.taps)
    values = [(work.before(tap, behind) - work.capacity, tap) for tap in taps]
    # Within a position, values are freed at the pace of their use: the first of those tells.
    return tuple(
        (value, tap * work.p)
        for (value, tap), (other, earlier) in zip(values, [(-(1 << 20), 0), *values], strict=False)
        if (value - 1) // work.step != (other - 1) // work.step or value - tap > other - earlier
    )


@cache
def _column_needs(work: Work, waits: Waits) -> tuple[Needs, Needs]:
    first, later = (
        tuple((other, work.needs(begins, behind)) for other, behind in waits) for begins in (True, False)
    )
    return first, later


class _Known:
    """A pass that a column has begun: the cycles in which the first and the last few positions began."""

    def __init__(self, number: int, work: Work):
        self.number, self.work, self.count, self.begun = number, work, 0, 0.0
        self.starts: deque[float] = deque(maxlen=work.ahead)

    def copy(self, later: float) -> "_Known":
        other = _Known(self.number, self.work)
        other.count, other.begun = self.count, self.begun + later
        other.starts.extend(start + later for start in self.starts)
        return other

    def begin(self, at: float) -> None:
        """A position begins."""
        self.begun = self.begun if self.count else at
        self.starts.append(at)
        self.count += 1

    def freed(self, value: int) -> float | None:
        """When the PEs have freed that many values of the pass; None if that is still to be seen."""
        work = self.work
        position = min((value - 1) // work.step, work.positions - 1)
        if position >= self.count:
            return None
        place = position - self.count + len(self.starts)
        return self.starts[place] + (value - position * work.step) * work.p if place >= 0 else -_NEVER


class _Column:
    """A column's pass under way, and the one behind it."""

    def __init__(self) -> None:
        self.behind: tuple[_Known, float, Waits] | None = None
        """The pass to come: not before, and which columns it waits for."""
        self.passes: list[_Known] = []
        self.waits: Waits = ()
        self.needs: tuple[Needs, Needs] = (), ()
        """What its first and its later positions wait for, of which columns."""
        self.left = 0
        """Of the pass under way: positions that have not delivered their burst."""
        self.ready = _NEVER
        """When the next burst is."""
        self.end = 0.0
        """When the positions end of which the bursts have been delivered."""
        self.blocked = False
        """It waits for a value that a later column has no room for yet."""

    def copy(self, later: float) -> "_Column":
        """The same, so many cycles later."""
        other = _Column()
        other.__dict__ |= self.__dict__
        other.ready, other.end = self.ready + later, self.end + later
        other.passes = [known.copy(later) for known in self.passes]
        return other

    def freed(self, number: int, value: int) -> float | None:
        """When the PEs have freed that many values of a pass, or all but so many of those before it; None if
        that is still to be seen."""
        for known in reversed(self.passes):
            if known.number == number and value > 0:
                return known.freed(value)
            if known.number == number - 1 and value <= 0:
                value += known.work.values
                return known.freed(value) if value > 0 else -_NEVER
        return -_NEVER

    def state(self, base: float, number: int) -> tuple[Any, ...]:
        """All that matters for what follows, as seen from a cycle and from a pass."""
        passes = (
            (known.number - number, known.work, known.count, *(start - base for start in known.starts))
            for known in self.passes
            if known.number >= number - _KNOWN
        )
        ready, end = self.ready - base, max(self.end - base, 0.0)
        return self.left, self.blocked, ready, end, self.waits, *passes


class _Port:
    """Columns that share a port."""

    def __init__(self, columns: list[_Column], free: float = 0.0, last: int = 0):
        self.columns, self.free, self.last = columns, free, last

    @property
    def next(self) -> float:
        return max(self.free, min([column.ready for column in self.columns]))

    def turn(self, now: float) -> _Column:
        """The column whose burst begins."""
        count = len(self.columns)
        self.last = next(
            place % count
            for place in range(self.last, self.last + count)
            if self.columns[place % count].ready <= now
        )
        return self.columns[self.last]


class LastColumn:
    """The columns of an array where each has a psum port: all do as the last one. See `Columns`."""

    def __init__(self) -> None:
        self._end, self._positions = 0.0, 0

    def begin(
        self, bounds: Sequence[float], work: Work, waits: Sequence[Waits]
    ) -> tuple[list[float], list[float]]:
        begin = max(self._end, bounds[-1])
        self._end, self._positions = begin + work.positions * work.period, work.positions
        return [begin], [self._end]

    def slow(self, count: int, wait: float) -> None:
        self._end += self._positions * wait


class _Array:
    """Columns and their ports, `sharing` to each."""

    def __init__(self, columns: list[_Column], sharing: int, number: int = 0):
        self.columns, self.number, self._sharing = columns, number, sharing
        firsts = range(0, len(columns), sharing)
        self._ports = [_Port(columns[first : first + sharing]) for first in firsts]

    def copy(self, later: float = 0.0) -> "_Array":
        """The same, so many cycles later."""
        other = _Array([column.copy(later) for column in self.columns], self._sharing, self.number)
        for port, same in zip(other._ports, self._ports, strict=True):
            port.free, port.last = same.free + later, same.last
        return other

    @property
    def next(self) -> float:
        """When the next burst is ready."""
        return min(column.ready for column in self.columns)

    def state(self) -> tuple[Any, ...]:
        """All that matters for what follows, as seen from the next burst."""
        base = self.next
        ports = ((max(port.free - base, 0.0), port.last) for port in self._ports)
        return *ports, *(column.state(base, self.number) for column in self.columns)

    def begin(self, bounds: Sequence[float], work: Work, waits: Sequence[Waits]) -> list[float]:
        """As `Columns.begin`, until all columns have begun the pass; when each has."""
        begun = []
        for column, bound, others in zip(self.columns, bounds, waits, strict=False):
            column.behind = _Known(self.number, work), bound, others
            begun.append(column.behind[0])
            if not column.left:
                self._begin(column)
        self.number += 1
        while not all(known.count for known in begun):
            self._serve()
        return [known.begun for known in begun]

    def slow(self, count: int, wait: float) -> None:
        """As `Columns.slow`."""
        for column in self.columns[:count]:
            known = column.passes[-1]
            known.work = replace(known.work, period=known.work.period + wait)
            column.ready += wait

    def end(self) -> list[float]:
        """Goes on until each column has ended what it has been given; when each has."""
        while any(column.left for column in self.columns):
            self._serve()
        return [column.end for column in self.columns]

    def _serve(self) -> None:
        """The next burst."""
        times = [port.next for port in self._ports]
        now = min(times)
        port = self._ports[times.index(now)]
        column = port.turn(now)
        work = column.passes[-1].work
        port.free = now + work.burst
        # What the column holds of a longer burst is what it holds at any time while psums flow.
        held = work.period - work.burst if work.burst <= _CHAIN else 0
        late = max(0.0, now - column.ready - held)
        column.end = column.ready + work.burst + late
        column.left -= 1
        if column.left:
            self._position(column)
        else:
            self._begin(column)
        for other in self.columns:
            if other.blocked:
                self._position(other)

    def _begin(self, column: _Column) -> None:
        """Goes on to the next pass, if it is known."""
        column.ready = _NEVER
        if column.behind:
            known, bound, column.waits = column.behind
            column.behind = None
            column.passes = [*column.passes[-_KNOWN:], known]
            column.needs = _column_needs(known.work, column.waits)
            column.left, column.end = known.work.positions, max(column.end, bound)
            self._position(column)

    def _position(self, column: _Column) -> None:
        """Begins a position, if there is room for its values."""
        known, begin = column.passes[-1], column.end
        work, before = known.work, known.count * known.work.step
        column.ready, column.blocked = _NEVER, False
        for other, needs in column.needs[known.count > 0]:
            freed_by = self.columns[other].freed
            for value, cycles in needs:
                freed = freed_by(known.number, before + value)
                if freed is None:
                    column.blocked = True
                    return
                if freed + _WAY - cycles > begin:
                    begin = freed + _WAY - cycles
        known.begin(begin)
        column.ready = begin + work.period - work.burst


class Columns:
    """The columns of an array whose psum ports take `sharing` of them each.

    What follows from a state that was seen before is not worked out again.
    """

    def __init__(self, count: int, sharing: int):
        self._array = _Array([_Column() for _ in range(count)], sharing)
        """As it is `_at` cycles later."""
        self._at = 0.0
        self._arrays: dict[Any, _Array] = {}
        self._follows: dict[Any, tuple[_Array, float, list[float], list[float]]] = {}

    def begin(
        self, bounds: Sequence[float], work: Work, waits: Sequence[Waits]
    ) -> tuple[list[float], list[float]]:
        """When each column begins a pass, from its bound on and after those before, and when it ends, which
        passes that come behind may delay.

        Columns beyond those with a bound take no part. Each waits for others as `waits` says: none that one
        waits for waits for it.
        """
        at, array = self._at, self._array
        since = [max(ceil(bound) - at, each.end) for bound, each in zip(bounds, array.columns, strict=False)]
        given = array, work, *waits, *since
        if given not in self._follows:
            after = array.copy()
            begins = after.begin(since, work, waits)
            ends = after.copy().end()[: len(begins)]
            self._follows[given] = *self._seen(after), begins, ends
        self._array, later, begins, ends = self._follows[given]
        self._at += later
        return [at + begin for begin in begins], [at + end for end in ends]

    def slow(self, count: int, wait: float) -> None:
        """The first `count` columns wait for so long in every position of their pass."""
        given = self._array, count, wait
        if given not in self._follows:
            after = self._array.copy()
            after.slow(count, wait)
            self._follows[given] = *self._seen(after), [], []
        self._array, later, *_ = self._follows[given]
        self._at += later

    def _seen(self, array: _Array) -> tuple[_Array, float]:
        """The first array that was in the same state, and how many cycles later that is."""
        return self._arrays.setdefault(array.state(), array.copy(-array.next)), array.next
