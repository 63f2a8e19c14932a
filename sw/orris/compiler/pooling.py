"""Pooling as tiles for the vector unit.

A tile is a rectangle of ofmap places of some channel blocks, and the ifmap words under their windows. Places
whose windows are cut by the image's edge in the same way make one VECTOR: there is no padding in the buffer,
and all its windows hold the same number of values. Where not even one window fits into half the buffer, it is
brought through in pieces, over which the vector unit goes on summing.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import product
from math import ceil

from orris_hw.commands import VECTOR_OPS
from orris_hw.config import AcceleratorConfig

from ..golden import ROUNDINGS, PoolParameters
from ..layers import PoolLayer
from ..mapper.fusion import VECTOR_LOOP
from .average import average_scale
from .layout import WORD_BYTES
from .places import Placement
from .vector_counts import COMMAND_CYCLES
from .vector_pipeline import Transfer, VectorTile

PLANES = (1 << 12) - 1


@dataclass(frozen=True)
class TileShape:
    """Channel blocks, ofmap rows and ofmap columns of a tile."""

    blocks: int
    rows: int
    columns: int


def pool_tiles(
    layer: PoolLayer,
    config: AcceleratorConfig,
    parameters: PoolParameters,
    ifmap: Placement,
    ofmap: Placement,
) -> Iterator[VectorTile]:
    """The tiles of a layer, in the order of the ofmap."""
    return _Pooling(layer, config, parameters, ifmap, ofmap).tiles()


class _Pooling:
    def __init__(
        self, layer: PoolLayer, config: AcceleratorConfig, parameters: PoolParameters,
        ifmap: Placement, ofmap: Placement,
    ):  # fmt: skip
        self._layer, self._config, self._parameters = layer, config, parameters
        self._ifmap, self._ofmap = ifmap, ofmap
        self._y, self._x = layer.vertical, layer.horizontal
        self._half = config.glb_words // 2
        self._blocks = layer.N * ofmap.layout.blocks  # those of all images follow each other

    def tiles(self) -> Iterator[VectorTile]:
        layer, blocks = self._layer, self._blocks
        shapes = [shape for words in self._budgets() if (shape := self._shape(words)) is not None]
        if not shapes:
            for block, e, f in product(range(blocks), range(layer.E), range(layer.F)):
                yield from self._pieces(block, e, f)
            return
        shape = min(shapes, key=self._cycles)
        for block in range(0, blocks, shape.blocks):
            for e in range(0, layer.E, shape.rows):
                for f in range(0, layer.F, shape.columns):
                    yield self._tile(
                        (block, min(blocks, block + shape.blocks)),
                        (e, min(layer.E, e + shape.rows)),
                        (f, min(layer.F, f + shape.columns)),
                    )

    # -- the size of a tile --------------------------------------------------------------------------------
    def _budgets(self) -> Iterator[int]:
        words = self._half
        while words >= 16:
            yield words
            words //= 2

    def _words(self, rows: int, columns: int) -> int:
        """Words of a channel block, ifmap and ofmap."""
        return self._y.most(rows) * self._x.most(columns) + rows * columns

    def _shape(self, words: int) -> TileShape | None:
        """The largest tile of so many words: whole rows, then whole blocks, if they fit."""
        layer = self._layer
        if max(layer.R, layer.S) > VECTOR_LOOP or self._words(1, 1) > words:
            return None
        columns = _most(min(layer.F, VECTOR_LOOP), lambda n: self._words(1, n) <= words)
        columns = ceil(layer.F / ceil(layer.F / columns))
        rows = _most(min(layer.E, VECTOR_LOOP), lambda n: self._words(n, columns) <= words)
        rows = ceil(layer.E / ceil(layer.E / rows))
        blocks = self._blocks
        whole = rows == layer.E and columns == layer.F
        fit = max(1, min(blocks, PLANES, words // self._words(rows, columns))) if whole else 1
        return TileShape(ceil(blocks / ceil(blocks / fit)), rows, columns)

    def _cycles(self, shape: TileShape) -> float:
        """About: memory or vector unit, whichever is busier, and one tile's way in and out."""
        layer = self._layer
        tiles = (
            ceil(self._blocks / shape.blocks) * ceil(layer.E / shape.rows) * ceil(layer.F / shape.columns)
        )
        words = shape.blocks * self._words(shape.rows, shape.columns)
        lanes = self._config.block // self._config.vector.lanes - 1 if layer.kind == "average" else 0
        places = shape.blocks * shape.rows * shape.columns
        commands = (1 if shape.rows < layer.E else 3) * (1 if shape.columns < layer.F else 3)
        if not any(layer.padding):
            commands = 1
        overhead = COMMAND_CYCLES["sum" if layer.kind == "average" else "max"]
        work = places * (layer.R * layer.S + lanes) + commands * overhead
        return max(tiles * words, tiles * work) + words + work

    # -- tiles ---------------------------------------------------------------------------------------------
    def _tile(
        self, blocks: tuple[int, int], rows: tuple[int, int], columns: tuple[int, int]
    ) -> VectorTile:
        (y, y_end), (x, x_end) = self._y.span(*rows), self._x.span(*columns)
        height, width, planes = y_end - y, x_end - x, blocks[1] - blocks[0]
        places, across = rows[1] - rows[0], columns[1] - columns[0]
        works = [
            pool_work(self._layer, self._parameters, row_taps, column_taps)
            | {
                "planes": planes,
                "rows": row_count,
                "columns": column_count,
                "first": 1,
                "last": 1,
                "source": (row_at - y) * width + column_at - x,
                "source_tap_stride": width,
                "source_column_stride": self._layer.V if column_count > 1 else 0,
                "source_row_stride": self._layer.U * width if row_count > 1 else 0,
                "source_plane_stride": height * width,
                "target": (row - rows[0]) * across + column - columns[0],
                "target_column_stride": 1,
                "target_row_stride": across,
                "target_plane_stride": places * across,
            }
            for row, row_count, row_at, row_taps in self._y.groups(*rows)
            for column, column_count, column_at, column_taps in self._x.groups(*columns)
        ]
        return VectorTile(
            (_rectangle(self._ifmap, blocks, (y, y_end), (x, x_end)),),
            tuple(works),
            (_rectangle(self._ofmap, blocks, rows, columns),),
        )

    def _pieces(self, block: int, e: int, f: int) -> Iterator[VectorTile]:
        """One window of one block, piece by piece."""
        (y, y_end), (x, x_end) = self._y.window(e), self._x.window(f)
        columns = min(x_end - x, self._half - 1, VECTOR_LOOP)
        rows = min(y_end - y, (self._half - 1) // columns, VECTOR_LOOP)
        cuts = [
            ((top, min(y_end, top + rows)), (left, min(x_end, left + columns)))
            for top in range(y, y_end, rows)
            for left in range(x, x_end, columns)
        ]
        for row, column in cuts:
            first, last = (row, column) == cuts[0], (row, column) == cuts[-1]
            height, width = row[1] - row[0], column[1] - column[0]
            work = pool_work(self._layer, self._parameters, y_end - y, x_end - x) | {
                "planes": 1, "rows": 1, "columns": 1, "first": int(first), "last": int(last),
                "R": height, "S": width, "source": 0, "source_tap_stride": width, "target": 0,
            }  # fmt: skip
            place = _rectangle(self._ofmap, (block, block + 1), (e, e + 1), (f, f + 1))
            yield VectorTile(
                (_rectangle(self._ifmap, (block, block + 1), row, column),),
                (work,),
                (place,) if last else (),
            )


def pool_work(
    layer: PoolLayer, parameters: PoolParameters, row_taps: int, column_taps: int
) -> dict[str, int]:
    """Fields of a VECTOR: what is done with a window of so many values."""
    count = row_taps * column_taps
    common = {
        "R": row_taps, "S": column_taps, "mask": 0xFF, "act_min": parameters.act_min,
        "act_max": parameters.act_max,
    }  # fmt: skip
    if layer.kind == "max":
        return common | {"op": VECTOR_OPS.index("max")}
    if parameters.scales is None:
        (multiplier, shift), rounding = average_scale(count), "single"
    else:
        (multiplier, shift), rounding = parameters.scales[count], parameters.rounding
    return common | {
        "op": VECTOR_OPS.index("sum"), "bias": -count * parameters.zp_in, "multiplier": multiplier,
        "shift": shift, "rounding": ROUNDINGS.index(rounding), "zp_out": parameters.zp_out,
    }  # fmt: skip


def _most(limit: int, fits: Callable[[int], bool]) -> int:
    """The largest number up to `limit` that fits; 1 does."""
    low, high = 1, limit
    while low < high:
        middle = (low + high + 1) // 2
        low, high = (middle, high) if fits(middle) else (low, middle - 1)
    return low


def _rectangle(
    tensor: Placement, blocks: tuple[int, int], rows: tuple[int, int], columns: tuple[int, int]
) -> Transfer:
    layout = tensor.layout
    return Transfer(
        tensor.address + layout.offset(0, blocks[0], rows[0], columns[0]),
        columns[1] - columns[0],
        rows[1] - rows[0],
        blocks[1] - blocks[0],
        layout.row_words * WORD_BYTES,
        layout.plane_words * WORD_BYTES,
    )
