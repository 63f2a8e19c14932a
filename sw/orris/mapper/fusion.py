"""A layer of the vector unit fused to a convolution: it takes ofmap tiles where they are, in the buffer.

Windows of the pooling that reach beyond an ofmap tile are completed with the next one: rows and columns
at the end of a tile that are still needed are kept, and put ahead of the tile that follows. An addition is
treated as a pooling of single values.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property

from ..layers import AddLayer, ConvLayer, PoolLayer
from ..layers.windows import WindowAxis

Tail = PoolLayer | AddLayer
"""What can be fused."""

VECTOR_LOOP = (1 << 13) - 1
"""Rows, columns and taps of a VECTOR."""


@dataclass(frozen=True)
class Stretch:
    """Ofmap rows `first` to first + count - 1 of a window, or columns.

    place, places : of the fused layer, those that can be computed once these rows are there. before : rows
    ahead of `first` that they see. keep : rows up to the last one that later places see.
    """

    first: int
    count: int
    place: int
    places: int
    before: int
    keep: int

    @property
    def held(self) -> int:
        """Rows of the tile together with those kept from earlier ones."""
        return self.before + self.count


def stretches(axis: WindowAxis, step: int) -> dict[int, Stretch]:
    """All rows in stretches of up to `step`, by the first."""

    def kept(rows: int) -> int:
        place = axis.complete(rows)
        return max(0, rows - axis.window(place)[0]) if place < axis.places else 0

    found = {}
    for first in range(0, axis.size, step):
        end = min(axis.size, first + step)
        place = axis.complete(first)
        found[first] = Stretch(first, end - first, place, axis.complete(end) - place, kept(first), kept(end))
    return found


@dataclass(frozen=True)
class Fusion:
    """Layer `tail` behind a convolution that is cut into windows of e rows and `positions` columns."""

    layer: ConvLayer
    tail: Tail
    e: int
    positions: int

    @cached_property
    def rows(self) -> dict[int, Stretch]:
        """Of the windows, by their first row."""
        return stretches(self.tail.vertical, self.e)

    @cached_property
    def columns(self) -> dict[int, Stretch]:
        """Of the windows, by their first column."""
        return stretches(self.tail.horizontal, self.positions)

    def problem(self) -> str | None:
        """Why the two cannot be fused, or None."""
        tail, layer = self.tail, self.layer
        if tail.ifmap_shapes[0] != layer.ofmap_shape:
            return f"{tail.name} takes an ifmap {tail.ifmap_shapes[0]}, not the ofmap {layer.ofmap_shape}"
        for what, stretches_ in (("rows", self.rows), ("columns", self.columns)):
            for each in stretches_.values():
                if not each.places and not each.keep:
                    return f"{tail.name} sees none of the ofmap {what} from {each.first} on"
                if each.held > VECTOR_LOOP:
                    return f"{tail.name} sees {each.held} ofmap {what} at once, more than {VECTOR_LOOP}"
        return None

    # -- words of one channel block ------------------------------------------------------------------------
    @cached_property
    def plane(self) -> int:
        """Of the largest tile, with the rows and columns kept from earlier ones."""
        return max(each.held for each in self.rows.values()) * max(
            each.held for each in self.columns.values()
        )

    @cached_property
    def results(self) -> int:
        """Of the largest tile of the result."""
        return max(each.places for each in self.rows.values()) * max(
            each.places for each in self.columns.values()
        )

    @cached_property
    def kept_rows(self) -> int:
        """That wait for the windows below: of as many columns as the ofmap has."""
        return max(each.keep for each in self.rows.values()) * self.layer.F

    @cached_property
    def kept_width(self) -> int:
        """Columns that wait for the window to the right."""
        return max(each.keep for each in self.columns.values())

    @cached_property
    def kept_columns(self) -> int:
        """Words of those."""
        return self.kept_width * max(each.held for each in self.rows.values() if each.places)

    def result_tiles(self) -> Iterator[bool]:
        """For each window of an image, in order, whether it completes any place."""
        for row in self.rows.values():
            for column in self.columns.values():
                yield bool(row.places and column.places)

    # -- words moved, in one image and channel block -------------------------------------------------------
    @property
    def read(self) -> int:
        """That the vector unit reads."""
        operands = len(self.tail.ifmap_shapes)
        taps = [
            sum(end - first for first, end in map(axis.window, range(axis.places)))
            for axis in (self.tail.vertical, self.tail.horizontal)
        ]
        return operands * taps[0] * taps[1] + self.copied

    @property
    def written(self) -> int:
        """That the vector unit writes."""
        return self.places + self.copied

    @property
    def places(self) -> int:
        """Of the result."""
        return self.tail.vertical.places * self.tail.horizontal.places

    @property
    def loaded(self) -> int:
        """Of the other operand."""
        return (len(self.tail.ifmap_shapes) - 1) * self.places

    @property
    def copied(self) -> int:
        """Kept for later tiles, and put ahead of them."""
        rows = sum(each.keep + each.before for each in self.rows.values()) * self.layer.F
        held = sum(each.held for each in self.rows.values() if each.places)
        return rows + held * sum(each.keep + each.before for each in self.columns.values())
