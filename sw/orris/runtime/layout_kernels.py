"""Operators that move values about and compute nothing, the same in every format."""

import numpy as np
from numpy.typing import NDArray

from ..graph import Graph
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
    """With the zero point, where there is one: padding stands for zero."""
    quantisation = graph.tensors[operator.input].quantisation
    fill = 0 if quantisation is None else int(quantisation.zero_point[0])
    return [np.pad(inputs[0], operator.amounts, constant_values=fill)]


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
