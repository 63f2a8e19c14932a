"""A network: operators over tensors, in the order they run."""

from collections import Counter
from dataclasses import dataclass, field
from typing import Literal

from numpy.typing import NDArray

from .errors import ModelError
from .operators import Operator
from .tensor import Tensor

Layout = Literal["NHWC", "NCHW"]
Arithmetic = Literal["tflite", "onnx"]


@dataclass(frozen=True, eq=False)
class Graph:
    """A checked network.

    Parameters
    ----------
    name : of the file or network. layout : order of the axes of images. arithmetic : whose rounding.
    tensors : by name. operators : each after those whose outputs it needs.
    inputs, outputs : names of tensors. variables : first values of what is kept between inferences.

    Raises
    ------
    ModelError : a tensor that is missing, made twice or used before it is made.
    """

    name: str
    layout: Layout
    arithmetic: Arithmetic
    tensors: dict[str, Tensor]
    operators: tuple[Operator, ...]
    inputs: tuple[str, ...]
    outputs: tuple[str, ...]
    variables: dict[str, NDArray] = field(default_factory=dict)

    def __post_init__(self) -> None:
        known = {name for name, tensor in self.tensors.items() if tensor.constant} | set(self.inputs)
        for name in (*self.inputs, *self.outputs):
            if name not in self.tensors:
                raise ModelError(f"{self.name}: the network's tensor '{name}' does not exist")
        for operator in self.operators:
            for name in (*operator.inputs, *operator.outputs):
                if name not in self.tensors:
                    raise ModelError(f"{self.name}: {operator.name} names the tensor '{name}': there is none")
            for name in operator.inputs:
                if name not in known:
                    raise ModelError(f"{self.name}: {operator.name} needs '{name}' before it is made")
            for name in operator.outputs:
                if name in known:
                    raise ModelError(f"{self.name}: {operator.name} makes '{name}' a second time")
                known.add(name)
        for name in self.outputs:
            if name not in known:
                raise ModelError(f"{self.name}: nothing makes the output '{name}'")

    def producers(self) -> dict[str, Operator]:
        """What makes each computed tensor."""
        return {name: operator for operator in self.operators for name in operator.outputs}

    def uses(self) -> Counter[str]:
        """How often each tensor is an input of an operator or an output of the network."""
        names = [name for operator in self.operators for name in operator.inputs]
        return Counter([*names, *self.outputs])
