"""Operators that move values about and compute nothing, the same in every format."""

import numpy as np
from numpy.typing import NDArray

from ..graph import Graph, ModelError
from ..graph import operators as ops


def concatenate(graph: Graph, operator: ops.Concatenate, inputs: list[NDArray]) -> list[NDArray]:
    return [np.concatenate(inputs, operator.axis)]


def split(graph: Graph, operator: ops.Split, inputs: list[NDArray]) -> list[NDArray]:
    sizes = [graph.tensors[name].shape[operator.axis] for name in operator.outputs]
    return np.split(inputs[0], np.cumsum(sizes)[:-1], operator.axis)


def slice_(graph: Graph, operator: ops.Slice, inputs: list[NDArray]) -> list[NDArray]:
    cut = zip(operator.begin, operator.end, operator.step, strict=True)
    return [inputs[0][tuple(slice(*bounds) for bounds in cut)].reshape(graph.tensors[operator.output].shape)]


def pad(graph: Graph, operator: ops.Pad, inputs: list[NDArray]) -> list[NDArray]:
    if operator.mode != "constant":
        return [np.pad(inputs[0], operator.amounts, mode=operator.mode)]
    fill = _zero(graph, operator) if operator.fill is None else operator.fill
    return [np.pad(inputs[0], operator.amounts, constant_values=fill)]


def _zero(graph: Graph, operator: ops.Operator) -> int:
    """What stands for zero in an operator's input."""
    quantisation = graph.tensors[operator.input].quantisation
    return 0 if quantisation is None else int(quantisation.zero_point[0])


def spread(graph: Graph, operator: ops.Spread, inputs: list[NDArray]) -> list[NDArray]:
    result = np.full(graph.tensors[operator.output].shape, _zero(graph, operator), inputs[0].dtype)
    (U, V), image = operator.factors, slice(None)
    places = (slice(None, None, U), slice(None, None, V))
    result[(image, *places) if graph.layout == "NHWC" else (image, image, *places)] = inputs[0]
    return [result]


def gather(graph: Graph, operator: ops.Gather, inputs: list[NDArray]) -> list[NDArray]:
    values, indices = inputs
    size = values.shape[operator.axis]
    for index in indices[(indices < -size) | (indices >= size)][:1]:
        raise ModelError(f"{operator.name}: index {index} is outside the {size} of axis {operator.axis}")
    return [np.take(values, indices.astype(np.int64), operator.axis)]


def extreme_over(graph: Graph, operator: ops.ExtremeOver, inputs: list[NDArray]) -> list[NDArray]:
    over = np.max if operator.largest else np.min
    return [over(inputs[0], operator.axes, keepdims=operator.keep)]


def cast(graph: Graph, operator: ops.Cast, inputs: list[NDArray]) -> list[NDArray]:
    return [inputs[0].astype(graph.tensors[operator.output].dtype)]


def reshape(graph: Graph, operator: ops.Reshape, inputs: list[NDArray]) -> list[NDArray]:
    return [inputs[0].reshape(graph.tensors[operator.output].shape)]


def transpose(graph: Graph, operator: ops.Transpose, inputs: list[NDArray]) -> list[NDArray]:
    return [np.ascontiguousarray(inputs[0].transpose(operator.axes))]


def resize(graph: Graph, operator: ops.Resize, inputs: list[NDArray]) -> list[NDArray]:
    height, width = (1, 2) if graph.layout == "NHWC" else (2, 3)
    tall = inputs[0].repeat(operator.factors[0], height)
    return [tall.repeat(operator.factors[1], width)]


def arg_max(graph: Graph, operator: ops.ArgMax, inputs: list[NDArray]) -> list[NDArray]:
    index = np.argmax(inputs[0], operator.axis, keepdims=operator.keep)
    return [np.asarray(index, graph.tensors[operator.output].dtype)]
