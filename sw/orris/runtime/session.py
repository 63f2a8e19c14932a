"""A network on the host alone: the golden model of everything."""

from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

from ..graph import Graph, ModelError
from ..graph import operators as ops
from .kernels import compute


class Session:
    """Runs a graph, and keeps its variables from one inference to the next."""

    def __init__(self, graph: Graph):
        self.graph = graph
        self.variables = {name: values.copy() for name, values in graph.variables.items()}

    def run(self, inputs: Mapping[str, NDArray]) -> dict[str, NDArray]:
        """Every computed tensor of one inference by name, in the layout of the file.

        Raises
        ------
        ModelError
            Inputs of another name, shape or type than the network's.
        """
        values = {
            name: tensor.values for name, tensor in self.graph.tensors.items() if tensor.values is not None
        }
        values |= checked_inputs(self.graph, inputs)
        computed: dict[str, NDArray] = {}
        for operator in self.graph.operators:
            results = self.step(operator, [values[name] for name in operator.inputs])
            made = dict(zip(operator.outputs, results, strict=True))
            values |= made
            computed |= made
        return computed

    def step(self, operator: ops.Operator, inputs: list[NDArray]) -> list[NDArray]:
        """The outputs of one operator."""
        if isinstance(operator, ops.ReadVariable):
            return [self._variable(operator.variable, operator.output)]
        if isinstance(operator, ops.AssignVariable):
            self.variables[operator.variable] = inputs[0]
            return []
        return compute(self.graph, operator, inputs)

    def _variable(self, name: str, tensor: str) -> NDArray:
        expected = self.graph.tensors[tensor]
        values = self.variables.get(name)
        if values is None or values.shape != expected.shape or values.dtype != expected.dtype:
            found = "nothing" if values is None else f"{values.dtype} {list(values.shape)}"
            raise ModelError(
                f"variable '{name}' holds {found}, '{tensor}' is {expected.dtype} {list(expected.shape)}"
            )
        return values


def checked_inputs(graph: Graph, inputs: Mapping[str, NDArray]) -> dict[str, NDArray]:
    """The inputs as they are; ModelError where one is missing, unknown, or of another shape or type."""
    wanted = {name: graph.tensors[name] for name in graph.inputs}
    for name in inputs:
        if name not in wanted:
            raise ModelError(f"the network has no input '{name}': its inputs are {', '.join(wanted)}")
    for name, tensor in wanted.items():
        if name not in inputs:
            raise ModelError(f"input '{name}' {tensor.dtype} {list(tensor.shape)} is missing")
        values = np.asarray(inputs[name])
        if values.shape != tensor.shape or values.dtype != tensor.dtype:
            raise ModelError(
                f"input '{name}' is {values.dtype} {list(values.shape)}, "
                f"the network takes {tensor.dtype} {list(tensor.shape)}"
            )
    return {name: np.asarray(values) for name, values in inputs.items()}
