"""The commands of a layer of the vector unit that is fused to a convolution.

::

    RUN              --OFMAP_FULL-->    VECTORs --OFMAP_FREE-->   the RUN that takes the area next
    (LOAD operand    --OPERAND_FULL-->  VECTORs)
    VECTORs          --RESULT_FULL-->   STORE   --RESULT_FREE-->  the LOAD, or the VECTORs, that take the
                                                                  area next

The result of an addition takes the place of its other operand. Of pooling, what later tiles see of this one
is copied aside, and from there ahead of their first row and first column::

    kept area:  [block][row][column of the ofmap] for the windows below,
                [block][row][column] for the window to the right
"""

from collections.abc import Iterator
from dataclasses import dataclass, replace

from orris_hw.commands import LOAD, STORE, VECTOR

from ..golden import AddParameters, PoolParameters
from ..layers import PoolLayer
from ..mapper import Mapping, RunItem
from ..mapper.fusion import Stretch
from .elementwise import add_work, copy_work
from .layout import WORD_BYTES
from .places import Addresses, Command, Placement, rectangle
from .pooling import pool_work

OPERAND_FULL, RESULT_FULL, RESULT_FREE = range(8, 11)

_ADDRESSES = 1 << 20
"""Strides in the buffer are modulo this."""


class FusedLayer:
    """Commands for the ofmap tiles of a convolution, tile by tile.

    Parameters
    ----------
    parameters : of the fused layer. items : all RUNs. at : `operand` and `ofmap`, which is the result.
    tokens : for ofmap areas that are full, and free again.
    """

    def __init__(
        self,
        mapping: Mapping,
        parameters: PoolParameters | AddParameters,
        items: list[RunItem],
        at: Addresses,
        tokens: tuple[int, int],
    ):
        assert mapping.fusion is not None
        self._mapping, self._fusion, self._parameters = mapping, mapping.fusion, parameters
        self._operand, self._result, self._tokens = at.operand, at.ofmap, tokens
        self._buffer = mapping.buffer
        self._tiles = [item for item in items if item.first]
        self._orders: list[int] = []  # of each tile, how many results there are before it
        self._results = 0
        for item in self._tiles:
            self._orders.append(self._results)
            self._results += self._has_result(item)

    # -- where ---------------------------------------------------------------------------------------------
    def _stretches(self, item: RunItem) -> tuple[Stretch, Stretch]:
        window, fusion = item.window, self._fusion
        return fusion.rows[window.rows.first], fusion.columns[window.columns.first]

    def _has_result(self, item: RunItem) -> bool:
        row, column = self._stretches(item)
        return bool(row.places and column.places)

    def _blocks(self, item: RunItem) -> tuple[int, int]:
        """First channel block of the tile, and their number."""
        runs, block = self._mapping.store_tiles[item.tile], self._mapping.block
        first, end = runs[0].first, runs[-1].first + runs[-1].count
        return first // block, -(-(end - first) // block)

    def _area(self, tile: int) -> int:
        ring = self._buffer.results
        return ring.address(self._orders[tile] % ring.slots)

    def _rectangle(self, place: Placement, tile: int) -> dict[str, int]:
        """A transfer between memory and the tile's area."""
        item, layout = self._tiles[tile], place.layout
        (row, column), (first, blocks) = self._stretches(item), self._blocks(item)
        return rectangle(
            place.address + layout.offset(item.window.image, first, row.place, column.place),
            (column.places, row.places, blocks),
            (layout.row_words * WORD_BYTES, layout.plane_words * WORD_BYTES),
            self._area(tile),
            (column.places, row.places * column.places),
        )

    # -- commands ------------------------------------------------------------------------------------------
    def load(self, tile: int) -> Iterator[Command]:
        """The other operand of an addition."""
        if self._operand is not None:
            again = self._orders[tile] >= self._buffer.results.slots
            tokens = {"wait": RESULT_FREE if again else 0, "signal": OPERAND_FULL}
            yield LOAD, tokens | self._rectangle(self._operand, tile)

    def finish(self, tile: int) -> Iterator[Command]:
        """What is done with an ofmap tile, and the way out of its result."""
        order, ring, (full, free) = self._orders[tile], self._buffer.results, self._tokens
        result = self._has_result(self._tiles[tile])
        works = list(self._works(tile))
        loaded = self._operand is not None
        again = result and not loaded and order >= ring.slots
        following = tile + self._buffer.ofmap.slots < len(self._tiles)
        works[0] |= {
            "wait_a": full,
            "wait_b": OPERAND_FULL if loaded else 0,
            "wait_out": RESULT_FREE if again else 0,
        }
        works[-1] |= {"signal_a": free if following else 0, "signal_out": RESULT_FULL if result else 0}
        for work in works:
            yield VECTOR, work
        if result:
            tokens = {"wait": RESULT_FULL, "signal": RESULT_FREE if order + ring.slots < self._results else 0}
            yield STORE, tokens | self._rectangle(self._result, tile)

    def _works(self, tile: int) -> Iterator[dict[str, int]]:
        """VECTORs, at least one, without their tokens."""
        item = self._tiles[tile]
        row, column = self._stretches(item)
        planes = self._blocks(item)[1]
        plane = self._buffer.ofmap_block_stride or row.held * column.held
        slot = _Area(self._buffer.ofmap.address(tile % self._buffer.ofmap.slots), column.held, plane)
        area = _Area(self._area(tile), column.places, row.places * column.places)
        if isinstance(self._parameters, PoolParameters):
            yield from self._pool(item, self._parameters, planes, slot, area)
        else:
            yield (
                add_work(self._parameters)
                | slot.fields("source")
                | area.fields("target")
                | {"planes": planes, "rows": row.places, "columns": column.places}
                | {"source_tap_stride": (area.base - slot.base) % _ADDRESSES}
            )

    def _pool(
        self, item: RunItem, parameters: PoolParameters, planes: int, slot: "_Area", area: "_Area"
    ) -> Iterator[dict[str, int]]:
        row, column = self._stretches(item)
        fusion, ring, tail = self._fusion, self._buffer.kept, self._fusion.tail
        assert isinstance(tail, PoolLayer)
        blocks = self._mapping.needs.ofmap_blocks
        base, width = ring.address(item.tile % ring.slots), self._mapping.layer.F
        below = _Area(base, width, fusion.kept_rows)
        right = _Area(base + blocks * fusion.kept_rows, fusion.kept_width, fusion.kept_columns)
        beside = row.places > 0  # or else nobody looks at the columns of this window

        def copy(source: "_Area", target: "_Area", rows: int, columns: int) -> Iterator[dict[str, int]]:
            if rows and columns:
                yield (
                    copy_work(self._mapping.config)
                    | source.fields("source")
                    | target.fields("target")
                    | {"planes": planes, "rows": rows, "columns": columns}
                )

        own = below.at(0, column.first)
        yield from copy(own, slot.at(0, column.before), row.before, column.count)
        if beside:
            yield from copy(right, slot, row.held, column.before)
        source = slot.at(row.before - row.first, column.before - column.first)  # of the ofmap's first place
        result = area.at(-row.place, -column.place)
        for e, rows, y, row_taps in tail.vertical.groups(row.place, row.place + row.places):
            for f, columns, x, column_taps in tail.horizontal.groups(
                column.place, column.place + column.places
            ):
                yield (
                    pool_work(tail, parameters, row_taps, column_taps)
                    | source.at(y, x).steps(tail.U, tail.V).fields("source")
                    | result.at(e, f).fields("target")
                    | {"planes": planes, "rows": rows, "columns": columns, "first": 1, "last": 1}
                    | {"source_tap_stride": slot.row}
                )
        last = slot.at(row.held - row.keep, column.before)
        yield from copy(last, own, row.keep, column.count)
        if beside:
            yield from copy(slot.at(0, column.held - column.keep), right, row.held, column.keep)


@dataclass(frozen=True)
class _Area:
    """Rows and planes of words in the buffer: first word, and strides in words."""

    base: int
    row: int
    plane: int
    column: int = 1

    def at(self, row: int, column: int) -> "_Area":
        """The part that begins there."""
        return replace(self, base=self.base + row * self.row + column * self.column)

    def steps(self, rows: int, columns: int) -> "_Area":
        """Every so many rows and columns of it."""
        return replace(self, row=rows * self.row, column=columns * self.column)

    def fields(self, side: str) -> dict[str, int]:
        """Of a VECTOR: as its source or target."""
        return {
            side: self.base,
            f"{side}_column_stride": self.column % _ADDRESSES,
            f"{side}_row_stride": self.row % _ADDRESSES,
            f"{side}_plane_stride": self.plane,
        }
