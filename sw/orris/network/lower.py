"""Decides where each operator runs, and makes what runs on the accelerator into layers."""

from collections import Counter
from collections.abc import Callable

import numpy as np

from orris_hw.config import AcceleratorConfig

from ..compiler import CompileError, layer_constants
from ..graph import Graph
from ..graph import operators as ops
from ..graph.quantised import QuantisedLayer, quantised_convolution, quantised_flattened, quantised_rows
from ..graph.simplify import flattened_filter
from ..mapper import map_layer
from .steps import AliasStep, ConvolutionStep, HostStep, Step
from .views import same_storage, view_shape

Progress = Callable[[int, int, str], None]

HOST_REASONS: dict[type[ops.Operator], str] = {
    ops.Softmax: "exponentials",
    ops.Logistic: "exponentials",
    ops.Quantise: "change of scale",
    ops.Dequantise: "real numbers",
    ops.ArgMax: "an index, not values",
    ops.ReadVariable: "state between inferences",
    ops.AssignVariable: "state between inferences",
}


def lower(graph: Graph, config: AcceleratorConfig, progress: Progress | None = None) -> list[Step]:
    """A step for each operator of the graph, in their order.

    Parameters
    ----------
    progress : told (operators done, of how many, name of the next).

    Raises
    ------
    OrrisError
        A convolution or fully connected layer that the configuration cannot run, and why.
    """
    lowering = _Lowering(graph, config)
    steps = []
    for number, operator in enumerate(graph.operators):
        if progress:
            progress(number, len(graph.operators), operator.name)
        steps.append(lowering.step(operator))
    return steps


class _Lowering:
    def __init__(self, graph: Graph, config: AcceleratorConfig):
        self._graph, self._config = graph, config
        self._makers = graph.producers()
        self._readers = Counter(name for operator in graph.operators for name in operator.inputs)
        self._on_array: set[str] = set()  # tensors that the accelerator makes

    def step(self, operator: ops.Operator) -> Step:
        step = self._choose(operator)
        if not isinstance(step, HostStep):
            self._on_array.update(operator.outputs)
        return step

    def _choose(self, operator: ops.Operator) -> Step:
        match operator:
            case ops.Convolution():
                return self._convolution(operator, quantised_convolution(self._graph, operator))
            case ops.FullyConnected():
                return self._fully_connected(operator)
            case ops.Reshape() if self._moves_nothing(operator):
                return AliasStep(operator)
        return HostStep(operator, HOST_REASONS.get(type(operator), "moves or rescales values"))

    def _moves_nothing(self, operator: ops.Reshape) -> bool:
        return operator.input in self._on_array and same_storage(self._graph, operator.input, operator.output)

    def _fully_connected(self, operator: ops.FullyConnected) -> Step:
        flattened = flattened_filter(self._graph, operator, self._makers)
        if flattened is not None:
            name, weights = flattened
            _, _, H, W = view_shape(self._graph.tensors[name], self._graph.layout)
            if H * W > 1:
                image = self._graph.tensors[name]
                return self._convolution(operator, quantised_flattened(self._graph, operator, image, weights))
        work = quantised_rows(self._graph, operator)
        for name in (work.ifmap, work.ofmap):
            N, C, H, W = view_shape(self._graph.tensors[name], self._graph.layout)
            channels = work.layer.C if name == work.ifmap else work.layer.M
            if N != 1 or C != channels or H * W != work.layer.W:
                return HostStep(operator, f"'{name}' is not stored as rows of {channels} values")
        return self._convolution(operator, work)

    def _convolution(self, operator: ops.Operator, work: QuantisedLayer) -> ConvolutionStep:
        self._check_format(work)
        lanes = None if self._one_reader_of_host_data(work.ifmap) else self._config.block
        mapping = map_layer(work.layer, self._config, pixel_lanes=lanes)
        return ConvolutionStep(operator, work, mapping, layer_constants(mapping, work.weights, work.requant))

    def _one_reader_of_host_data(self, name: str) -> bool:
        """Whether the host may pack a tensor just as its only reader likes it."""
        return name not in self._on_array and self._readers[name] == 1

    def _check_format(self, work: QuantisedLayer) -> None:
        config, tensors = self._config, self._graph.tensors
        dtype = tensors[work.ifmap].dtype
        width, psums = (16, 48) if dtype == np.int16 else (8, 32)
        if config.arithmetic != "integer" or config.data_width != width or config.psum_width < psums:
            raise CompileError(
                f"{work.layer.name}: {dtype} activations need integer arithmetic with {width}-bit data and "
                f"psums of at least {psums} bits; {config.name} has {config.data_width}-bit "
                f"{config.arithmetic} arithmetic and psums of {config.psum_width} bits"
            )
