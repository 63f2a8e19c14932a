"""Tensors of a network: shape, type, quantisation, and values where they are constant."""

from dataclasses import dataclass
from math import prod

import numpy as np
from numpy.typing import NDArray

from .errors import ModelError

ELEMENTS_LIMIT = 1 << 28
"""Elements of one tensor; a file that claims more is damaged or beyond what can be simulated."""


@dataclass(frozen=True, eq=False)
class Quantisation:
    """``real = (q - zero_point) * scale``.

    Parameters
    ----------
    scale, zero_point : one value each, or one for each index along `axis`.

    Raises
    ------
    ModelError : a scale that is not a positive finite number, or lengths that differ.
    """

    scale: NDArray[np.float64]
    zero_point: NDArray[np.int64]
    axis: int = 0

    def __post_init__(self) -> None:
        scale = np.asarray(self.scale, np.float64).reshape(-1)
        zero_point = np.asarray(self.zero_point, np.int64).reshape(-1)
        if len(zero_point) == 1:
            zero_point = np.repeat(zero_point, len(scale))
        if len(scale) == 0 or len(scale) != len(zero_point):
            raise ModelError(f"{len(scale)} scales with {len(zero_point)} zero points: expected one for each")
        for value in scale[~(np.isfinite(scale) & (scale > 0))][:1]:
            raise ModelError(f"scale is {value}, expected a positive finite number")
        object.__setattr__(self, "scale", scale)
        object.__setattr__(self, "zero_point", zero_point)

    @classmethod
    def of(cls, scale: float, zero_point: int = 0) -> "Quantisation":
        """One scale for a whole tensor."""
        return cls(np.array([scale]), np.array([zero_point]))

    @property
    def per_tensor(self) -> bool:
        return len(self.scale) == 1

    def along(self, numbers: NDArray, rank: int) -> NDArray:
        """`scale` or `zero_point`, to be broadcast to a tensor of that rank."""
        if self.per_tensor:
            return numbers
        return numbers.reshape([-1 if axis == self.axis else 1 for axis in range(rank)])

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Quantisation):
            return NotImplemented
        return np.array_equal(self.scale, other.scale) and np.array_equal(self.zero_point, other.zero_point)

    __hash__ = None  # type: ignore[assignment]


@dataclass(frozen=True, eq=False)
class Tensor:
    """One tensor of a graph.

    Parameters
    ----------
    name : unique in its graph. shape : in the layout of the file. dtype : of its values.
    quantisation : None for numbers that stand for themselves.
    values : of a constant; None for what is given or computed.

    Raises
    ------
    ModelError : a shape that is impossible or too large, values of another shape, or a zero point outside
        the type.
    """

    name: str
    shape: tuple[int, ...]
    dtype: np.dtype
    quantisation: Quantisation | None = None
    values: NDArray | None = None

    def __post_init__(self) -> None:
        if any(size < 0 for size in self.shape) or prod(self.shape) > ELEMENTS_LIMIT:
            raise ModelError(
                f"tensor '{self.name}' claims the shape {list(self.shape)}, the limit is "
                f"{ELEMENTS_LIMIT} elements, none negative"
            )
        if self.values is not None and (self.values.shape != self.shape or self.values.dtype != self.dtype):
            raise ModelError(
                f"tensor '{self.name}' is {self.dtype} {list(self.shape)}, "
                f"its values are {self.values.dtype} {list(self.values.shape)}"
            )
        if self.quantisation is not None and self.dtype.kind in "iu":
            self._check_quantisation(self.quantisation)

    def _check_quantisation(self, quantisation: Quantisation) -> None:
        info = np.iinfo(self.dtype)
        zeros, axis = quantisation.zero_point, quantisation.axis
        for value in zeros[(zeros < info.min) | (zeros > info.max)][:1]:
            raise ModelError(f"tensor '{self.name}': zero point {value} does not fit {self.dtype}")
        if quantisation.per_tensor:
            return
        if not 0 <= axis < len(self.shape) or self.shape[axis] != len(quantisation.scale):
            raise ModelError(
                f"tensor '{self.name}' {list(self.shape)} has {len(quantisation.scale)} scales "
                f"along axis {axis}"
            )

    @property
    def constant(self) -> bool:
        return self.values is not None

    @property
    def size(self) -> int:
        """Elements."""
        return prod(self.shape)

    @property
    def scale(self) -> float:
        """Of the whole tensor; ModelError if it has none, or one for each channel."""
        return float(self._whole().scale[0])

    @property
    def zero_point(self) -> int:
        """Of the whole tensor; ModelError as `scale`."""
        return int(self._whole().zero_point[0])

    def _whole(self) -> Quantisation:
        if self.quantisation is None or not self.quantisation.per_tensor:
            how = "none" if self.quantisation is None else f"{len(self.quantisation.scale)}"
            raise ModelError(f"tensor '{self.name}': one scale is needed for all of it, it has {how}")
        return self.quantisation
