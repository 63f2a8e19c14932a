"""Softmax of 8-bit values in fixed point, step by step as TFLite's reference kernel has it.

A number with i integer bits is an integer in units of 2^(i - 31). Products are halved and rounded to the
upper word; exponentials come from a Taylor series about -1/8 and a factor for every bit of the exponent above
1/4; the sum is divided by with three steps of Newton and Raphson.
"""

import math

import numpy as np
from numpy.typing import NDArray

from ..golden import quantise_multiplier, requantise
from .rounding import shifted_right

Raw = NDArray[np.int64]

EXPONENT_BITS, SUM_BITS = 5, 12  # integer bits of exponents and of their sum
_EXP_EIGHTH, _THIRD = 1895147668, 715827883  # exp(-1/8) and 1/3
_FACTORS = (1672461947, 1302514674, 790015084, 290630308, 39332535, 720401, 242)  # exp(-2^k), from k = -2 on
_48_17, _MINUS_32_17 = 1515870810, -1010580540  # two integer bits
_MOST = (1 << 31) - 1


def _times(first: Raw | int, second: Raw | int) -> Raw:
    return requantise(np.asarray(first, np.int64), np.asarray(second, np.int64), 0, "double").astype(np.int64)


def _shifted_left(values: Raw, bits: int) -> Raw:
    return np.clip(values << bits, -_MOST - 1, _MOST)


def _exponential(exponents: Raw) -> Raw:
    """exp of numbers of at most 0, five integer bits, as numbers of none."""
    fraction = 31 - EXPONENT_BITS
    quarter = 1 << (fraction - 2)
    within = (exponents & (quarter - 1)) - quarter  # from -1/4 to 0
    x = _shifted_left(within, EXPONENT_BITS) + (1 << 28)
    x2 = _times(x, x)
    x3, x4 = _times(x2, x), _times(x2, x2)
    tail = shifted_right(_times(shifted_right(x4, 2) + x3, _THIRD) + x2, 1)
    result = _EXP_EIGHTH + _times(_EXP_EIGHTH, x + tail)
    rest = within - exponents
    for bit, factor in enumerate(_FACTORS, start=fraction - 2):
        result = np.where(rest >> bit & 1, _times(result, factor), result)
    return np.where(exponents == 0, _MOST, result)


def _reciprocal(values: Raw) -> Raw:
    """1 / (1 + x) for x from 0 to 1."""
    half = (values + _MOST + 1) >> 1
    x = _48_17 + _times(half, _MINUS_32_17)
    for _ in range(3):
        x = x + _shifted_left(_times(x, (1 << 29) - _times(half, x)), 2)
    return _shifted_left(x, 1)


def softmax_8_bits(values: NDArray, scale: float, beta: float) -> NDArray[np.int64]:
    """Shares of the last axis in units of 1/256, from -128 to 127.

    Parameters
    ----------
    values : of 8 bits, signed or not. scale : of the values. beta : factor of the exponents.
    """
    real = min(beta * scale * (1 << (31 - EXPONENT_BITS)), float(_MOST))
    # Where one step of the input is 16 or more, only the largest values count, whatever the multiplier.
    multiplier, shift = quantise_multiplier(real) if real < 1 << 30 else (_MOST, 31)
    least = -math.floor(((1 << EXPONENT_BITS) - 1) * (1 << (31 - EXPONENT_BITS)) / 2.0**shift)
    wide = values.astype(np.int64)
    distances = wide - wide.max(-1, keepdims=True)
    near = distances >= least
    exponents = _times(np.where(near, distances, 0) << max(shift, 0), multiplier)
    powers = _exponential(exponents)
    sums = np.where(near, shifted_right(powers, SUM_BITS), 0).sum(-1, keepdims=True)
    headroom = 32 - np.ceil(np.log2(sums + 1)).astype(np.int64)  # leading zeros of 32 bits
    share = _reciprocal((sums << headroom) - (1 << 31))
    bits = SUM_BITS - headroom + 31 - 8
    results = _times(share, powers)
    return np.where(near, np.clip(shifted_right(results, bits) - 128, -128, 127), -128)
