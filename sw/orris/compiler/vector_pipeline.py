"""Programs that bring tiles through the vector unit: LOAD, VECTOR, STORE, two tiles at a time.

::

    LOAD   --SOURCE_FULL-->  VECTOR  --SOURCE_FREE-->  the LOAD after the next
    VECTOR --RESULT_FULL-->  STORE   --RESULT_FREE-->  the VECTOR after the next

A tile's sources are loaded ahead of the VECTORs of the tile before it, so that every command waits only for
earlier ones.
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace

from orris_hw.commands import LOAD, STORE, VECTOR
from orris_hw.config import AcceleratorConfig

from .layout import WORD_BYTES
from .places import Command

SOURCE_FULL, SOURCE_FREE, RESULT_FULL, RESULT_FREE = range(1, 5)


@dataclass(frozen=True)
class Transfer:
    """Planes of rows of words between memory and a tile's area in the buffer.

    address : byte address in memory. row_stride, plane_stride : bytes in memory. at : first word in the area,
    where rows and planes follow each other without a gap.
    """

    address: int
    words: int
    rows: int = 1
    planes: int = 1
    row_stride: int = 0
    plane_stride: int = 0
    at: int = 0

    @property
    def size(self) -> int:
        """Words."""
        return self.words * self.rows * self.planes

    def fields(self, area: int) -> dict[str, int]:
        """Of the LOAD or STORE; rows that follow each other in memory become one."""
        whole = self
        if self.row_stride == self.words * WORD_BYTES and self.words * self.rows < 1 << 16:
            whole = replace(self, words=self.words * self.rows, rows=1)
        return {
            "address": whole.address,
            "row_words": whole.words,
            "rows": whole.rows,
            "row_stride": whole.row_stride,
            "planes": whole.planes,
            "plane_stride": whole.plane_stride,
            "buffer_address": area + whole.at,
            "buffer_row_stride": whole.words,
            "buffer_plane_stride": whole.words * whole.rows,
        }


@dataclass(frozen=True)
class VectorTile:
    """What comes into the buffer, what is done there, and what goes out.

    loads : into the tile's source area. works : fields of VECTORs, `source` and `target` relative to the
    source and result areas. stores : from the result area; a tile without any leaves its sums in the unit.
    """

    loads: tuple[Transfer, ...]
    works: tuple[dict[str, int], ...]
    stores: tuple[Transfer, ...]


def pipeline(tiles: Iterable[VectorTile], config: AcceleratorConfig) -> list[Command]:
    """The commands of all tiles, without `END`; each tile takes up to half the global buffer."""
    return list(_commands(list(tiles), config))


def _commands(tiles: Sequence[VectorTile], config: AcceleratorConfig) -> Iterator[Command]:
    sources = max(sum(transfer.size for transfer in tile.loads) for tile in tiles)
    results = max(sum(transfer.size for transfer in tile.stores) for tile in tiles)
    if 2 * (sources + results) > config.glb_words:
        raise AssertionError(f"tiles of {sources} + {results} words, but the buffer has {config.glb_words}")
    stored = [number for number, tile in enumerate(tiles) if tile.stores]
    place = {number: order for order, number in enumerate(stored)}

    def load(number: int) -> Iterator[Command]:
        loads = tiles[number].loads
        for index, transfer in enumerate(loads):
            yield LOAD, transfer.fields(number % 2 * sources) | {
                "wait": SOURCE_FREE if index == 0 and number >= 2 else 0,
                "signal": SOURCE_FULL if index == len(loads) - 1 else 0,
            }

    yield from load(0)
    for number, tile in enumerate(tiles):
        if number + 1 < len(tiles):
            yield from load(number + 1)
        order = place.get(number, 0)
        area = 2 * sources + order % 2 * results
        for index, work in enumerate(tile.works):
            begins, ends = index == 0, index == len(tile.works) - 1
            yield VECTOR, work | {
                "source": number % 2 * sources + work["source"],
                "target": area + work["target"],
                "wait_a": SOURCE_FULL if begins else 0,
                "wait_out": RESULT_FREE if begins and tile.stores and order >= 2 else 0,
                "signal_a": SOURCE_FREE if ends and number + 2 < len(tiles) else 0,
                "signal_out": RESULT_FULL if ends and tile.stores else 0,
            }
        for index, transfer in enumerate(tile.stores):
            ends = index == len(tile.stores) - 1
            yield STORE, transfer.fields(area) | {
                "wait": RESULT_FULL if index == 0 else 0,
                "signal": RESULT_FREE if ends and order + 2 < len(stored) else 0,
            }
