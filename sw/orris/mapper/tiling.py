"""How a layer is cut into RUNs: windows of the ofmap, runs of filters, chunks of channels.

A RUN is one of each. Ragged last pieces are smaller, never padded: all pieces together cover the layer once.
"""

from collections import Counter
from dataclasses import dataclass
from functools import cached_property, lru_cache

from ..layers import ConvLayer


def ceil_div(a: int, b: int) -> int:
    return -(-a // b)


@dataclass(frozen=True)
class Span:
    """One axis of a window: ofmap positions, and the stored ifmap positions they see.

    first, count : ofmap rows (or columns). full : ifmap positions in all, padding included.
    pad : of these, zeros ahead of the first stored one. start, stored : the stored ones, in the tensor.
    step : tensor positions from one of them to the next.
    """

    first: int
    count: int
    full: int
    pad: int
    start: int
    stored: int
    step: int = 1


def spans(size: int, tile: int, taps: int, stride: int, pad: int, stored: int) -> list[Span]:
    """The axis of `size` ofmap positions in tiles of `tile`; `stored` ifmap positions behind `pad` zeros."""
    result = []
    for first in range(0, size, tile):
        count = min(tile, size - first)
        full = (count - 1) * stride + taps
        begin = first * stride - pad
        start, end = max(0, begin), min(stored, begin + full)
        result.append(Span(first, count, full, start - begin, start, end - start))
    return result


def row_spans(layer: ConvLayer, e: int) -> list[Span]:
    """The ofmap rows in tiles of e. A filter of one row skips the ifmap rows between strides: they stay in
    memory, and the tile has stride 1."""
    if layer.R > 1:
        return spans(layer.E, e, layer.R, layer.U, layer.padding.top, layer.H)
    return [
        Span(first, count, count, 0, first * layer.U, count, layer.U)
        for first in range(0, layer.E, e)
        for count in [min(e, layer.E - first)]
    ]


def column_spans(layer: ConvLayer, positions: int) -> list[Span]:
    """The ofmap columns in tiles of `positions`."""
    return spans(layer.F, positions, layer.S, layer.V, layer.padding.left, layer.W)


def tile_stride(layer: ConvLayer) -> int:
    """Vertical stride within a tile: see `row_spans`."""
    return layer.U if layer.R > 1 else 1


@dataclass(frozen=True)
class Window:
    """An ofmap tile of one image, over all channels, and the ifmap words it needs."""

    image: int
    rows: Span
    columns: Span
    word: int
    """First word of an ifmap row."""
    first_pixel: int
    """Pixel of that word that the window begins with."""
    words: int
    """Words of an ifmap row."""

    @property
    def plane_words(self) -> int:
        """Stored ifmap words of one channel block."""
        return self.rows.stored * self.words


def windows(layer: ConvLayer, e: int, positions: int, pixels: int) -> list[Window]:
    """All windows, image by image, row by row; `pixels` to a word."""
    columns = [
        (span, word, span.start - word * pixels, ceil_div(span.start + span.stored, pixels) - word)
        for span in column_spans(layer, positions)
        for word in [span.start // pixels]
    ]
    return [
        Window(image, rows, *column)
        for image in range(layer.N)
        for rows in row_spans(layer, e)
        for column in columns
    ]


@dataclass(frozen=True)
class FilterRun:
    """Filters of one RUN: `sets` sets of `p`, ofmap channels `first` and up, of conv group `group`.

    The last run of a layer may end beyond its last filter: `count` are real.
    """

    group: int
    first: int
    sets: int
    p: int
    count: int

    @property
    def end(self) -> int:
        """Channel behind the last one that post-processing writes."""
        return self.first + self.sets * self.p


def filter_runs(layer: ConvLayer, p: int, t: int) -> list[FilterRun]:
    """All filters, group by group, in runs of up to t sets of p.

    Several groups share ofmap words, so that their runs end exactly with the group. A single group's last
    run may write beyond the last channel, which costs less than one more run.
    """
    result = []
    for group in range(layer.G):
        first = group * layer.filters_per_group
        end = first + layer.filters_per_group
        while first < end:
            left = end - first
            sets = min(t, ceil_div(left, p))
            share = min(p, ceil_div(left, sets) if layer.G == 1 else left // sets)
            count = min(left, sets * share)
            result.append(FilterRun(group, first, sets, share, count))
            first += count
    return result


def store_tiles(layer: ConvLayer, runs: list[FilterRun], block: int) -> list[list[FilterRun]]:
    """Runs that share an ofmap tile: it ends at a whole word, or with the layer."""
    tiles: list[list[FilterRun]] = [[]]
    for run in runs:
        tiles[-1].append(run)
        if (run.first + run.count) % block == 0 and run.first + run.count < layer.M:
            tiles.append([])
    return tiles


@dataclass(frozen=True)
class Chunk:
    """Channels `first` and up (within a conv group) of one RUN, in groups of q; `rows` PE rows of the array.

    Logical row L is (channel group L div R, filter row L mod R); pass k lays rows k*rows and up over the PEs.
    """

    first: int
    count: int
    q: int
    R: int
    rows: int

    @cached_property
    def groups(self) -> int:
        return ceil_div(self.count, self.q)

    @cached_property
    def logical_rows(self) -> int:
        return self.groups * self.R

    @cached_property
    def passes(self) -> int:
        return ceil_div(self.logical_rows, self.rows)

    @cached_property
    def last_rows(self) -> int:
        return self.logical_rows - (self.passes - 1) * self.rows


@lru_cache(maxsize=4096)
def pass_kinds(chunk: Chunk, lane: int, group_lanes: int, pixel_lanes: int) -> Counter[tuple[int, int]]:
    """(PE rows, channel blocks) of the passes, and how often each occurs, when the chunk begins in `lane`."""
    kinds: Counter[tuple[int, int]] = Counter()
    for k in range(chunk.passes):
        rows = chunk.last_rows if k == chunk.passes - 1 else chunk.rows
        top = k * chunk.rows
        first, last = top // chunk.R, (top + rows - 1) // chunk.R
        low = (lane + first * group_lanes) // pixel_lanes
        high = (lane + last * group_lanes + chunk.q - 1) // pixel_lanes
        kinds[rows, high - low + 1] += 1
    return kinds


def chunks(layer: ConvLayer, size: int, q: int, rows: int) -> list[Chunk]:
    """The channels of a conv group in chunks of `size`."""
    return [
        Chunk(first, min(size, layer.C - first), q, layer.R, rows) for first in range(0, layer.C, size)
    ]
