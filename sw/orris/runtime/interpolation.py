"""Bilinear interpolation of images, in TFLite's fixed point and in real numbers.

A place in the input is a number of pixels; both arithmetics find it for every row and column of the output,
and weigh the values on either side of it.
"""

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..graph import Graph
from ..graph import operators as ops
from ..graph.shapes import file_shape, image_shape

FRACTION = 10
"""Bits of a place behind the point, in fixed point."""

Places = Callable[[ops.Interpolate, int, int], NDArray]


def fixed_places(operator: ops.Interpolate, before: int, after: int) -> NDArray[np.int64]:
    """Of `after` rows in an input of `before`, in units of 2^-10; the scale is rounded first."""
    one, most = 1 << FRACTION, (before, after)
    if operator.corners and after > 1:
        most = before - 1, after - 1
    scale = (one * most[0] + most[1] // 2) // most[1]
    places = np.arange(after, dtype=np.int64) * scale
    return places + scale // 2 - one // 2 if operator.centred else places


def real_places(operator: ops.Interpolate, before: int, after: int) -> NDArray[np.float32]:
    """Of `after` rows in an input of `before`, in single precision."""
    scale = np.float32(before) / np.float32(after)
    if operator.corners and after > 1:
        scale = np.float32(before - 1) / np.float32(after - 1)
    rows = np.arange(after, dtype=np.float32)
    half = np.float32(0.5)
    return (rows + half) * scale - half if operator.centred else rows * scale


def fixed_point(graph: Graph, operator: ops.Interpolate, values: NDArray) -> NDArray:
    """Rounded to nearest, ties away from zero."""
    one = 1 << FRACTION
    total = _interpolated(graph, operator, values.astype(np.int64), fixed_places, one)
    nudged = total + np.where(total > 0, one * one // 2, -one * one // 2)
    return np.where(nudged >= 0, nudged // (one * one), -(-nudged // (one * one)))


def in_reals(graph: Graph, operator: ops.Interpolate, values: NDArray) -> NDArray[np.float32]:
    return _interpolated(graph, operator, values.astype(np.float32), real_places, 1)


def onnx_reals(graph: Graph, operator: ops.Interpolate, values: NDArray) -> NDArray[np.float32]:
    """As ONNX Runtime computes it: places are kept inside, and divided by the scale; weights come first."""
    _, _, H, W = image_shape(graph.tensors[operator.input].shape, graph.layout)
    _, _, E, F = image_shape(graph.tensors[operator.output].shape, graph.layout)
    (above, below, up, down), (left, right, to_left, to_right) = (
        _onnx_neighbours(operator, before, after) for before, after in ((H, E), (W, F))
    )
    real, total = values.astype(np.float32), np.float32(0)
    for row, row_weight in ((above, up), (below, down)):
        for column, column_weight in ((left, to_left), (right, to_right)):
            weights = column_weight * row_weight[:, None]
            total = total + weights * real[:, :, row[:, None], column]
    return np.asarray(total)


def _onnx_neighbours(
    operator: ops.Interpolate, before: int, after: int
) -> tuple[NDArray, NDArray, NDArray, NDArray]:
    """Indices of the values below and above each place, and their weights."""
    at, half = np.arange(after, dtype=np.float32), np.float32(0.5)
    scale = np.float32(after) / np.float32(before)
    if operator.corners:
        places = at * np.float32(before - 1) / np.float32(max(1, after - 1))
    else:
        places = (at + half) / scale - half if operator.centred else at / scale
    places = np.clip(places, 0, np.float32(before - 1))
    first = places.astype(np.int64)
    second = np.minimum(first + 1, before - 1)
    fraction, rest = places - first.astype(np.float32), second.astype(np.float32) - places
    single = first == second
    return first, second, np.where(single, half, rest), np.where(single, half, fraction)


def _interpolated(
    graph: Graph, operator: ops.Interpolate, values: NDArray, places: Places, one: int
) -> NDArray:
    """Sums of the four neighbours times their weights, in the layout of the graph."""
    height, width = (1, 2) if graph.layout == "NHWC" else (2, 3)
    _, _, H, W = image_shape(graph.tensors[operator.input].shape, graph.layout)
    _, _, E, F = image_shape(graph.tensors[operator.output].shape, graph.layout)
    rows, columns = _neighbours(places(operator, H, E), H, one), _neighbours(places(operator, W, F), W, one)
    total: Any = 0
    for column, column_weight in columns:  # the order of single precision's sums
        for row, row_weight in rows:
            part = values.take(row, height).take(column, width)
            part = part * row_weight.reshape(file_shape((1, 1, E, 1), graph.layout))
            total = total + part * column_weight.reshape(file_shape((1, 1, 1, F), graph.layout))
    return total


def _neighbours(places: NDArray, size: int, one: int) -> list[tuple[NDArray, NDArray]]:
    """(index, weight) of the neighbours below and above each place."""
    if places.dtype.kind == "i":  # divisions are towards zero
        below = np.maximum(np.where(places >= 0, places // one, -(-places // one)), 0)
        above = np.minimum(np.maximum(places + one - 1, 0) // one, size - 1)
    else:
        below = np.maximum(np.floor(places), 0).astype(np.int64)
        above = np.minimum(np.ceil(places), size - 1).astype(np.int64)
    fraction = places - below.astype(places.dtype) * one
    return [(below, one - fraction), (above, fraction)]
