"""The operators a graph is made of, whatever the format of the file they came from.

Bounds of an activation are real numbers, None for no bound. Axes count from 0, in the layout of the graph.
"""

from dataclasses import dataclass

from ..golden import Rounding
from ..layers import Padding

NO_BOUNDS: tuple[float | None, float | None] = (None, None)


@dataclass(frozen=True, kw_only=True)
class Operator:
    """What all operators have.

    Parameters
    ----------
    kind : the format's word for it. name : unique in its graph, and what messages call it.
    inputs, outputs : names of tensors.
    """

    kind: str
    name: str
    inputs: tuple[str, ...]
    outputs: tuple[str, ...]

    @property
    def input(self) -> str:
        """The first input."""
        return self.inputs[0]

    @property
    def output(self) -> str:
        """The first output."""
        return self.outputs[0]


@dataclass(frozen=True, kw_only=True)
class Convolution(Operator):
    """ifmap, weights (M, C, R, S) and, if there is one, bias (M,)."""

    stride: tuple[int, int] = (1, 1)
    dilation: tuple[int, int] = (1, 1)
    padding: Padding = Padding()
    groups: int = 1
    bounds: tuple[float | None, float | None] = NO_BOUNDS
    rounding: Rounding = "double"


@dataclass(frozen=True, kw_only=True)
class FullyConnected(Operator):
    """ifmap whose last axis (or, flattened, all but the first) has C values, weights (M, C), bias (M,)."""

    bounds: tuple[float | None, float | None] = NO_BOUNDS
    rounding: Rounding = "single"


@dataclass(frozen=True, kw_only=True)
class Pool(Operator):
    """The largest (`largest`) or the mean of each window; the mean is over the values inside the image."""

    largest: bool
    window: tuple[int, int]
    stride: tuple[int, int]
    padding: Padding = Padding()
    bounds: tuple[float | None, float | None] = NO_BOUNDS


@dataclass(frozen=True, kw_only=True)
class Mean(Operator):
    """The mean over `axes`."""

    axes: tuple[int, ...]
    keep: bool


@dataclass(frozen=True, kw_only=True)
class Add(Operator):
    """The sum of two tensors."""

    bounds: tuple[float | None, float | None] = NO_BOUNDS


@dataclass(frozen=True, kw_only=True)
class Multiply(Operator):
    """The product of two tensors, element by element."""

    bounds: tuple[float | None, float | None] = NO_BOUNDS


@dataclass(frozen=True, kw_only=True)
class Clamp(Operator):
    """Each value kept inside bounds: ReLU and its like."""

    bounds: tuple[float | None, float | None]


@dataclass(frozen=True, kw_only=True)
class Concatenate(Operator):
    axis: int


@dataclass(frozen=True, kw_only=True)
class Split(Operator):
    """Outputs one behind the other along `axis`."""

    axis: int


@dataclass(frozen=True, kw_only=True)
class Slice(Operator):
    """``x[begin[0]:end[0]:step[0], ...]``, in the shape of the output."""

    begin: tuple[int | None, ...]
    end: tuple[int | None, ...]
    step: tuple[int, ...]


@dataclass(frozen=True, kw_only=True)
class Pad(Operator):
    """(before, after) for each axis, filled with what stands for zero."""

    amounts: tuple[tuple[int, int], ...]


@dataclass(frozen=True, kw_only=True)
class Reshape(Operator):
    """The same values in another shape, in the order of the layout."""


@dataclass(frozen=True, kw_only=True)
class Transpose(Operator):
    axes: tuple[int, ...]


@dataclass(frozen=True, kw_only=True)
class Resize(Operator):
    """Nearest neighbour, by whole factors along height and width."""

    factors: tuple[int, int]


@dataclass(frozen=True, kw_only=True)
class Softmax(Operator):
    axis: int
    beta: float = 1.0


@dataclass(frozen=True, kw_only=True)
class Logistic(Operator):
    """1 / (1 + exp(-x))."""


@dataclass(frozen=True, kw_only=True)
class Quantise(Operator):
    """Real numbers, or numbers of another scale, to those of the output."""


@dataclass(frozen=True, kw_only=True)
class Dequantise(Operator):
    """Quantised numbers to real ones."""


@dataclass(frozen=True, kw_only=True)
class ArgMax(Operator):
    """The index of the first of the largest values along an axis."""

    axis: int
    keep: bool


@dataclass(frozen=True, kw_only=True)
class ReadVariable(Operator):
    """The value of `variable`, kept from one inference to the next."""

    variable: str


@dataclass(frozen=True, kw_only=True)
class AssignVariable(Operator):
    variable: str
