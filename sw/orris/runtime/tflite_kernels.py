"""Operators in the integer arithmetic of TFLite's reference kernels, element for element."""

import numpy as np
from numpy.typing import NDArray

from ..golden import quantise_multiplier, requantise
from ..graph import Graph, ModelError, Tensor
from ..graph import operators as ops
from ..graph.quantised import value_bounds
from ..graph.vector import mean_multiplier
from .fixed_softmax import softmax_8_bits

Values = list[NDArray]


def rounded(real: NDArray) -> NDArray:
    """To whole numbers, ties away from zero."""
    return np.trunc(real + np.copysign(real.dtype.type(0.5), real))


def _saturated(values: NDArray, tensor: Tensor, low: int | None = None, high: int | None = None) -> NDArray:
    info = np.iinfo(tensor.dtype)
    low, high = info.min if low is None else low, info.max if high is None else high
    return np.clip(values, low, high).astype(tensor.dtype)


def _scaled(values: NDArray, real: float) -> NDArray[np.int64]:
    """Integers times a real number as the reference multiplies: 31-bit multiplier, two roundings."""
    return requantise(values.astype(np.int64), *quantise_multiplier(real), "double").astype(np.int64)


def mean(graph: Graph, operator: ops.Mean, inputs: Values) -> Values:
    """The sum times a multiplier that holds 1 / count."""
    before, after = graph.tensors[operator.input], graph.tensors[operator.output]
    count = int(np.prod([before.shape[axis] for axis in operator.axes]))
    sums = inputs[0].astype(np.int64).sum(operator.axes).reshape(after.shape)
    centred = sums - count * before.zero_point
    scaled = requantise(centred, *mean_multiplier(before, after, count), "double").astype(np.int64)
    return [_saturated(scaled + after.zero_point, after)]


def multiply(graph: Graph, operator: ops.Multiply, inputs: Values) -> Values:
    first, second = (graph.tensors[name] for name in operator.inputs)
    after = graph.tensors[operator.output]
    product = (inputs[0].astype(np.int64) - first.zero_point) * (
        inputs[1].astype(np.int64) - second.zero_point
    )
    scaled = _scaled(product, first.scale * second.scale / after.scale)
    return [_saturated(scaled + after.zero_point, after, *value_bounds(after, operator.bounds))]


def clamp(graph: Graph, operator: ops.Clamp, inputs: Values) -> Values:
    before, after = graph.tensors[operator.input], graph.tensors[operator.output]
    scaled = _scaled(inputs[0].astype(np.int64) - before.zero_point, before.scale / after.scale)
    return [_saturated(scaled + after.zero_point, after, *value_bounds(after, operator.bounds))]


def quantise(graph: Graph, operator: ops.Quantise, inputs: Values) -> Values:
    before, after = graph.tensors[operator.input], graph.tensors[operator.output]
    if inputs[0].dtype.kind == "f":
        real = inputs[0].astype(np.float32) / np.float32(after.scale)
        with np.errstate(invalid="ignore"):
            return [_saturated(np.nan_to_num(rounded(real)) + after.zero_point, after)]
    scaled = _scaled(inputs[0].astype(np.int64) - before.zero_point, before.scale / after.scale)
    return [_saturated(scaled + after.zero_point, after)]


def dequantise(graph: Graph, operator: ops.Dequantise, inputs: Values) -> Values:
    quantisation = graph.tensors[operator.input].quantisation
    if quantisation is None:
        raise ModelError(f"{operator.name}: its input has no scale")
    scale, zero_point = (
        quantisation.along(each, inputs[0].ndim) for each in (quantisation.scale, quantisation.zero_point)
    )
    return [((inputs[0].astype(np.int64) - zero_point) * scale).astype(np.float32)]


def logistic(graph: Graph, operator: ops.Logistic, inputs: Values) -> Values:
    """By a table of all 256 values, made in single precision."""
    before, after = graph.tensors[operator.input], graph.tensors[operator.output]
    info = np.iinfo(before.dtype)
    keys = np.arange(info.min, info.max + 1)
    one = np.float32(1)
    real = np.float32(before.scale) * (keys - before.zero_point).astype(np.float32)
    results = rounded(one / (one + np.exp(-real)) * (one / np.float32(after.scale)))
    table = _saturated(results + after.zero_point, after)
    return [table[inputs[0].astype(np.int64) - info.min]]


def softmax(graph: Graph, operator: ops.Softmax, inputs: Values) -> Values:
    """In fixed point; the output's scale is 1/256, its zero point the least value."""
    before, after = graph.tensors[operator.input], graph.tensors[operator.output]
    shares = softmax_8_bits(inputs[0], before.scale, operator.beta)
    return [(shares - np.iinfo(np.int8).min + after.zero_point).astype(after.dtype)]
