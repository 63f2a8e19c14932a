"""Builds a graph of quantised tensors out of ONNX nodes.

In the QDQ form every operator works on real numbers between a DequantizeLinear and a QuantizeLinear. Here a
real tensor is looked through to the quantised one it stands for, and an operator whose result is quantised at
once makes the quantised tensor.
"""

from collections import defaultdict
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..graph import Graph, Quantisation, Tensor
from ..graph import operators as ops
from ..graph.operators import Operator
from .unsupported import Unsupported

Bounds = tuple[float | None, float | None]
Type = tuple[tuple[int, ...], np.dtype]
INTEGERS = ("int8", "uint8", "int16")


@dataclass(frozen=True, eq=False)
class Node:
    """An operator of the file."""

    kind: str
    name: str
    inputs: tuple[str, ...]
    outputs: tuple[str, ...]
    attributes: dict[str, Any] = field(repr=False)

    def input(self, index: int) -> str:
        """The name of an input; "" if it is left out."""
        return self.inputs[index] if index < len(self.inputs) else ""


class Builder:
    """The graph so far.

    Parameters
    ----------
    constants : values by name. types : shape and type of tensors by name.
    """

    def __init__(
        self,
        name: str,
        nodes: list[Node],
        constants: dict[str, NDArray],
        types: dict[str, Type],
        inputs: list[str],
        outputs: list[str],
    ):
        self._name, self.constants, self._types = name, constants, types
        self._inputs, self._outputs = inputs, outputs
        self._readers: dict[str, list[Node]] = defaultdict(list)
        for node in nodes:
            for each in node.inputs:
                self._readers[each].append(node)
        self.tensors: dict[str, Tensor] = {}
        self.operators: list[Operator] = []
        self._made: set[str] = set(inputs)
        self._stands_for: dict[str, str] = {}  # real tensors, and the quantised ones behind them
        self.done: set[Node] = set()
        for each in inputs:
            self.declare(each)

    # -- tensors -------------------------------------------------------------------------------------------
    def type_of(self, name: str) -> Type:
        """Shape and type; Unsupported if they are not known."""
        if name in self.constants:
            return self.constants[name].shape, self.constants[name].dtype
        if name not in self._types:
            raise Unsupported(f"the shape of tensor '{name}' is not known")
        return self._types[name]

    def declare(self, name: str, quantisation: Quantisation | None = None) -> str:
        """Make a tensor of the file known, and what its numbers mean."""
        known = self.tensors.get(name)
        if known is not None and quantisation is not None and known.quantisation is not None:
            if known.quantisation != quantisation:
                raise Unsupported(f"tensor '{name}' is read with another scale than it is made with")
            return name
        if known is None or quantisation is not None:
            shape, dtype = self.type_of(name)
            values = self.constants.get(name)
            self.tensors[name] = Tensor(name, shape, dtype, quantisation, values)
        return name

    def new(self, name: str, values: NDArray, quantisation: Quantisation | None = None) -> str:
        """A constant of our own."""
        self.tensors[name] = Tensor(name, values.shape, values.dtype, quantisation, values)
        return name

    def constant(self, name: str, what: str) -> NDArray:
        if name not in self.constants:
            raise Unsupported(f"its {what} is not constant")
        return self.constants[name]

    def real_constant(self, name: str, what: str) -> NDArray[np.float32]:
        """The values of a constant of real numbers, which may be there quantised."""
        tensor = self.tensors.get(self._stands_for.get(name, ""))
        if tensor is None or tensor.values is None or tensor.quantisation is None:
            return self.constant(name, what).astype(np.float32)
        scale, zero_point = (
            tensor.quantisation.along(each, tensor.values.ndim)
            for each in (tensor.quantisation.scale, tensor.quantisation.zero_point)
        )
        return ((tensor.values.astype(np.int64) - zero_point) * scale).astype(np.float32)

    def quantisation(self, scale: str, zero_point: str, dtype: np.dtype, axis: int = 0) -> Quantisation:
        """From the names of scale and zero point; a zero point that is left out is 0."""
        scales = self.constant(scale, "scale").astype(np.float64).reshape(-1)
        zeros = self.constant(zero_point, "zero point") if zero_point else np.zeros(1, np.int64)
        if str(dtype) not in INTEGERS + ("int32",):
            raise Unsupported(f"quantised values of type {dtype}")
        return Quantisation(scales, zeros.astype(np.int64).reshape(-1), axis)

    def behind(self, name: str) -> str:
        """The quantised tensor that a tensor stands for, or is."""
        quantised = self._stands_for.get(name, name)
        tensor = self.tensors.get(quantised)
        if tensor is None or tensor.quantisation is None or str(tensor.dtype) not in INTEGERS + ("int32",):
            raise Unsupported(f"tensor '{name}' is not quantised")
        return quantised

    def is_quantised(self, name: str) -> bool:
        """Whether `behind` finds something."""
        try:
            self.behind(name)
        except Unsupported:
            return False
        return True

    def value(self, name: str) -> str:
        """The quantised tensor behind a tensor, or that of real numbers itself."""
        return self.behind(name) if self.is_quantised(name) else self.real(name)

    def intermediate(self, name: str, shape: tuple[int, ...], like: Tensor | None = None) -> str:
        """A tensor that the file does not have: of real numbers, or of those of another."""
        dtype = np.dtype(np.float32) if like is None else like.dtype
        self.tensors[name] = Tensor(name, shape, dtype, None if like is None else like.quantisation)
        return name

    def stand_for(self, real: str, quantised: str) -> None:
        self._stands_for[real] = quantised

    def real(self, name: str) -> str:
        """A tensor of real numbers, dequantised only if somebody asks for it."""
        if name in self._stands_for and name not in self._made:
            self.declare(name)
            self.add(
                ops.Dequantise(
                    kind="DequantizeLinear",
                    name=f"DequantizeLinear '{name}'",
                    inputs=(self._stands_for[name],),
                    outputs=(name,),
                )
            )
        return self.declare(name)

    # -- results -------------------------------------------------------------------------------------------
    def result(self, node: Node, clamps: bool = True, output: int = 0) -> tuple[str, Bounds] | None:
        """The quantised tensor that a node's real result becomes, and bounds of an activation between them.

        None where the result is used as real numbers.
        """
        name, bounds = node.outputs[output], (None, None)
        readers = self._readers[name]
        passed: list[Node] = []
        if clamps and len(readers) == 1 and readers[0].kind in ("Relu", "Clip") and name not in self._outputs:
            bounds = self.bounds(readers[0])
            passed.append(readers[0])
            name = readers[0].outputs[0]
            readers = self._readers[name]
        if len(readers) != 1 or readers[0].kind != "QuantizeLinear" or name in self._outputs:
            return None
        self.done.update([*passed, readers[0]])
        return self.quantised_result(readers[0]), bounds

    def quantised_result(self, quantize: Node) -> str:
        """The tensor that a QuantizeLinear makes."""
        output = quantize.outputs[0]
        _, dtype = self.type_of(output)
        return self.declare(output, self.quantisation(quantize.input(1), quantize.input(2), dtype))

    def bounds(self, node: Node) -> Bounds:
        """Of a Relu or Clip."""
        if node.kind == "Relu":
            return 0.0, None
        low, high = (node.attributes.get(key) for key in ("min", "max"))
        if node.input(1):
            low = float(self.real_constant(node.input(1), "lower bound").item())
        if node.input(2):
            high = float(self.real_constant(node.input(2), "upper bound").item())
        return low, high

    def add(self, operator: Operator) -> None:
        self.operators.append(operator)
        self._made.update(operator.outputs)

    def fold(self, node: Node) -> bool:
        """A node of constants alone that only moves or rescales values is a constant itself."""
        if not node.inputs or any(each and each not in self.constants for each in node.inputs):
            return False
        fold = _FOLDS.get(node.kind)
        if fold is None:
            return False
        values = [self.constants[each] for each in node.inputs if each]
        self.constants[node.outputs[0]] = fold(node, values)
        return True

    def give_up(self, node: Node) -> None:
        """Let what follows an operator that is not supported be looked at all the same."""
        self.done.add(node)

    def graph(self) -> Graph:
        """The graph of everything that was added."""
        outputs = [self.real(name) for name in self._outputs]
        return Graph(
            name=self._name,
            layout="NCHW",
            arithmetic="onnx",
            tensors=self.tensors,
            operators=tuple(self.operators),
            inputs=tuple(self._inputs),
            outputs=tuple(outputs),
        )


_FOLDS: dict[str, Callable[[Node, list[NDArray]], NDArray]] = {
    "Identity": lambda node, values: values[0],
    "Reshape": lambda node, values: values[0].reshape(values[1].tolist()),
    "Transpose": lambda node, values: values[0].transpose(node.attributes.get("perm")),
    "Unsqueeze": lambda node, values: np.expand_dims(values[0], tuple(values[1].tolist())),
    "Squeeze": lambda node, values: np.squeeze(values[0]),
}
