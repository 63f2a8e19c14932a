"""Operators of a graph as layers of the vector unit: pooling, sums, concatenation, upsampling, rescaling.

All numbers are those of signed values, as in `quantised`.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np

from ..golden import AddParameters, PoolParameters, TensorError, quantise_multiplier
from ..golden.pool import window_counts
from ..layers import AddLayer, ConcatLayer, LayerError, PoolLayer, UpsampleLayer
from . import operators as ops
from .graph import Graph
from .quantised import Bounds, in_single, unsigned_offset, value_bounds
from .tensor import Tensor
from .views import view_shape

QUANTISED = (np.dtype(np.int8), np.dtype(np.uint8), np.dtype(np.int16))


@dataclass(frozen=True)
class VectorWork:
    """A layer with its parameters; `ifmaps` and `ofmap` name tensors."""

    layer: PoolLayer | AddLayer | ConcatLayer | UpsampleLayer
    parameters: PoolParameters | AddParameters | None
    ifmaps: tuple[str, ...]
    ofmap: str


class NotVector(Exception):
    """An operator that is no work for the vector unit; the text says why."""


def vector_work(graph: Graph, operator: ops.Operator) -> VectorWork:
    """The layer of an operator; NotVector if there is none."""
    tensors = [graph.tensors[name] for name in (*operator.inputs, *operator.outputs)]
    for tensor in tensors:
        if tensor.dtype not in QUANTISED or tensor.quantisation is None or not tensor.quantisation.per_tensor:
            raise NotVector(f"'{tensor.name}' is not quantised")
        if tensor.constant:
            raise NotVector(f"'{tensor.name}' is constant")
    if len({tensor.dtype.itemsize for tensor in tensors}) != 1:
        raise NotVector("values of different widths")
    try:
        layer, parameters = _layer(graph, operator)
    except (TensorError, LayerError) as error:
        raise NotVector(str(error)) from error
    for name, expected in zip(
        (*operator.inputs, operator.output), (*layer.ifmap_shapes, layer.ofmap_shape), strict=True
    ):
        N, C, H, W = view_shape(graph.tensors[name], graph.layout)
        if (N, C, H * W) != (expected[0], expected[1], expected[2] * expected[3]):
            raise NotVector(f"'{name}' is not stored as {expected[1]} channels of {expected[2:]}")
    return VectorWork(layer, parameters, operator.inputs, operator.output)


def _layer(
    graph: Graph, operator: ops.Operator
) -> tuple[PoolLayer | AddLayer | ConcatLayer | UpsampleLayer, PoolParameters | AddParameters | None]:
    before, after = graph.tensors[operator.input], graph.tensors[operator.output]
    N, C, H, W = view_shape(before, graph.layout)
    shape: dict[str, Any] = dict(name=operator.name, N=N, C=C, H=H, W=W)
    match operator:
        case ops.Pool():
            layer = _pool_layer(operator, shape)
            if layer.kind == "max":
                return layer, _unscaled(before, after, operator.bounds)
            return layer, average_parameters(graph, layer, before, after, operator.bounds)
        case ops.Mean():
            if _is_global(operator, before, graph.layout):
                layer = PoolLayer(kind="average", **shape)
                return layer, mean_parameters(graph, layer, before, after)
            raise NotVector("a mean over other axes than height and width")
        case ops.Clamp() | ops.Quantise():
            layer = PoolLayer(kind="average", R=1, S=1, **shape)
            if isinstance(operator, ops.Quantise) and operator.single:
                raise NotVector("in real numbers")
            bounds, factor = (None, None), before.scale / after.scale
            if isinstance(operator, ops.Clamp):
                bounds = operator.bounds
                factor = in_single(before.scale, over=after.scale) if graph.arithmetic == "tflite" else factor
            return layer, scaled_parameters(graph, layer, before, after, bounds, "double", factor)
        case ops.Add():
            other = graph.tensors[operator.inputs[1]]
            if other.shape != before.shape:
                raise NotVector("its operands have different shapes")
            return AddLayer(**shape), add_parameters(before, other, after, operator.bounds)
        case ops.Concatenate():
            return _concatenation(graph, operator, after), None
        case ops.Resize():
            if operator.factors[0] != operator.factors[1]:
                raise NotVector(f"factors {operator.factors[0]} and {operator.factors[1]} differ")
            return UpsampleLayer(factor=operator.factors[0], **shape), None
    raise NotVector("no operation of the vector unit")


def _pool_layer(operator: ops.Pool, shape: dict[str, Any]) -> PoolLayer:
    (R, S), (U, V) = operator.window, operator.stride
    kind = "max" if operator.largest else "average"
    return PoolLayer(kind=kind, R=R, S=S, U=U, V=V, padding=operator.padding, **shape)


def _is_global(operator: ops.Mean, before: Tensor, layout: str) -> bool:
    spatial = (1, 2) if layout == "NHWC" else (2, 3)
    return len(before.shape) == 4 and operator.axes == spatial


def _concatenation(graph: Graph, operator: ops.Concatenate, after: Tensor) -> ConcatLayer:
    rank = len(after.shape)
    channels = 1 if graph.layout == "NCHW" and rank == 4 else rank - 1
    if operator.axis != channels:
        raise NotVector(f"along axis {operator.axis}, which is not that of the channels")
    N, _, H, W = view_shape(after, graph.layout)
    parts = tuple(view_shape(graph.tensors[name], graph.layout)[1] for name in operator.inputs)
    return ConcatLayer(name=operator.name, N=N, channels=parts, H=H, W=W)


# -- parameters --------------------------------------------------------------------------------------------
def _signed_bounds(after: Tensor, bounds: Bounds) -> dict[str, Any]:
    low, high = value_bounds(after, bounds)
    offset = unsigned_offset(after)
    return {"act_min": low - offset, "act_max": high - offset}


def _zero_points(before: Tensor, after: Tensor) -> dict[str, Any]:
    return {
        "zp_in": before.zero_point - unsigned_offset(before),
        "zp_out": after.zero_point - unsigned_offset(after),
    }


def _unscaled(before: Tensor, after: Tensor, bounds: Bounds) -> PoolParameters:
    if before.quantisation != after.quantisation or before.dtype != after.dtype:
        raise NotVector("its output has another scale than its input")
    return PoolParameters(**_signed_bounds(after, bounds))


def average_parameters(
    graph: Graph, layer: PoolLayer, before: Tensor, after: Tensor, bounds: Bounds
) -> PoolParameters:
    """Of an average: of the quantised values in TFLite (where uint8 is not shifted), of real ones in ONNX."""
    if graph.arithmetic == "onnx":
        counts = window_counts(layer)
        if before.scale == after.scale and any(count % 2 == 0 for count in counts):
            raise NotVector("averages half way between two steps")
        factor = before.scale / after.scale
        return scaled_parameters(graph, layer, before, after, bounds, "single", factor)
    offset = -unsigned_offset(before)
    return PoolParameters(zp_in=offset, zp_out=offset, **_signed_bounds(after, bounds))


def scaled_parameters(
    graph: Graph,
    layer: PoolLayer,
    before: Tensor,
    after: Tensor,
    bounds: Bounds,
    rounding: str,
    factor: float,
) -> PoolParameters:
    """Of an average with a change of scale by `factor`, a multiplier for each count of values."""
    return PoolParameters(
        scales={count: quantise_multiplier(factor / count) for count in window_counts(layer)},
        rounding="double" if rounding == "double" and graph.arithmetic == "tflite" else "single",
        **_zero_points(before, after),
        **_signed_bounds(after, bounds),
    )


def mean_parameters(graph: Graph, layer: PoolLayer, before: Tensor, after: Tensor) -> PoolParameters:
    """Of a mean over the whole image."""
    if graph.arithmetic == "onnx":
        return average_parameters(graph, layer, before, after, (None, None))
    count = layer.H * layer.W
    scales = {count: mean_multiplier(before, after, count)}
    bounds = _signed_bounds(after, (None, None))
    return PoolParameters(scales=scales, rounding="double", **_zero_points(before, after), **bounds)


def mean_multiplier(before: Tensor, after: Tensor, count: int) -> tuple[int, int]:
    """TFLite's multiplier and shift of a mean over `count` values: 1 / count in it is cut, not rounded."""
    multiplier, shift = quantise_multiplier(before.scale / after.scale)
    extra = min(count.bit_length() - 1, 32, 31 + shift)
    return (multiplier << extra) // count, shift - extra


def add_parameters(first: Tensor, second: Tensor, after: Tensor, bounds: Bounds) -> AddParameters:
    """Of the sum of two tensors."""

    def scale(tensor: Tensor) -> tuple[float, int]:
        return tensor.scale, tensor.zero_point - unsigned_offset(tensor)

    dtype = np.int16 if after.dtype == np.int16 else np.int8
    limits = _signed_bounds(after, bounds)
    return AddParameters.from_scales(dtype, scale(first), scale(second), scale(after), **limits)
