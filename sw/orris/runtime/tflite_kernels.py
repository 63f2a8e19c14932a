"""Operators in the integer arithmetic of TFLite's reference kernels, element for element."""

import numpy as np
from numpy.typing import NDArray

from ..golden import requantise
from ..golden.add import HEADROOM
from ..graph import Graph, ModelError
from ..graph import operators as ops
from ..graph.quantised import in_single, value_bounds
from ..graph.vector import mean_multiplier
from .fixed_softmax import softmax_8_bits
from .interpolation import fixed_point, in_reals
from .rounding import rounded, saturated, scaled
from .table_softmax import softmax_16_bits

Values = list[NDArray]


def mean(graph: Graph, operator: ops.Mean, inputs: Values) -> Values:
    """The sum times a multiplier that holds 1 / count."""
    before, after = graph.tensors[operator.input], graph.tensors[operator.output]
    count = int(np.prod([before.shape[axis] for axis in operator.axes]))
    sums = inputs[0].astype(np.int64).sum(operator.axes).reshape(after.shape)
    centred = sums - count * before.zero_point
    result = requantise(centred, *mean_multiplier(before, after, count), "double").astype(np.int64)
    return [saturated(result + after.zero_point, after)]


def multiply(graph: Graph, operator: ops.Multiply, inputs: Values) -> Values:
    first, second = (graph.tensors[name] for name in operator.inputs)
    after = graph.tensors[operator.output]
    product = (inputs[0].astype(np.int64) - first.zero_point) * (
        inputs[1].astype(np.int64) - second.zero_point
    )
    result = scaled(product, in_single(first.scale, second.scale, over=after.scale))
    return [saturated(result + after.zero_point, after, *value_bounds(after, operator.bounds))]


def subtract(graph: Graph, operator: ops.Subtract, inputs: Values) -> Values:
    """As the sum: operands are brought to twice the larger scale, raised by some bits."""
    first, second = (graph.tensors[name] for name in operator.inputs)
    after = graph.tensors[operator.output]
    headroom, common = HEADROOM[np.dtype(f"i{after.dtype.itemsize}")], 2 * max(first.scale, second.scale)
    operands = [
        scaled((values.astype(np.int64) - tensor.zero_point) << headroom, tensor.scale / common)
        for values, tensor in zip(inputs, (first, second), strict=True)
    ]
    result = scaled(operands[0] - operands[1], common / ((1 << headroom) * after.scale))
    return [saturated(result + after.zero_point, after, *value_bounds(after, operator.bounds))]


def extreme(graph: Graph, operator: ops.Extreme, inputs: Values) -> Values:
    """Of values of one scale."""
    return [(np.maximum if operator.largest else np.minimum)(*inputs)]


def slope(graph: Graph, operator: ops.Slope, inputs: Values) -> Values:
    before, after = graph.tensors[operator.input], graph.tensors[operator.output]
    values = inputs[0].astype(np.int64) - before.zero_point
    if len(inputs) > 1:
        alpha = graph.tensors[operator.inputs[1]]
        factor = in_single(before.scale, alpha.scale, over=after.scale)
        below = scaled(values * (inputs[1].astype(np.int64) - alpha.zero_point), factor)
    else:
        below = scaled(values, in_single(before.scale, operator.alpha, over=after.scale))
    above = scaled(values, in_single(before.scale, over=after.scale))
    return [saturated(np.where(values >= 0, above, below) + after.zero_point, after)]


def interpolate(graph: Graph, operator: ops.Interpolate, inputs: Values) -> Values:
    """Signed values in fixed point, unsigned ones in single precision."""
    after = graph.tensors[operator.output]
    if after.dtype == np.uint8:
        return [saturated(rounded(in_reals(graph, operator, inputs[0])), after)]
    return [saturated(fixed_point(graph, operator, inputs[0]), after)]


def clamp(graph: Graph, operator: ops.Clamp, inputs: Values) -> Values:
    before, after = graph.tensors[operator.input], graph.tensors[operator.output]
    factor = in_single(before.scale, over=after.scale)
    result = scaled(inputs[0].astype(np.int64) - before.zero_point, factor)
    return [saturated(result + after.zero_point, after, *value_bounds(after, operator.bounds))]


def quantise(graph: Graph, operator: ops.Quantise, inputs: Values) -> Values:
    before, after = graph.tensors[operator.input], graph.tensors[operator.output]
    if inputs[0].dtype.kind == "f":
        real = inputs[0].astype(np.float32) / np.float32(after.scale)
        with np.errstate(invalid="ignore"):
            return [saturated(np.nan_to_num(rounded(real)) + after.zero_point, after)]
    if operator.single:
        factor = np.float32(before.scale) * (np.float32(1) / np.float32(after.scale))
        real = inputs[0].astype(np.float32) * factor - np.float32(before.zero_point) * factor
        return [saturated(rounded(real) + after.zero_point, after)]
    result = scaled(inputs[0].astype(np.int64) - before.zero_point, before.scale / after.scale)
    return [saturated(result + after.zero_point, after)]


def dequantise(graph: Graph, operator: ops.Dequantise, inputs: Values) -> Values:
    quantisation = graph.tensors[operator.input].quantisation
    if quantisation is None:
        raise ModelError(f"{operator.name}: its input has no scale")
    scale, zero_point = (
        quantisation.along(each, inputs[0].ndim) for each in (quantisation.scale, quantisation.zero_point)
    )
    return [((inputs[0].astype(np.int64) - zero_point) * scale).astype(np.float32)]


def softmax(graph: Graph, operator: ops.Softmax, inputs: Values) -> Values:
    """In fixed point; the output's scale is 1/256, its zero point the least value (16 bits: 1/32768, 0)."""
    before, after = graph.tensors[operator.input], graph.tensors[operator.output]
    if after.dtype == np.int16:
        return [softmax_16_bits(inputs[0], before.scale, operator.beta).astype(np.int16)]
    shares = softmax_8_bits(inputs[0], before.scale, operator.beta)
    return [(shares - np.iinfo(np.int8).min + after.zero_point).astype(after.dtype)]
