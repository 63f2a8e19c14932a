"""Windows and parts of the sum: every tap of every ofmap value once, where the definition puts it."""

import random
from collections import Counter
from itertools import product

import pytest

from orris.layers import ConvLayer
from orris.mapper.tiling import Part, Tile, part_columns, part_rows, parts, row_span, windows
from orris.mapper.tiling import column_span as columns_seen
from random_shapes import random_layer


def axis_of(layer: ConvLayer, vertical: bool) -> tuple[int, int, int]:
    """Stride, zeros ahead of the image, and size of the image."""
    if vertical:
        return layer.U, layer.padding.top, layer.H
    return layer.V, layer.padding.left, layer.W


@pytest.mark.parametrize("vertical", [True, False])
def test_spans_show_each_tap_its_ifmap_position(vertical, seed):
    """What the hardware does with a span (position * stride + tap, zeros outside) against the definition."""
    rng = random.Random(seed)
    for _ in range(300):
        layer = random_layer(rng, 100_000)
        stride, zeros, size = axis_of(layer, vertical)
        taps, positions = (layer.R, layer.E) if vertical else (layer.S, layer.F)
        most = part_rows(layer) if vertical else part_columns(layer, rng.randint(1, taps))
        first_tap = rng.randrange(0, taps, most)
        some = range(first_tap, min(taps, first_tap + most))
        first = rng.randrange(positions)
        count = rng.randint(1, positions - first)
        span = (row_span if vertical else columns_seen)(layer, first, count, some)
        assert 0 <= span.pad <= span.pad + span.stored <= span.full
        for position, tap in product(range(count), some):
            defined = (first + position) * stride + tap * layer.D - zeros
            place = position * span.stride + (tap - some.start) - span.pad
            stored = 0 <= place < span.stored
            assert stored == (0 <= defined < size)
            if stored:
                assert span.start + place * span.step == defined


def test_parts_are_the_whole_sum_once(seed):
    rng = random.Random(seed)
    for _ in range(200):
        layer = random_layer(rng, 100_000)
        chunk, q = rng.randint(1, layer.C), rng.randint(1, 8)
        R, S = part_rows(layer), part_columns(layer, rng.randint(1, 24))
        taps = Counter(
            (c, r, s)
            for part in parts(layer, chunk, q, 3, R, S)
            for c in range(part.first, part.first + part.count)
            for r in part.filter_rows
            for s in part.filter_columns
        )
        assert taps == Counter(product(range(layer.C), range(layer.R), range(layer.S)))


def test_a_part_lies_within_its_window(seed):
    """The buffer holds what the whole filter sees; each part finds its rows and columns there."""
    rng = random.Random(seed)
    for _ in range(200):
        layer = random_layer(rng, 100_000)
        e, positions = rng.randint(1, layer.E), rng.randint(1, layer.F)
        R, S = part_rows(layer), part_columns(layer, rng.randint(1, layer.S))
        for window in windows(layer, e, positions, rng.choice((1, 2, 8))):
            for part in parts(layer, layer.C, 1, 4, R, S):
                tile = Tile(
                    window.image,
                    row_span(layer, window.rows.first, window.rows.count, part.filter_rows),
                    columns_seen(layer, window.columns.first, window.columns.count, part.filter_columns),
                    window.pixels,
                )
                if tile.plane_words == 0:
                    continue
                for seen, held in ((tile.rows, window.rows), (tile.columns, window.columns)):
                    assert (seen.start - held.start) % held.step == 0 and seen.step % held.step == 0
                    last = seen.start + (seen.stored - 1) * seen.step
                    assert held.start <= seen.start <= last <= held.start + (held.stored - 1) * held.step
                assert window.word <= tile.word and tile.word + tile.words <= window.word + window.words


@pytest.mark.parametrize(
    "changes, rows, columns",
    [
        (dict(R=16, S=3), 16, 3),
        (dict(R=17, S=24), 9, 24),
        (dict(R=33, S=25), 11, 13),
        (dict(R=3, S=3, D=2), 1, 1),
        (dict(R=3, S=3, D=2, U=4), 3, 1),  # the rows in between are never looked at
        (dict(R=1, S=5, D=3), 1, 1),
        (dict(R=5, S=1, D=3), 1, 1),
    ],
)
def test_sizes_of_parts(changes, rows, columns):
    layer = ConvLayer(**(dict(M=1, C=1, H=99, W=99) | changes))
    assert (part_rows(layer), part_columns(layer, 24)) == (rows, columns)


def test_logical_rows_of_a_part():
    part = Part(first=4, count=10, q=4, r0=3, R=3, s0=0, S=2, rows=4)
    assert (part.groups, part.logical_rows, part.passes, part.last_rows, part.taps) == (3, 9, 3, 1, 8)
