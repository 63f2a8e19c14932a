"""Operators as ONNX Runtime computes them on quantised tensors: in real numbers, rounded half to even."""

from collections.abc import Callable

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view
from numpy.typing import NDArray

from ..graph import Graph
from ..graph import operators as ops
from .images import vector_kernel
from .interpolation import onnx_reals as in_reals
from .tflite_kernels import dequantise as to_real

Values = list[NDArray]


def _real(graph: Graph, name: str, values: NDArray) -> NDArray[np.float32]:
    tensor = graph.tensors[name]
    if values.dtype.kind == "f":
        return values.astype(np.float32)
    quantisation = tensor.quantisation
    if quantisation is None:
        return values.astype(np.float32)
    return (values.astype(np.float32) - np.float32(tensor.zero_point)) * np.float32(tensor.scale)


def _quantised(graph: Graph, name: str, real: NDArray) -> NDArray:
    """Real numbers as values of a tensor; as they are where it holds real numbers."""
    tensor = graph.tensors[name]
    if tensor.dtype.kind == "f" or tensor.quantisation is None:
        return real.astype(tensor.dtype)
    info = np.iinfo(tensor.dtype)
    with np.errstate(invalid="ignore"):
        steps = np.nan_to_num(np.rint(real.astype(np.float32) / np.float32(tensor.scale)))
    return np.clip(steps + tensor.zero_point, info.min, info.max).astype(tensor.dtype)


def _bounded(real: NDArray, bounds: tuple[float | None, float | None]) -> NDArray:
    return real if bounds == (None, None) else np.clip(real, *bounds)


def _reals(graph: Graph, operator: ops.Operator, inputs: Values) -> list[NDArray[np.float32]]:
    return [_real(graph, name, values) for name, values in zip(operator.inputs, inputs, strict=True)]


def quantise(graph: Graph, operator: ops.Quantise, inputs: Values) -> Values:
    return [_quantised(graph, operator.output, _reals(graph, operator, inputs)[0])]


def dequantise(graph: Graph, operator: ops.Dequantise, inputs: Values) -> Values:
    return to_real(graph, operator, inputs)


def add(graph: Graph, operator: ops.Add, inputs: Values) -> Values:
    first, second = _reals(graph, operator, inputs)
    return [_quantised(graph, operator.output, _bounded(first + second, operator.bounds))]


def multiply(graph: Graph, operator: ops.Multiply, inputs: Values) -> Values:
    first, second = _reals(graph, operator, inputs)
    return [_quantised(graph, operator.output, _bounded(first * second, operator.bounds))]


def clamp(graph: Graph, operator: ops.Clamp, inputs: Values) -> Values:
    (real,) = _reals(graph, operator, inputs)
    return [_quantised(graph, operator.output, _bounded(real, operator.bounds))]


def _windows(operator: ops.Pool, values: NDArray[np.float32], outside: float) -> NDArray[np.float32]:
    """(N, C, E, F, R, S), with `outside` in the padding."""
    (U, V), padding = operator.stride, operator.padding
    around = ((0, 0), (0, 0), (padding.top, padding.bottom), (padding.left, padding.right))
    padded = np.pad(values, around, constant_values=outside)
    return sliding_window_view(padded, operator.window, axis=(2, 3))[:, :, ::U, ::V]


def pool(graph: Graph, operator: ops.Pool, inputs: Values) -> Values:
    """Averages in single precision, value by value along the rows of a window, as QLinearAveragePool does.

    The order matters: without a change of scale many averages lie half way between two steps. So does adding
    the zero point before rounding.
    """
    if operator.largest and inputs[0].dtype.kind != "f":
        return vector_kernel(graph, operator, inputs)
    (real,) = _reals(graph, operator, inputs)
    if operator.largest:
        return [_bounded(_windows(operator, real, -np.inf).max((-2, -1)), operator.bounds)]
    R, S = operator.window
    windows, inside = (_windows(operator, values, 0) for values in (real, np.ones_like(real)))
    flat = windows.reshape(*windows.shape[:4], R * S)
    means = _bounded(np.cumsum(flat, -1, dtype=np.float32)[..., -1] / inside.sum((-2, -1)), operator.bounds)
    after = graph.tensors[operator.output]
    if after.quantisation is None:
        return [means]
    steps = np.rint(means / np.float32(after.scale) + np.float32(after.zero_point))
    info = np.iinfo(after.dtype)
    return [np.clip(steps, info.min, info.max).astype(after.dtype)]


def mean(graph: Graph, operator: ops.Mean, inputs: Values) -> Values:
    (real,) = _reals(graph, operator, inputs)
    means = real.astype(np.float64).mean(operator.axes, keepdims=operator.keep)
    return [_quantised(graph, operator.output, means.astype(np.float32))]


def activation(graph: Graph, operator: ops.Activation, inputs: Values) -> Values:
    (real,) = _reals(graph, operator, inputs)
    return [_quantised(graph, operator.output, _FUNCTIONS[operator.function](real, operator))]


def _hard_sigmoid(x: NDArray[np.float32], alpha: float, beta: float) -> NDArray[np.float32]:
    return np.clip(np.float32(alpha) * x + np.float32(beta), np.float32(0), np.float32(1))


_FUNCTIONS: dict[str, Callable[[NDArray[np.float32], ops.Activation], NDArray]] = {
    "logistic": lambda x, _: 1 / (1 + np.exp(-x)),
    "tanh": lambda x, _: np.tanh(x),
    "exp": lambda x, _: np.exp(x),
    "elu": lambda x, operator: np.where(x < 0, np.float32(operator.alpha) * np.expm1(x), x),
    "hard sigmoid": lambda x, operator: _hard_sigmoid(x, operator.alpha, operator.beta),
    "hard swish": lambda x, _: x * _hard_sigmoid(x, 1 / 6, 1 / 2),
}


def subtract(graph: Graph, operator: ops.Subtract, inputs: Values) -> Values:
    first, second = _reals(graph, operator, inputs)
    return [_quantised(graph, operator.output, _bounded(first - second, operator.bounds))]


def extreme(graph: Graph, operator: ops.Extreme, inputs: Values) -> Values:
    first, second = _reals(graph, operator, inputs)
    chosen = np.maximum(first, second) if operator.largest else np.minimum(first, second)
    return [_quantised(graph, operator.output, chosen)]


def slope(graph: Graph, operator: ops.Slope, inputs: Values) -> Values:
    real, *alpha = _reals(graph, operator, inputs)
    factor = alpha[0] if alpha else np.float32(operator.alpha)
    return [_quantised(graph, operator.output, np.where(real < 0, real * factor, real))]


def interpolate(graph: Graph, operator: ops.Interpolate, inputs: Values) -> Values:
    if operator.raw:
        between = in_reals(graph, operator, inputs[0])
        return [np.trunc(between).astype(graph.tensors[operator.output].dtype)]
    (real,) = _reals(graph, operator, inputs)
    return [_quantised(graph, operator.output, in_reals(graph, operator, real))]


def softmax(graph: Graph, operator: ops.Softmax, inputs: Values) -> Values:
    """Between quantised tensors in a whole number of steps of 1: 254 where the scale is 1 / 255."""
    (real,) = _reals(graph, operator, inputs)
    powers = np.exp((real - real.max(operator.axis, keepdims=True)) * np.float32(operator.beta))
    shares = powers / powers.sum(operator.axis, keepdims=True)
    before, after = graph.tensors[operator.input], graph.tensors[operator.output]
    if before.quantisation is None or after.quantisation is None:
        return [_quantised(graph, operator.output, shares)]
    info, steps = np.iinfo(after.dtype), np.floor(np.float32(1) / np.float32(after.scale))
    return [np.clip(np.rint(shares * steps) + after.zero_point, info.min, info.max).astype(after.dtype)]
