"""The operators a graph is made of, whatever the format of the file they came from.

Bounds of an activation are real numbers, None for no bound. Axes count from 0, in the layout of the graph.
"""

from dataclasses import dataclass
from typing import Literal

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
class Subtract(Operator):
    """The first tensor less the second."""

    bounds: tuple[float | None, float | None] = NO_BOUNDS


@dataclass(frozen=True, kw_only=True)
class Multiply(Operator):
    """The product of two tensors, element by element."""

    bounds: tuple[float | None, float | None] = NO_BOUNDS


@dataclass(frozen=True, kw_only=True)
class Extreme(Operator):
    """The larger (`largest`) or the smaller of two tensors' values, element by element."""

    largest: bool


@dataclass(frozen=True, kw_only=True)
class ExtremeOver(Operator):
    """The largest (`largest`) or the smallest value over `axes`."""

    largest: bool
    axes: tuple[int, ...]
    keep: bool


@dataclass(frozen=True, kw_only=True)
class Slope(Operator):
    """Values below 0 times a factor: `alpha`, or where there is a second input, its values."""

    alpha: float = 0.0


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
    """(before, after) for each axis, filled with `fill` (None: what stands for zero), or with what is inside:
    mirrored with the edge ("symmetric") or without ("reflect"), or the edge itself ("edge")."""

    amounts: tuple[tuple[int, int], ...]
    fill: int | None = None
    mode: Literal["constant", "reflect", "symmetric", "edge"] = "constant"


@dataclass(frozen=True, kw_only=True)
class Spread(Operator):
    """Zeros between the values along height and width: value i goes to place i times the factor."""

    factors: tuple[int, int]


@dataclass(frozen=True, kw_only=True)
class Gather(Operator):
    """What the indices of the second input name along `axis`."""

    axis: int


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
class Interpolate(Operator):
    """Between the four nearest values along height and width, in the shape of the output.

    `corners`: the outermost values are at the corners of both images; `centred`: values stand for the middle
    of their pixels; `raw`: quantised numbers are taken as they are, and cut to whole ones.
    """

    corners: bool
    centred: bool
    raw: bool = False


@dataclass(frozen=True, kw_only=True)
class Softmax(Operator):
    axis: int
    beta: float = 1.0


Function = Literal["logistic", "tanh", "hard swish", "hard sigmoid", "elu", "exp"]


@dataclass(frozen=True, kw_only=True)
class Activation(Operator):
    """A function of each value.

    Parameters
    ----------
    function : "logistic" is 1 / (1 + exp(-x)); "hard sigmoid" is `alpha` x + `beta`, from 0 to 1; "hard
        swish" is x times that of 1/6 and 1/2; "elu" is `alpha` (exp(x) - 1) below 0.
    """

    function: Function
    alpha: float = 1.0
    beta: float = 0.0


@dataclass(frozen=True, kw_only=True)
class Cast(Operator):
    """The same numbers in another type."""


@dataclass(frozen=True, kw_only=True)
class Quantise(Operator):
    """Real numbers, or numbers of another scale, to those of the output; `single`: in single precision."""

    single: bool = False


@dataclass(frozen=True, kw_only=True)
class Dequantise(Operator):
    """Quantised numbers to real ones."""


@dataclass(frozen=True, kw_only=True)
class ArgMax(Operator):
    """The index of the first of the largest values along an axis."""

    axis: int
    keep: bool


@dataclass(frozen=True, kw_only=True)
class Detections(Operator):
    """The best boxes that do not overlap, of encoded ones, their scores and anchors.

    Outputs are boxes, classes, scores, and how many there are.

    Parameters
    ----------
    most : boxes. classes : without a background. classes_of_a_box : that come with each box.
    by_class : boxes are chosen in each class by itself, up to `of_a_class`.
    least_score, overlap : bounds; an overlap is the common area over that of both boxes.
    scales : that encodings (y, x, height, width) are divided by.
    """

    most: int
    classes: int
    classes_of_a_box: int
    by_class: bool
    of_a_class: int
    least_score: float
    overlap: float
    scales: tuple[float, float, float, float]

    @property
    def of_a_box(self) -> int:
        """Classes that a box can come with."""
        return min(self.classes_of_a_box, self.classes)


@dataclass(frozen=True, kw_only=True)
class ReadVariable(Operator):
    """The value of `variable`, kept from one inference to the next."""

    variable: str


@dataclass(frozen=True, kw_only=True)
class AssignVariable(Operator):
    variable: str
