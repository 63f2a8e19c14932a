"""Constants computed at once instead of at every inference."""

from dataclasses import replace

from ..graph import Graph, Tensor
from ..graph import operators as ops
from .kernels import KERNELS, compute


def fold_constants(graph: Graph) -> Graph:
    """The graph without operators all of whose inputs are constant: their outputs are constants now.

    Raises
    ------
    OrrisError
        An operator on constants that has no arithmetic for them.
    """
    tensors, kept = dict(graph.tensors), []
    for operator in graph.operators:
        values = [tensors[name].values for name in operator.inputs]
        constants = [each for each in values if each is not None]
        if not values or len(constants) < len(values) or not _foldable(graph, operator):
            kept.append(operator)
            continue
        results = compute(graph, operator, constants)
        for name, result in zip(operator.outputs, results, strict=True):
            known = tensors[name]
            shaped = result.astype(known.dtype).reshape(known.shape)
            tensors[name] = Tensor(name, known.shape, known.dtype, known.quantisation, shaped)
    return replace(graph, tensors=tensors, operators=tuple(kept))


def _foldable(graph: Graph, operator: ops.Operator) -> bool:
    return type(operator) in KERNELS[graph.arithmetic] and not set(operator.outputs) & set(graph.outputs)
