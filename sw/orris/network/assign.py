"""Which operators run on the accelerator, and as what; known without searching for a mapping."""

from collections import Counter
from dataclasses import dataclass
from typing import Literal

from orris_hw.config import AcceleratorConfig

from ..compiler import CompileError
from ..graph import Graph
from ..graph import operators as ops
from ..graph.quantised import QuantisedLayer, quantised_convolution, quantised_flattened, quantised_rows
from ..graph.simplify import flattened_filter
from ..graph.vector import NotVector, VectorWork, vector_work
from ..graph.views import same_storage, view_shape
from ..layers import ConcatLayer
from ..layers.formats import missing_format

Where = Literal["array", "vector", "host", "nowhere"]

HOST_REASONS: dict[type[ops.Operator], str] = {
    ops.Softmax: "exponentials",
    ops.Activation: "a function of each value",
    ops.Slope: "a function of each value",
    ops.Subtract: "a difference",
    ops.Multiply: "a product of tensors",
    ops.Extreme: "a comparison of tensors",
    ops.ExtremeOver: "a comparison of values",
    ops.Interpolate: "interpolation",
    ops.Cast: "another type",
    ops.Detections: "a choice of boxes",
    ops.Quantise: "change of scale",
    ops.Dequantise: "real numbers",
    ops.ArgMax: "an index, not values",
    ops.ReadVariable: "state between inferences",
    ops.AssignVariable: "state between inferences",
}


@dataclass(frozen=True, eq=False)
class Assignment:
    """Where an operator runs.

    Parameters
    ----------
    where : "array": the PE array; "vector": the vector unit; "host"; "nowhere": it moves no byte.
    why : on the host, in a few words. macs : multiply-accumulates. work : on the accelerator, the layer.
    lone : on the array, the host makes the ifmap for this layer alone.
    """

    operator: ops.Operator
    where: Where
    why: str = ""
    macs: int = 0
    work: QuantisedLayer | VectorWork | None = None
    lone: bool = False


def assign(graph: Graph, config: AcceleratorConfig) -> list[Assignment]:
    """An assignment for each operator of the graph, in their order.

    Raises
    ------
    OrrisError
        A convolution or fully connected layer in arithmetic that the configuration does not have.
    """
    return _Assigning(graph, config).all()


class _Assigning:
    def __init__(self, graph: Graph, config: AcceleratorConfig):
        self._graph, self._config = graph, config
        self._makers = graph.producers()
        self._readers = Counter(name for operator in graph.operators for name in operator.inputs)
        self._on_device: set[str] = set()  # tensors that the accelerator makes
        self._own: set[str] = set()  # those of them that lie where they like: made by a layer, in no other

    def all(self) -> list[Assignment]:
        found = []
        for operator in self._graph.operators:
            found.append(self._choose(operator))
            if found[-1].where != "host":
                self._on_device.update(operator.outputs)
            if found[-1].where in ("array", "vector"):
                self._own.update(operator.outputs)
        return self._without_unread(found)

    def _without_unread(self, assignments: list[Assignment]) -> list[Assignment]:
        """A flattening that a fully connected layer looks through runs nowhere: nobody reads its result."""
        read, kept = set(self._graph.outputs), []
        for each in reversed(assignments):
            if isinstance(each.operator, ops.Reshape) and each.operator.output not in read:
                kept.append(Assignment(each.operator, "nowhere", "part of what reads it"))
                continue
            read.update(each.operator.inputs if each.work is None else each.work.ifmaps)
            kept.append(each)
        return kept[::-1]

    def _choose(self, operator: ops.Operator) -> Assignment:
        match operator:
            case ops.Convolution():
                return self._on_array(operator, quantised_convolution(self._graph, operator))
            case ops.FullyConnected():
                return self._fully_connected(operator)
            case ops.Reshape() if self._moves_nothing(operator):
                return Assignment(operator, "nowhere")
            case ops.Pool() | ops.Mean() | ops.Add() | ops.Concatenate() | ops.Resize():
                return self._on_vector(operator)
            case ops.Clamp() | ops.Quantise() if operator.input in self._on_device:
                return self._on_vector(operator)
        return Assignment(operator, "host", HOST_REASONS.get(type(operator), "moves values"))

    def _on_vector(self, operator: ops.Operator) -> Assignment:
        """On the vector unit, if that can do it and at least one input is with the accelerator already."""
        config = self._config
        if not config.vector.lanes:
            return Assignment(operator, "host", f"{config.name} has no vector unit")
        if not self._on_device.intersection(operator.inputs):
            return Assignment(operator, "host", "its inputs are there")
        try:
            work = vector_work(self._graph, operator)
        except NotVector as why:
            return Assignment(operator, "host", str(why))
        if self._graph.tensors[work.ofmap].dtype.itemsize * 8 != config.data_width:
            return Assignment(operator, "host", f"{config.name} has values of {config.data_width} bits")
        if isinstance(work.layer, ConcatLayer) and self._in_place(work, work.layer):
            self._own.difference_update(work.ifmaps)
            return Assignment(operator, "nowhere", work=work)
        return Assignment(operator, "vector", work=work)

    def _in_place(self, work: VectorWork, layer: ConcatLayer) -> bool:
        """Whether every part of a concatenation can be made where it belongs: in whole blocks of channels."""
        whole_blocks = all(channels % self._config.block == 0 for channels in layer.channels[:-1])
        distinct = len(set(work.ifmaps)) == len(work.ifmaps)
        return layer.N == 1 and whole_blocks and distinct and self._own.issuperset(work.ifmaps)

    def _moves_nothing(self, operator: ops.Reshape) -> bool:
        return operator.input in self._on_device and same_storage(
            self._graph, operator.input, operator.output
        )

    def _fully_connected(self, operator: ops.FullyConnected) -> Assignment:
        graph = self._graph
        flattened = flattened_filter(graph, operator, self._makers)
        if flattened is not None:
            image, weights = graph.tensors[flattened[0]], flattened[1]
            _, _, H, W = view_shape(image, graph.layout)
            if H * W > 1:
                return self._on_array(operator, quantised_flattened(graph, operator, image, weights))
        work = quantised_rows(graph, operator)
        for name, channels in ((work.ifmap, work.layer.C), (work.ofmap, work.layer.M)):
            N, C, H, W = view_shape(graph.tensors[name], graph.layout)
            if (N, C, H * W) != (1, channels, work.layer.W):
                why = f"'{name}' is not stored as rows of {channels} values"
                return Assignment(operator, "host", why, work.layer.macs)
        return self._on_array(operator, work)

    def _on_array(self, operator: ops.Operator, work: QuantisedLayer) -> Assignment:
        problem = missing_format(work.layer.number_format, self._config)
        if problem is not None:
            raise CompileError(f"{work.layer.name}: {problem}")
        lone = work.ifmap not in self._on_device and self._readers[work.ifmap] == 1
        return Assignment(operator, "array", macs=work.layer.macs, work=work, lone=lone)
