"""Operators that the vector unit computes too, by its golden models."""

import numpy as np
from numpy.typing import NDArray

from ..golden import AddParameters, PoolParameters, add, concatenate, pool, upsample
from ..graph import Graph, ModelError
from ..graph import operators as ops
from ..graph.quantised import from_signed, to_signed
from ..graph.vector import NotVector, VectorWork, add_parameters, vector_work
from ..graph.views import from_view, to_view
from ..layers import AddLayer, ConcatLayer, PoolLayer, UpsampleLayer


def vector_kernel(graph: Graph, operator: ops.Operator, inputs: list[NDArray]) -> list[NDArray]:
    """The golden model's result; ModelError for what the vector unit could not compute either."""
    try:
        work = vector_work(graph, operator)
    except NotVector as why:
        raise ModelError(f"{operator.name}: {why}") from why
    ifmaps = [
        to_view(values, graph.tensors[name], graph.layout).reshape(shape)
        for name, values, shape in zip(work.ifmaps, inputs, work.layer.ifmap_shapes, strict=True)
    ]
    return [from_view(_golden(work, ifmaps), graph.tensors[work.ofmap], graph.layout)]


def addition(graph: Graph, operator: ops.Add, inputs: list[NDArray]) -> list[NDArray]:
    """The golden model's sum, also of operands of different shapes."""
    first, second = (graph.tensors[name] for name in operator.inputs)
    after = graph.tensors[operator.output]
    parameters = add_parameters(first, second, after, operator.bounds)
    operands = np.broadcast_arrays(*(to_signed(values) for values in inputs))
    rows = [each.reshape(1, 1, -1, after.shape[-1]) for each in operands]
    layer = AddLayer(name=operator.name, C=1, H=rows[0].shape[2], W=rows[0].shape[3])
    return [from_signed(add(layer, rows[0], rows[1], parameters), after).reshape(after.shape)]


def _golden(work: VectorWork, ifmaps: list[NDArray]) -> NDArray:
    layer, parameters = work.layer, work.parameters
    if isinstance(layer, PoolLayer) and isinstance(parameters, PoolParameters):
        return pool(layer, ifmaps[0], parameters)
    if isinstance(layer, AddLayer) and isinstance(parameters, AddParameters):
        return add(layer, ifmaps[0], ifmaps[1], parameters)
    if isinstance(layer, ConcatLayer):
        return concatenate(layer, ifmaps)
    if isinstance(layer, UpsampleLayer):
        return upsample(layer, ifmaps[0])
    raise TypeError(f"{type(layer).__name__} with {type(parameters).__name__}")
