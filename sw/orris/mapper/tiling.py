"""How a layer is cut into RUNs: windows of the ofmap, runs of filters, parts of the reduction.

A RUN is one of each. Ragged last pieces are smaller, never padded: all pieces together cover the layer once.
"""

from collections import Counter
from dataclasses import dataclass
from functools import cached_property, lru_cache
from math import gcd

from ..layers import ConvLayer


def ceil_div(a: int, b: int) -> int:
    return -(-a // b)


@dataclass(frozen=True)
class Span:
    """One axis of a tile: ofmap positions, and the ifmap positions that some filter taps see from them.

    first, count : ofmap rows (or columns). stride : ifmap positions of the tile from one of them to the next.
    full : ifmap positions in all, padding included. pad : of these, zeros ahead of the first stored one.
    start, stored : the stored ones, in the tensor. step : tensor positions from one of them to the next.
    """

    first: int
    count: int
    stride: int
    full: int
    pad: int
    start: int
    stored: int
    step: int


def _span(
    first: int, count: int, taps: range, stride: int, dilation: int, pad: int, size: int, step: int
) -> Span:
    """The ifmap positions, `step` apart, that `taps` see; `size` are stored behind `pad` zeros."""
    origin = first * stride + taps.start * dilation - pad
    full = ((count - 1) * stride + (len(taps) - 1) * dilation) // step + 1
    before = min(full, max(0, ceil_div(-origin, step)))
    behind = min(full, max(before, ceil_div(size - origin, step)))
    return Span(
        first, count, stride // step, full, before, origin + before * step, behind - before, step
    )


def row_step(layer: ConvLayer, taps: int) -> int:
    """Ifmap rows from one that `taps` filter rows look at to the next: the others never enter the buffer."""
    return layer.U if taps == 1 else gcd(layer.U, layer.D)


def row_dilation(layer: ConvLayer) -> int:
    """Vertical dilation, in rows that the filter looks at."""
    return 1 if layer.R == 1 else layer.D // gcd(layer.U, layer.D)


@lru_cache(maxsize=1 << 16)
def row_span(layer: ConvLayer, first: int, count: int, taps: range) -> Span:
    """What filter rows `taps` see from ofmap rows `first` and up."""
    step = row_step(layer, len(taps))
    return _span(first, count, taps, layer.U, layer.D, layer.padding.top, layer.H, step)


@lru_cache(maxsize=1 << 16)
def column_span(layer: ConvLayer, first: int, count: int, taps: range) -> Span:
    """What filter columns `taps` see from ofmap columns `first` and up."""
    return _span(first, count, taps, layer.V, layer.D, layer.padding.left, layer.W, 1)


def row_words(columns: Span, pixels: int) -> int:
    """Words of a row of those columns, `pixels` to a word."""
    if columns.stored == 0:
        return 0
    return ceil_div(columns.start + columns.stored, pixels) - columns.start // pixels


@dataclass(frozen=True)
class Tile:
    """Ifmap words of one image, over all channels, that some filter taps see; `pixels` to a word."""

    image: int
    rows: Span
    columns: Span
    pixels: int

    @property
    def word(self) -> int:
        """First word of an ifmap row."""
        return self.columns.start // self.pixels

    @property
    def first_pixel(self) -> int:
        """Pixel of that word that the tile begins with."""
        return self.columns.start % self.pixels

    @property
    def words(self) -> int:
        """Words of an ifmap row."""
        return row_words(self.columns, self.pixels)

    @property
    def plane_words(self) -> int:
        """Stored ifmap words of one channel block; 0 if the taps see nothing but padding."""
        return self.rows.stored * self.words


@dataclass(frozen=True)
class Window(Tile):
    """An ofmap tile of one image, and what the whole filter sees from it."""


@lru_cache(maxsize=4096)
def windows(layer: ConvLayer, e: int, positions: int, pixels: int) -> list[Window]:
    """All windows, image by image, row by row, in tiles of e rows and `positions` columns."""
    rows, columns = row_spans(layer, e, range(layer.R)), column_spans(layer, positions, range(layer.S))
    return [
        Window(image, row, column, pixels) for image in range(layer.N) for row in rows for column in columns
    ]


@lru_cache(maxsize=4096)
def row_spans(layer: ConvLayer, e: int, taps: range) -> list[Span]:
    """What filter rows `taps` see from the ofmap rows, in tiles of e."""
    return [row_span(layer, first, min(e, layer.E - first), taps) for first in range(0, layer.E, e)]


@lru_cache(maxsize=4096)
def column_spans(layer: ConvLayer, positions: int, taps: range) -> list[Span]:
    """What filter columns `taps` see from the ofmap columns, in tiles of `positions`."""
    return [
        column_span(layer, first, min(positions, layer.F - first), taps)
        for first in range(0, layer.F, positions)
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


@lru_cache(maxsize=4096)
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
class Part:
    """What a RUN adds up: channels `first` and up (within a conv group), in groups of q, for filter rows
    `r0` and up (R of them) and filter columns `s0` and up (S of them), on `rows` PE rows of the array; of
    the terms that the filter is the sum of, number `term`.

    Logical row L is (channel group L div R, filter row r0 + L mod R); pass k lays rows k*rows and up over
    the PEs.
    """

    first: int
    count: int
    q: int
    r0: int
    R: int
    s0: int
    S: int
    rows: int
    term: int = 0

    @property
    def filter_rows(self) -> range:
        return range(self.r0, self.r0 + self.R)

    @property
    def filter_columns(self) -> range:
        return range(self.s0, self.s0 + self.S)

    @property
    def taps(self) -> int:
        """Of a PE and filter: q S."""
        return self.q * self.S

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
def pass_kinds(part: Part, lane: int, group_lanes: int, pixel_lanes: int) -> Counter[tuple[int, int]]:
    """(PE rows, channel blocks) of the passes, and how often each occurs, when the part begins in `lane`."""
    kinds: Counter[tuple[int, int]] = Counter()
    for k in range(part.passes):
        rows = part.last_rows if k == part.passes - 1 else part.rows
        top = k * part.rows
        first, last = top // part.R, (top + rows - 1) // part.R
        low = (lane + first * group_lanes) // pixel_lanes
        high = (lane + last * group_lanes + part.q - 1) // pixel_lanes
        kinds[rows, high - low + 1] += 1
    return kinds


FILTER_ROWS = 16
"""Filter rows of a RUN."""


def part_rows(layer: ConvLayer) -> int:
    """Filter rows of a part: all that a RUN takes, or one where they are dilated."""
    if row_dilation(layer) > 1:
        return 1
    return ceil_div(layer.R, ceil_div(layer.R, FILTER_ROWS))


def part_columns(layer: ConvLayer, most: int) -> int:
    """Filter columns of a part: an even share of up to `most`, or one where they are dilated."""
    if layer.D > 1:
        return 1
    return ceil_div(layer.S, ceil_div(layer.S, max(1, most)))


@lru_cache(maxsize=4096)
def parts(layer: ConvLayer, chunk: int, q: int, rows: int, R: int, S: int) -> list[Part]:
    """The reduction in parts of up to `chunk` channels of a conv group, R filter rows and S columns."""
    return [
        Part(c, min(chunk, layer.C - c), q, r0, min(R, layer.R - r0), s0, min(S, layer.S - s0), rows, term)
        for c in range(0, layer.C, chunk)
        for r0 in range(0, layer.R, R)
        for s0 in range(0, layer.S, S)
        for term in range(layer.terms)
    ]
