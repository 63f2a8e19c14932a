"""What waits on its way to columns of the array that have no room for it yet.

A Y-bus and an X-bus bring beats in order. A beat that a column has no room for is held at its stop of the
X-bus; those behind it fill the stops ahead of that one, then the head of the row, and then the Y-bus stands
still, for all rows and columns.
"""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from math import ceil

from orris_hw.config import AcceleratorConfig

from .array import HOP, STOP, IfmapFeed, Run
from .columns import Work

Room = Callable[[int, int], float]
"""When a column frees a value: the column's number, the value's."""


@dataclass(frozen=True)
class ColumnTimes:
    """A pass of the columns: when each ends it, and cycles of a position."""

    work: Work
    ends: list[float]
    period: float

    def freed(self, column: int, value: int) -> float:
        """As `Room`; values are counted from 1."""
        work = self.work
        position = max(0, min((value - 1) // work.step, work.positions - 1))
        begin = self.ends[min(column, len(self.ends) - 1)] - (work.positions - position) * self.period
        return begin + (value - position * work.step) * work.p

    def freed_back(self, column: int, value: int) -> float:
        """The same, counted from the last value (0, and down)."""
        return self.freed(column, self.work.values + value)


class Backlog:
    """Ifmap values of a pass, on their way to columns that free their places one by one.

    Cycles are as seen from the last column: what reaches column j does so as many earlier as there are
    stops of the X-bus behind its own.
    """

    def __init__(self, config: AcceleratorConfig, run: Run, feed: IfmapFeed):
        self._feed, self._q, self._e, self._sets = feed, run["q"], run["e"], run["sets"]
        self._config, self._capacity = config, config.scratchpads.ifmap
        self._own = feed.row_beats // feed.rows  # beats of an ifmap column that a column takes of a row

    def sent(self, room: Room, columns: int, numbers: Iterable[int]) -> float:
        """When the last beat of so many ifmap columns has a place behind the Y-bus.

        room : when a column frees places, beside those that are free before the pass.
        numbers : the ifmap columns to look at, beside the last one of which the PEs must have taken some.
        """
        return self._through(room, columns, numbers, self._feed.places)

    def emptied(self, room: Room) -> float:
        """When the last beat of the pass has left the FIFO of its row."""
        return self._through(room, self._feed.columns, self.without_room, HOP / self._feed.values)

    @property
    def without_room(self) -> list[int]:
        """The first ifmap column that PEs have no room for before the pass, if there is one."""
        number = self._capacity // self._q
        return [number] if number < self._feed.columns else []

    def early(self, column: int) -> float:
        """Cycles from the values of an ifmap column that are for this column to the last ones."""
        return (self._e - 1 - column % self._e) * self._feed.column / self._feed.rows

    def _through(self, room: Room, columns: int, numbers: Iterable[int], places: float) -> float:
        """When the last beat of so many ifmap columns has one of so many places of a row, or of those in the
        stops of the X-bus, or has been taken by the PE."""
        feed, q, own, through = self._feed, self._q, self._own, 0.0
        total, slow = columns * feed.row_beats, feed.column / max(feed.beats, feed.x_bus)
        for column in range(self._e * self._sets):
            stop = self._config.stop_of(column)
            held = places + STOP * stop / feed.values
            first = column % self._e * own  # of an ifmap column that is for this one, in the top row of a set
            last = int((total - held - first - 1) // feed.row_beats)
            for number in {*numbers, last}:
                taken = min(own, total - held - first - number * feed.row_beats)
                value = number * q + ceil(taken * q / own) - self._capacity
                if taken <= 0 or (number not in numbers and value <= 0):
                    continue
                passed = number * feed.row_beats + first + taken + held
                rows, part = divmod(passed, own)
                y_bus = columns * feed.beats - rows * feed.beats / feed.rows - part
                left = max(0.0, y_bus, (total - passed) * feed.x_bus / feed.row_beats)
                # A place in a stop is known of stop by stop, up to the head of the row.
                back = 2 * stop - self._config.stops + 1
                through = max(through, room(column, value) + back + left * slow)
        return through


def beats_behind(config: AcceleratorConfig, run: Run, column: int, other: int) -> int:
    """Beats on an X-bus from those of the other column to those of a column, less those that wait in the
    stops between them."""
    between = max(0, config.stop_of(other) - config.stop_of(column))
    return (column % run["e"] - other % run["e"]) * run["q"] - STOP * between


def filters_held(config: AcceleratorConfig, column: int, fields: int) -> int:
    """Beats of filters that the head of a row and the stops of its X-bus hold behind the `fields` that
    describe a pass, which wait for that column."""
    networks = config.networks
    values = STOP * (config.stop_of(column) + 2) - fields  # in the stops, and ahead of them
    lanes = networks.filter_bits // config.data_width if values > 0 else 1
    return max(1, networks.fifo_depth + values // lanes)
