"""Softmax of 16-bit values, step by step as TFLite's reference kernel has it.

Both functions in it are tables of 513 values over the range of 16-bit numbers, interpolated between, each
less half of the error in the middle of the step behind it: exp from -10 to 0, and 1 / (1 + x) from
0 to 1. Shares, like all values of the tables, are in units of 2^-15.
"""

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from ..golden import quantise_multiplier, requantise
from .rounding import rounded

Raw = NDArray[np.int64]

_STEPS = 512
_MOST = (1 << 15) - 1
_RANGE = float((1 << 16) - 1)
_EXPONENTS = 10.0
"""exp of less than -10 counts as nothing."""


def _table(function: Callable[[NDArray], NDArray], first: float, last: float) -> Raw:
    """A function at the ends of 512 steps from `first` to `last`."""
    step, unit = (last - first) / _STEPS, (_RANGE + 1) / 2
    at = first + np.arange(_STEPS) * step
    sample = rounded(function(at) * unit)
    middle = rounded((function(first + np.arange(1, _STEPS + 1) * step) * unit + sample) / 2)
    error = rounded((middle - rounded(function(at + step / 2) * unit)) / 2)
    end = rounded(function(np.array([last])) * unit)
    return np.clip(np.concatenate([sample - error, end]), -_MOST - 1, _MOST).astype(np.int64)


_EXP = _table(np.exp, -_EXPONENTS, 0.0)
_RECIPROCAL = _table(lambda x: 1 / (1 + x), 0.0, 1.0)


def _looked_up(values: Raw, table: Raw) -> Raw:
    """Of 16-bit numbers: nine bits of index, seven of interpolation."""
    low = np.clip(values, -_MOST - 1, _MOST)
    index, offset = 256 + (low >> 7), low & 127
    return table[index] + (((table[index + 1] - table[index]) * offset + 64) >> 7)


def softmax_16_bits(values: NDArray, scale: float, beta: float) -> Raw:
    """Shares of the last axis in units of 2^-15.

    Parameters
    ----------
    values : int16. scale : of the values. beta : factor of the exponents.
    """
    wide = values.astype(np.int64)
    distances = wide - wide.max(-1, keepdims=True)
    multiplier, shift = quantise_multiplier(
        float(np.float32(scale) * np.float32(beta)) / (_EXPONENTS / _RANGE)
    )
    exponents = requantise(distances, multiplier, shift, "double").astype(np.int64)
    powers = _looked_up(exponents + _MOST, _EXP)
    sums = powers.sum(-1, keepdims=True)
    zeros = 31 - np.floor(np.log2(np.maximum(sums, 1))).astype(np.int64)  # leading, of 32 bits
    raised = ((sums << (zeros - 1)) + (1 << 13)) >> 14
    reciprocal = _looked_up(raised - (1 << 15) - (1 << 16), _RECIPROCAL)
    right = 31 - zeros
    return np.clip((powers * reciprocal + (1 << (right - 1))) >> right, 0, _MOST)
