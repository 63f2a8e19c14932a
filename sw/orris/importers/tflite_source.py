"""An operator of a TFLite file, as its converter sees it."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import tflite
from numpy.typing import NDArray

from ..graph import Quantisation, Tensor
from ..graph.operators import Operator
from .unsupported import Unsupported

Bounds = tuple[float | None, float | None]
ACTIVATIONS: dict[int, Bounds] = {
    tflite.ActivationFunctionType.NONE: (None, None),
    tflite.ActivationFunctionType.RELU: (0.0, None),
    tflite.ActivationFunctionType.RELU_N1_TO_1: (-1.0, 1.0),
    tflite.ActivationFunctionType.RELU6: (0.0, 6.0),
}
QUANTISED = (np.dtype(np.int8), np.dtype(np.uint8), np.dtype(np.int16))


@dataclass(frozen=True)
class Source:
    """An operator of the file.

    Parameters
    ----------
    inputs, outputs : names of tensors; an input that is left out is "".
    tensors : of the graph; a converter may add constants in another layout.
    handles : the variable that each handle stands for.
    options : gives the options in the class that it is called with an object of.
    custom : options of an operator that the format does not know.
    """

    kind: str
    name: str
    inputs: list[str]
    outputs: list[str]
    tensors: dict[str, Tensor]
    handles: dict[str, str]
    options: Callable[[Any], Any]
    custom: bytes = b""

    def tensor(self, index: int) -> Tensor:
        """Input `index`."""
        if index >= len(self.inputs) or self.inputs[index] not in self.tensors:
            raise Unsupported(f"input {index} is missing")
        return self.tensors[self.inputs[index]]

    def result(self) -> Tensor:
        """The first output."""
        return self.tensors[self.outputs[0]]

    def constant(self, index: int, what: str) -> NDArray:
        """The values of input `index`."""
        values = self.tensor(index).values
        if values is None:
            raise Unsupported(f"its {what} is not constant")
        return values

    def integers(self, index: int, what: str) -> list[int]:
        return [int(value) for value in self.constant(index, what).reshape(-1)]

    def common(self, inputs: list[str] | None = None) -> dict[str, Any]:
        """What all operators have."""
        return {
            "kind": self.kind,
            "name": self.name,
            "inputs": tuple(self.inputs if inputs is None else inputs),
            "outputs": tuple(self.outputs),
        }

    def step(self, note: str, inputs: list[str], outputs: list[str]) -> dict[str, Any]:
        """What all operators have, for one of several that this one becomes."""
        name = f"{self.name}, {note}"
        return {"kind": self.kind, "name": name, "inputs": tuple(inputs), "outputs": tuple(outputs)}

    def part(self, note: str, shape: tuple[int, ...], like: Tensor) -> str:
        """A tensor between such operators, of the numbers of another; its name."""
        name = f"{self.outputs[0]} ({note})"
        self.tensors[name] = Tensor(name, shape, like.dtype, like.quantisation)
        return name

    def indices(self, note: str, values: NDArray) -> str:
        """A constant of our own without a scale; its name."""
        name = f"{self.outputs[0]} ({note})"
        self.tensors[name] = Tensor(name, values.shape, values.dtype, None, values)
        return name

    def derived(self, tensor: Tensor, values: NDArray, note: str, axis: int = 0) -> str:
        """A constant with other axes, whose scales count along `axis`; its name."""
        name, old = f"{tensor.name} ({note})", tensor.quantisation
        quantisation = None if old is None else Quantisation(old.scale, old.zero_point, axis)
        self.tensors[name] = Tensor(
            name, values.shape, values.dtype, quantisation, np.ascontiguousarray(values)
        )
        return name


def activation(number: int) -> Bounds:
    if number not in ACTIVATIONS:
        raise Unsupported(f"activation function {number}")
    return ACTIVATIONS[number]


def need_quantised(source: Source, inputs: int = 1) -> None:
    for tensor in (*(source.tensor(index) for index in range(inputs)), source.result()):
        if tensor.dtype not in QUANTISED:
            raise Unsupported(f"tensor '{tensor.name}' is of type {tensor.dtype}, not quantised")
        if tensor.quantisation is None:
            raise Unsupported(f"tensor '{tensor.name}' has no scale")


def need_bytes(source: Source) -> None:
    """What goes through tables or fixed point has 8 bits."""
    need_quantised(source)
    for tensor in (source.tensor(0), source.result()):
        if tensor.dtype.itemsize != 1:
            raise Unsupported(f"tensor '{tensor.name}' is {tensor.dtype}, it takes values of 8 bits")


def image(tensor: Tensor) -> tuple[int, int]:
    if len(tensor.shape) != 4:
        raise Unsupported(f"tensor '{tensor.name}' {list(tensor.shape)} is no image")
    return tensor.shape[1], tensor.shape[2]


def axis_of(source: Source, axis: int, rank: int) -> int:
    if not -rank <= axis < rank:
        raise Unsupported(f"axis {axis} of a tensor of rank {rank}")
    return axis % rank


Converter = Callable[[Source], list[Operator]]
