"""The shape of what each operator makes, to hold against what a file claims."""

from functools import singledispatch
from math import prod
from typing import Any

import numpy as np

from ..layers import ConvLayer, LayerError, Padding
from ..layers.formats import NumberFormat
from . import operators as ops
from .errors import ModelError
from .graph import Graph, Layout
from .tensor import Tensor

Shape = tuple[int, ...]
MOVES = (
    ops.Concatenate,
    ops.ExtremeOver,
    ops.Gather,
    ops.Pad,
    ops.Reshape,
    ops.Resize,
    ops.Slice,
    ops.Split,
    ops.Spread,
    ops.Transpose,
)
"""Operators whose results are values of their first input."""


def check_shapes(graph: Graph) -> None:
    """ModelError at the first operator whose tensors do not fit together."""
    for operator in graph.operators:
        inputs = [graph.tensors[name] for name in operator.inputs]
        outputs = [graph.tensors[name] for name in operator.outputs]
        try:
            expected = output_shapes(operator, inputs, outputs, graph.layout)
        except (ModelError, LayerError, IndexError, ValueError) as error:
            raise ModelError(f"{graph.name}: {operator.name}: {error}") from error
        if isinstance(operator, MOVES) and {tensor.dtype for tensor in outputs} != {inputs[0].dtype}:
            kind = inputs[0].dtype
            raise ModelError(f"{graph.name}: {operator.name} makes {kind}, the file claims another type")
        for tensor, shape in zip(outputs, expected, strict=True):
            if tensor.shape != shape:
                raise ModelError(
                    f"{graph.name}: {operator.name} makes {list(shape)}, the file claims "
                    f"{list(tensor.shape)} for '{tensor.name}'"
                )


def image_shape(shape: Shape, layout: Layout) -> tuple[int, int, int, int]:
    """(N, C, H, W) of a tensor of rank 4; ModelError for another rank."""
    if len(shape) != 4:
        raise ModelError(f"shape {list(shape)} has no height and width: expected four axes")
    return shape if layout == "NCHW" else (shape[0], shape[3], shape[1], shape[2])


def file_shape(shape: Shape, layout: Layout) -> Shape:
    """The shape in a file of an image (N, C, H, W)."""
    N, C, H, W = shape
    return shape if layout == "NCHW" else (N, H, W, C)


def conv_layer(operator: ops.Convolution, ifmap: Tensor, weights: Tensor, layout: Layout) -> ConvLayer:
    """The layer of a convolution; LayerError if there is none of that shape."""
    N, C, H, W = image_shape(ifmap.shape, layout)
    M, per_group, R, S = weights.shape
    if C != per_group * operator.groups:
        raise ModelError(f"{C} channels, filters are for {operator.groups} groups of {per_group}")
    if operator.dilation[0] != operator.dilation[1]:
        raise ModelError(f"dilation {operator.dilation} differs between the axes")
    U, V = operator.stride
    return ConvLayer(
        name=operator.name,
        N=N,
        G=operator.groups,
        M=M,
        C=per_group,
        H=H,
        W=W,
        R=R,
        S=S,
        U=U,
        V=V,
        D=operator.dilation[0],
        padding=operator.padding,
        number_format=number_format_of(ifmap),
    )


def number_format_of(tensor: Tensor) -> NumberFormat:
    """The format of a layer that reads a tensor."""
    return "int16x8" if tensor.dtype == np.int16 else "int8"


@singledispatch
def output_shapes(
    operator: ops.Operator, inputs: list[Tensor], outputs: list[Tensor], layout: Layout
) -> list[Shape]:
    """Shapes of all outputs; by default that of the first input."""
    return [inputs[0].shape]


@output_shapes.register
def _(operator: ops.Convolution, inputs: list[Tensor], outputs: list[Tensor], layout: Layout) -> list[Shape]:
    layer = conv_layer(operator, inputs[0], inputs[1], layout)
    _check_bias(inputs, layer.M)
    return [file_shape(layer.ofmap_shape, layout)]


@output_shapes.register
def _(
    operator: ops.FullyConnected, inputs: list[Tensor], outputs: list[Tensor], layout: Layout
) -> list[Shape]:
    M, C = inputs[1].shape
    if inputs[0].size % C or not inputs[0].size:
        raise ModelError(f"{inputs[0].size} values are no rows of {C}")
    _check_bias(inputs, M)
    kept = (*inputs[0].shape[:-1], M)
    if outputs[0].shape == kept and inputs[0].shape[-1] == C:
        return [kept]
    return [(inputs[0].size // C, M)]


def _check_bias(inputs: list[Tensor], M: int) -> None:
    if len(inputs) > 2 and inputs[2].shape != (M,):
        raise ModelError(f"the bias has shape {list(inputs[2].shape)}, expected [{M}]")


@output_shapes.register
def _(operator: ops.Pool, inputs: list[Tensor], outputs: list[Tensor], layout: Layout) -> list[Shape]:
    N, C, H, W = image_shape(inputs[0].shape, layout)
    return [file_shape((N, C, *pool_size(operator, H, W)), layout)]


def pool_size(operator: ops.Pool, H: int, W: int) -> tuple[int, int]:
    """Rows and columns of a pooled image; ModelError where the window is larger than it."""
    padding: Padding = operator.padding
    padded = (H + padding.top + padding.bottom, W + padding.left + padding.right)
    for size, taps in zip(padded, operator.window, strict=True):
        if taps > size:
            raise ModelError(f"the window of {taps} is larger than the padded image of {size}")
    E, F = (
        (size - taps) // stride + 1
        for size, taps, stride in zip(padded, operator.window, operator.stride, strict=True)
    )
    return E, F


@output_shapes.register(ops.Mean)
@output_shapes.register(ops.ExtremeOver)
def _(operator: Any, inputs: list[Tensor], outputs: list[Tensor], layout: Layout) -> list[Shape]:
    if not all(inputs[0].shape[axis] for axis in operator.axes):
        raise ModelError(f"axes {list(operator.axes)} of {list(inputs[0].shape)} hold no values")
    return [_without(inputs[0].shape, operator.axes, operator.keep)]


@output_shapes.register
def _(operator: ops.ArgMax, inputs: list[Tensor], outputs: list[Tensor], layout: Layout) -> list[Shape]:
    return [_without(inputs[0].shape, (operator.axis,), operator.keep)]


def _without(shape: Shape, axes: tuple[int, ...], keep: bool) -> Shape:
    reduced = ((axis, 1 if axis in axes else size) for axis, size in enumerate(shape))
    return tuple(size for axis, size in reduced if keep or axis not in axes)


@output_shapes.register(ops.Add)
@output_shapes.register(ops.Subtract)
@output_shapes.register(ops.Multiply)
@output_shapes.register(ops.Extreme)
def _(operator: ops.Operator, inputs: list[Tensor], outputs: list[Tensor], layout: Layout) -> list[Shape]:
    return [np.broadcast_shapes(inputs[0].shape, inputs[1].shape)]


@output_shapes.register
def _(operator: ops.Concatenate, inputs: list[Tensor], outputs: list[Tensor], layout: Layout) -> list[Shape]:
    axis = operator.axis
    rest = {tensor.shape[:axis] + tensor.shape[axis + 1 :] for tensor in inputs}
    if len(rest) != 1:
        raise ModelError(f"shapes {[list(tensor.shape) for tensor in inputs]} do not join along axis {axis}")
    shape = inputs[0].shape
    return [(*shape[:axis], sum(tensor.shape[axis] for tensor in inputs), *shape[axis + 1 :])]


@output_shapes.register
def _(operator: ops.Split, inputs: list[Tensor], outputs: list[Tensor], layout: Layout) -> list[Shape]:
    shape, axis = inputs[0].shape, operator.axis
    sizes = [tensor.shape[axis] for tensor in outputs]
    if sum(sizes) != shape[axis]:
        raise ModelError(f"axis {axis} of {list(shape)} does not split into {sizes}")
    return [(*shape[:axis], size, *shape[axis + 1 :]) for size in sizes]


@output_shapes.register
def _(operator: ops.Slice, inputs: list[Tensor], outputs: list[Tensor], layout: Layout) -> list[Shape]:
    shape = tuple(
        len(range(*slice(first, last, step).indices(size)))
        for size, first, last, step in zip(
            inputs[0].shape, operator.begin, operator.end, operator.step, strict=True
        )
    )
    return [_same_size(shape, outputs[0].shape)]


@output_shapes.register
def _(operator: ops.Reshape, inputs: list[Tensor], outputs: list[Tensor], layout: Layout) -> list[Shape]:
    return [_same_size(inputs[0].shape, outputs[0].shape)]


def _same_size(made: Shape, claimed: Shape) -> Shape:
    """Axes of size 1 may come and go, and a reshape may do anything, but no value is lost."""
    return claimed if prod(made) == prod(claimed) else made


@output_shapes.register
def _(operator: ops.Pad, inputs: list[Tensor], outputs: list[Tensor], layout: Layout) -> list[Shape]:
    pairs = zip(inputs[0].shape, operator.amounts, strict=True)
    return [tuple(before + size + after for size, (before, after) in pairs)]


@output_shapes.register
def _(operator: ops.Transpose, inputs: list[Tensor], outputs: list[Tensor], layout: Layout) -> list[Shape]:
    return [tuple(inputs[0].shape[axis] for axis in operator.axes)]


@output_shapes.register
def _(operator: ops.Resize, inputs: list[Tensor], outputs: list[Tensor], layout: Layout) -> list[Shape]:
    N, C, H, W = image_shape(inputs[0].shape, layout)
    return [file_shape((N, C, H * operator.factors[0], W * operator.factors[1]), layout)]


@output_shapes.register
def _(operator: ops.Interpolate, inputs: list[Tensor], outputs: list[Tensor], layout: Layout) -> list[Shape]:
    N, C, _, _ = image_shape(inputs[0].shape, layout)
    return [file_shape((N, C, *image_shape(outputs[0].shape, layout)[2:]), layout)]


@output_shapes.register
def _(operator: ops.Spread, inputs: list[Tensor], outputs: list[Tensor], layout: Layout) -> list[Shape]:
    N, C, H, W = image_shape(inputs[0].shape, layout)
    U, V = operator.factors
    return [file_shape((N, C, (H - 1) * U + 1, (W - 1) * V + 1), layout)]


@output_shapes.register
def _(operator: ops.Gather, inputs: list[Tensor], outputs: list[Tensor], layout: Layout) -> list[Shape]:
    shape, axis = inputs[0].shape, operator.axis
    return [(*shape[:axis], *inputs[1].shape, *shape[axis + 1 :])]


@output_shapes.register
def _(operator: ops.Detections, inputs: list[Tensor], outputs: list[Tensor], layout: Layout) -> list[Shape]:
    (_, boxes, coordinates), (_, rows, classes), anchors = (tensor.shape for tensor in inputs)
    if not boxes or boxes != rows or coordinates < 4 or anchors != (boxes, 4):
        raise ModelError(f"{boxes} boxes of {coordinates} numbers, {rows} scores, anchors {list(anchors)}")
    if classes - operator.classes not in (0, 1):
        raise ModelError(f"scores of {classes} classes, expected {operator.classes}, or a background besides")
    places = operator.most * (1 if operator.by_class else operator.classes_of_a_box)
    return [(1, places, 4), (1, places), (1, places), (1,)]


@output_shapes.register
def _(operator: ops.ReadVariable, inputs: list[Tensor], outputs: list[Tensor], layout: Layout) -> list[Shape]:
    return [outputs[0].shape]


@output_shapes.register
def _(
    operator: ops.AssignVariable, inputs: list[Tensor], outputs: list[Tensor], layout: Layout
) -> list[Shape]:
    return []
