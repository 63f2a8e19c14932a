"""Pooling and the sum of two tensors, on the host."""

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view
from numpy.typing import NDArray

from ..golden import quantise_multiplier, requantise
from ..graph import Graph
from ..graph import operators as ops
from ..graph.quantised import value_bounds

ADD_HEADROOM = {1: 20, 2: 15}
"""Bits that the summands are shifted up by, by the bytes of a value."""


def pool(graph: Graph, operator: ops.Pool, inputs: list[NDArray]) -> list[NDArray]:
    """The largest, or the mean rounded with ties away from zero, of the values inside the image."""
    after = graph.tensors[operator.output]
    axes = (1, 2) if graph.layout == "NHWC" else (2, 3)
    (R, S), (U, V), padding = operator.window, operator.stride, operator.padding
    around = [(0, 0)] * 4
    around[axes[0]], around[axes[1]] = (padding.top, padding.bottom), (padding.left, padding.right)

    def windows(values: NDArray, fill: int) -> NDArray:
        padded = np.pad(values, around, constant_values=fill)
        view = sliding_window_view(padded, (R, S), axis=axes)
        steps = [slice(None)] * 4
        steps[axes[0]], steps[axes[1]] = slice(None, None, U), slice(None, None, V)
        return view[tuple(steps)]

    values = inputs[0]
    if operator.largest:
        result = windows(values, np.iinfo(values.dtype).min).max((-2, -1)).astype(np.int64)
    else:
        sums = windows(values.astype(np.int64), 0).sum((-2, -1))
        counts = windows(np.ones(values.shape, np.int64), 0).sum((-2, -1))
        result = np.sign(sums) * ((np.abs(sums) + counts // 2) // counts)
    return [np.clip(result, *value_bounds(after, operator.bounds)).astype(after.dtype)]


def add(graph: Graph, operator: ops.Add, inputs: list[NDArray]) -> list[NDArray]:
    """Both rescaled to twice the larger scale, with room below the point, and their sum to the output's."""
    tensors = [graph.tensors[name] for name in operator.inputs]
    after = graph.tensors[operator.output]
    headroom = ADD_HEADROOM[after.dtype.itemsize]
    common = 2 * max(tensor.scale for tensor in tensors)

    def scaled(values: NDArray, real: float) -> NDArray:
        return requantise(values, *quantise_multiplier(real), "double").astype(np.int64)

    total = sum(
        scaled((values.astype(np.int64) - tensor.zero_point) << headroom, tensor.scale / common)
        for values, tensor in zip(inputs, tensors, strict=True)
    )
    result = scaled(np.asarray(total), common / ((1 << headroom) * after.scale)) + after.zero_point
    return [np.clip(result, *value_bounds(after, operator.bounds)).astype(after.dtype)]
