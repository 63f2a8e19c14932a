"""Addition, concatenation and upsampling as tiles for the vector unit."""

from collections.abc import Iterator, Sequence
from math import ceil

from orris_hw.commands import VECTOR_OPS
from orris_hw.config import AcceleratorConfig

from ..golden import ROUNDINGS, AddParameters
from ..layers import AddLayer, ConcatLayer, UpsampleLayer
from ..mapper.fusion import VECTOR_LOOP
from .errors import CompileError
from .layout import WORD_BYTES
from .places import Placement
from .pooling import PLANES
from .vector_pipeline import Transfer, VectorTile

_TILES = 8
"""Tiles that a layer is cut into at least, where they have `_LEAST` words: the first one's way in and the
last one's way out are not hidden."""
_LEAST = 128


def _tile_words(total: int, limit: int) -> int:
    """Words of a tile: no more than `limit`, and all tiles about the same."""
    most = max(1, min(limit, max(_LEAST, ceil(total / _TILES))))
    return ceil(total / ceil(total / most))


def add_tiles(
    layer: AddLayer, config: AcceleratorConfig, parameters: AddParameters, a: Placement, b: Placement,
    ofmap: Placement,
) -> Iterator[VectorTile]:  # fmt: skip
    """All words of the tensors, from the first to the last."""
    total = layer.N * ofmap.layout.blocks * ofmap.layout.plane_words
    size = _tile_words(total, min(VECTOR_LOOP, config.glb_words // 6))
    work = add_work(parameters) | {
        "planes": 1, "rows": 1, "source": 0, "source_column_stride": 1, "target": 0,
        "target_column_stride": 1,
    }  # fmt: skip
    for first in range(0, total, size):
        words = min(size, total - first)
        yield VectorTile(
            (
                Transfer(a.address + first * WORD_BYTES, words),
                Transfer(b.address + first * WORD_BYTES, words, at=words),
            ),
            (work | {"columns": words, "source_tap_stride": words},),
            (Transfer(ofmap.address + first * WORD_BYTES, words),),
        )


def add_work(parameters: AddParameters) -> dict[str, int]:
    """Fields of a VECTOR that are common to all ADDs with these parameters."""
    return {
        "op": VECTOR_OPS.index("add"), "first": 1, "last": 1, "R": 2, "S": 1, "mask": 0xFF,
        "zero_point_a": parameters.zp_a, "zero_point_b": parameters.zp_b,
        "multiplier_a": parameters.multiplier_a, "multiplier_b": parameters.multiplier_b,
        "right_a": -parameters.shift_a, "right_b": -parameters.shift_b,
        "multiplier": parameters.multiplier, "shift": parameters.shift,
        "rounding": ROUNDINGS.index("double"), "zp_out": parameters.zp_out,
        "act_min": parameters.act_min, "act_max": parameters.act_max,
    }  # fmt: skip


def copy_work(config: AcceleratorConfig) -> dict[str, int]:
    """Fields of a VECTOR that are common to all COPYs: values stay as they are."""
    rail = 1 << (config.data_width - 1)
    return {
        "op": VECTOR_OPS.index("copy"), "first": 1, "last": 1, "R": 1, "S": 1, "mask": 0xFF,
        "act_min": -rail, "act_max": rail - 1,
    }  # fmt: skip


def upsample_tiles(
    layer: UpsampleLayer, config: AcceleratorConfig, ifmap: Placement, ofmap: Placement
) -> Iterator[VectorTile]:
    """Rows of all planes, or parts of a row; each word is written factor x factor times.

    `factor` COPYs a tile: one for each row that an ifmap row becomes, its places (ifmap row, column in the
    group of equal ones, ifmap column).
    """
    factor, width = layer.factor, layer.W
    rows = layer.N * ifmap.layout.blocks * layer.H
    half = config.glb_words // 2
    if 1 + factor * factor > half:
        raise CompileError(
            f"{layer.name}: factor = {factor} takes 1 + factor^2 = {1 + factor * factor} words, half the "
            f"global buffer of {config.name} has {half}: enlarge global_buffer.depth, or use two layers"
        )
    size = _tile_words(rows * width, half // (1 + factor * factor))
    across = min(width, size, VECTOR_LOOP)
    down = max(1, min(size // width, PLANES))
    for first in range(0, rows, down):
        for left in range(0, width, across):
            count, columns = min(down, rows - first), min(across, width - left)
            works = tuple(
                copy_work(config) | {
                    "planes": count, "rows": factor, "columns": columns,
                    "source": 0, "source_column_stride": 1, "source_plane_stride": columns,
                    "target": part * factor * columns, "target_column_stride": factor,
                    "target_row_stride": 1, "target_plane_stride": factor * factor * columns,
                }
                for part in range(factor)
            )  # fmt: skip
            yield VectorTile(
                (
                    Transfer(
                        ifmap.address + (first * width + left) * WORD_BYTES, columns, count,
                        row_stride=width * WORD_BYTES,
                    ),
                ),
                works,
                (
                    Transfer(
                        ofmap.address + (first * factor * width + left) * factor * WORD_BYTES,
                        factor * columns, factor * count, row_stride=factor * width * WORD_BYTES,
                    ),
                ),
            )  # fmt: skip


def concat_tiles(
    layer: ConcatLayer, config: AcceleratorConfig, ifmaps: Sequence[Placement], ofmap: Placement
) -> Iterator[VectorTile]:
    """Some channel blocks of the ofmap at some pixels; what of the ifmaps falls into them.

    An ifmap that begins in the middle of a word is turned by as many lanes, and each of its words goes to two
    of the ofmap. Its last word may hold anything behind its last channel: the next ifmap, copied later,
    writes over that.
    """
    block, pixels, blocks = config.block, ofmap.layout.plane_words, ofmap.layout.blocks
    half = config.glb_words // 2
    starts = [sum(layer.channels[:number]) for number in range(len(layer.channels))]

    def parts(first: int, end: int) -> list[tuple[int, int, int]]:
        """(ifmap, first, behind the last) of the blocks that fall into those of the ofmap."""
        found = []
        for number, (start, count) in enumerate(zip(starts, layer.channels, strict=True)):
            low = max(0, first * block - start) // block
            high = min(ceil(count / block), ceil((end * block - start) / block))
            if low < high and start < end * block and start + count > first * block:
                found.append((number, low, high))
        return found

    def most(size: int) -> int:
        """Words of a tile of that many blocks, for each pixel."""
        return size + max(
            sum(high - low for _, low, high in parts(first, min(blocks, first + size)))
            for first in range(0, blocks, size)
        )

    sizes = [min(blocks, PLANES)]
    while sizes[-1] > 1:
        sizes.append(ceil(sizes[-1] / 2))
    size = next((size for size in sizes if half // most(size) >= min(pixels, 32)), sizes[-1])
    across = _tile_words(layer.N * pixels, min(VECTOR_LOOP, half // most(size), pixels))
    for image in range(layer.N):
        for first in range(0, blocks, size):
            end = min(blocks, first + size)
            for pixel in range(0, pixels, across):
                width = min(across, pixels - pixel)
                loads, works, at = [], [], 0
                for number, low, high in parts(first, end):
                    tensor = ifmaps[number]
                    loads.append(
                        Transfer(
                            tensor.address + tensor.layout.offset(image, low, 0, 0) + pixel * WORD_BYTES,
                            width, 1, high - low, plane_stride=pixels * WORD_BYTES, at=at * width,
                        )  # fmt: skip
                    )
                    works += _moved(config, starts[number], (low, high), (first, end), at, width)
                    at += high - low
                result = Transfer(
                    ofmap.address + ofmap.layout.offset(image, first, 0, 0) + pixel * WORD_BYTES,
                    width, 1, end - first, plane_stride=pixels * WORD_BYTES,
                )  # fmt: skip
                yield VectorTile(tuple(loads), tuple(works), (result,))


def _moved(
    config: AcceleratorConfig,
    start: int,
    source: tuple[int, int],
    target: tuple[int, int],
    at: int,
    width: int,
) -> Iterator[dict[str, int]]:
    """COPYs of the blocks `source` of an ifmap whose first channel is `start` into the blocks `target`."""
    word, lane = divmod(start, config.block)
    split = lane * config.data_width // 8  # bytes of the word ahead of the ifmap
    for shift, mask in ((0, 0xFF << split & 0xFF), (1, (1 << split) - 1)):
        low = max(source[0], target[0] - word - shift)
        high = min(source[1], target[1] - word - shift)
        if mask and low < high:
            yield copy_work(config) | {
                "planes": high - low, "rows": 1, "columns": width,
                "source": (at + low - source[0]) * width, "source_column_stride": 1,
                "source_plane_stride": width,
                "target": (word + shift + low - target[0]) * width, "target_column_stride": 1,
                "target_plane_stride": width, "rotate": split, "mask": mask,
            }  # fmt: skip
