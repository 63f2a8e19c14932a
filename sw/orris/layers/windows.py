"""Where pooling windows lie on one axis of an image."""

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import groupby


@dataclass(frozen=True)
class WindowAxis:
    """Rows or columns: `size` stored ones, `places` windows of `taps`, `stride` apart, the first `before`
    outside."""

    size: int
    places: int
    taps: int
    stride: int
    before: int

    def window(self, place: int) -> tuple[int, int]:
        """(first, behind the last) stored row under a window."""
        first = place * self.stride - self.before
        return max(0, first), min(self.size, first + self.taps)

    def span(self, first: int, end: int) -> tuple[int, int]:
        """Stored rows under the windows of places first to end - 1."""
        return self.window(first)[0], self.window(end - 1)[1]

    def most(self, places: int) -> int:
        """Stored rows under so many neighbouring windows, at most."""
        return min(self.size, (places - 1) * self.stride + self.taps)

    def complete(self, rows: int) -> int:
        """Places, from the first on, whose windows see none but the first `rows` stored ones."""
        if rows == self.size:
            return self.places
        return max(0, min(self.places, (rows + self.before - self.taps) // self.stride + 1))

    def groups(self, first: int, end: int) -> Iterator[tuple[int, int, int, int]]:
        """(first place, places, first stored row, taps) of neighbours cut by the edge in the same way."""

        def cut(place: int) -> tuple[int, int]:
            begin, behind = self.window(place)
            return begin - place * self.stride, behind - begin

        for (_, taps), group in groupby(range(first, end), cut):
            places = list(group)
            yield places[0], len(places), self.window(places[0])[0], taps
