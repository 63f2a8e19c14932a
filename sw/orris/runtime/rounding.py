"""Rounding and saturation as TFLite's reference kernels have them."""

import numpy as np
from numpy.typing import NDArray

from ..golden import quantise_multiplier, requantise
from ..graph import Tensor


def rounded(real: NDArray) -> NDArray:
    """To whole numbers, ties away from zero."""
    return np.trunc(real + np.copysign(real.dtype.type(0.5), real))


def saturated(values: NDArray, tensor: Tensor, low: int | None = None, high: int | None = None) -> NDArray:
    """As values of a tensor's type, between bounds: those of the type unless given."""
    info = np.iinfo(tensor.dtype)
    low, high = info.min if low is None else low, info.max if high is None else high
    return np.clip(values, low, high).astype(tensor.dtype)


def scaled(values: NDArray, real: float) -> NDArray[np.int64]:
    """Integers times a real number as the reference multiplies: 31-bit multiplier, two roundings."""
    return requantise(values.astype(np.int64), *quantise_multiplier(real), "double").astype(np.int64)


def shifted_right(values: NDArray, bits: int | NDArray) -> NDArray:
    """Divided by 2^bits, ties away from zero."""
    mask = (np.int64(1) << bits) - 1
    return (values >> bits) + ((values & mask) > (mask >> 1) + (values < 0))
