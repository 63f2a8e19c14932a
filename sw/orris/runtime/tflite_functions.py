"""Functions of single values, step by step as TFLite's reference kernels compute them.

Of 8-bit values most functions are tables of all 256, made in single precision. The logistic function and the
hyperbolic tangent of 16-bit values interpolate in a table of the logistic function at multiples of 1/24.
"""

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from ..golden import quantise_multiplier
from ..golden.quantise import reduced_multiplier
from ..graph import Graph, Tensor
from ..graph import operators as ops
from .rounding import rounded, saturated, shifted_right

Values = list[NDArray]

_ONE = np.float32(1)
FUNCTIONS: dict[str, Callable[[NDArray[np.float32]], NDArray]] = {
    "logistic": lambda x: _ONE / (_ONE + np.exp(-x)),
    "tanh": np.tanh,
    "exp": np.exp,
}
_STEPS = 24
"""Entries of the logistic table for 1; inputs of 16 bits are brought to 1 / (3 * 4096), 512 to an entry."""


def _logistic_table() -> NDArray[np.int64]:
    """In units of 2^-16, each entry less half of the error in the middle of the step behind it."""

    def logistic(entry: NDArray) -> NDArray:
        return 65536 / (1 + np.exp(-entry / _STEPS))

    at = np.arange(255.0)
    error = (logistic(at) + logistic(at + 1)) / 2 - logistic(at + 0.5)
    return np.append(rounded(logistic(at) - error / 2), 65535).astype(np.int64)


_LOGISTIC = _logistic_table()


def activation(graph: Graph, operator: ops.Activation, inputs: Values) -> Values:
    before, after = graph.tensors[operator.input], graph.tensors[operator.output]
    if operator.function == "hard swish":
        return [_hard_swish(inputs[0], before, after)]
    if before.dtype == np.int16:
        of_16_bits = _logistic_16 if operator.function == "logistic" else _tanh_16
        return [of_16_bits(_at_table_scale(inputs[0], before.scale, operator.function)).astype(np.int16)]
    table = _table(FUNCTIONS[operator.function], before, after)
    return [table[inputs[0].astype(np.int64) - np.iinfo(before.dtype).min]]


def _table(function: Callable[[NDArray[np.float32]], NDArray], before: Tensor, after: Tensor) -> NDArray:
    """The results of all 256 values."""
    info = np.iinfo(before.dtype)
    keys = np.arange(info.min, info.max + 1)
    real = np.float32(before.scale) * (keys - before.zero_point).astype(np.float32)
    with np.errstate(all="ignore"):  # what is beyond single precision saturates
        results = function(real).astype(np.float32) * (_ONE / np.float32(after.scale))
        return saturated(np.nan_to_num(rounded(results)) + after.zero_point, after)


# -- 16 bits -----------------------------------------------------------------------------------------------
def _at_table_scale(values: NDArray, scale: float, function: str) -> NDArray[np.int64]:
    """In units of 1 / (3 * 4096), by a multiplier of 15 bits where the scale is no suitable power of two."""
    wide, exponent = values.astype(np.int64), float(np.log2(scale)) + 12
    if exponent in ((0,) if function == "logistic" else (0, 1)):
        return wide * (3 << int(exponent))
    multiplier, shift = scale * 4096 * 3, 0
    while multiplier <= 32767 / 2 and shift <= 30:
        multiplier, shift = multiplier * 2, shift + 1
    half = 1 << (shift - 1) if shift else 0
    return (wide * int(multiplier) + half) >> shift


def _interpolated(magnitudes: NDArray[np.int64], bits: int) -> NDArray[np.int64]:
    """The logistic function, in units of 2^-(16 + bits), of numbers of 2^bits to a table entry."""
    index = np.minimum(magnitudes >> bits, 254)
    below, above = _LOGISTIC[index], _LOGISTIC[index + 1]
    return (below << bits) + (magnitudes & ((1 << bits) - 1)) * (above - below)


def _logistic_16(values: NDArray[np.int64]) -> NDArray[np.int64]:
    magnitudes = np.abs(values)
    upper = np.where(magnitudes >> 9 >= 255, 0x7FFF << 10, _interpolated(magnitudes, 9))
    return np.where(values >= 0, upper + (1 << 9), (1 << 25) - upper + (1 << 9) - 1) >> 10


def _tanh_16(values: NDArray[np.int64]) -> NDArray[np.int64]:
    """Twice the logistic function of twice the value, less 1."""
    magnitudes = np.abs(values)
    upper = np.where(magnitudes >> 8 >= 255, 0xFFFF << 8, _interpolated(magnitudes, 8))
    half = 1 << 23
    return np.where(values >= 0, upper - half + (1 << 7), half - upper + (1 << 7) - 1) >> 8


# -- hard swish --------------------------------------------------------------------------------------------
def _hard_swish(values: NDArray, before: Tensor, after: Tensor) -> NDArray:
    """x times (x + 3) / 6, from 0 to 1, in 16-bit fixed point: values are raised by 7 bits first."""
    raised = (values.astype(np.int64) - before.zero_point) << 7
    fine = before.scale / 128
    multiplier, exponent = _short_multiplier(fine / after.scale)
    share, share_exponent = _short_multiplier(fine / (3 / 32768))
    x = _high(raised, multiplier)
    if share_exponent > 0:
        part = _rail(_high(_rail(raised << (share_exponent - 1)), share) << 1)
    else:
        part = shifted_right(_high(raised, share), -share_exponent)
    product = ((part + (1 << 15)) >> 1) * x
    product = np.where(product >= 0, product >> 15, -(-product >> 15))
    return saturated(shifted_right(product, -exponent) + after.zero_point, after)


def _short_multiplier(real: float) -> tuple[int, int]:
    """15 bits of a multiplier, and the exponent."""
    multiplier, exponent = quantise_multiplier(real)
    return reduced_multiplier(multiplier) >> 16, exponent


def _rail(values: NDArray[np.int64]) -> NDArray[np.int64]:
    """Saturated to 16 bits."""
    return np.clip(values, -(1 << 15), (1 << 15) - 1)


def _high(values: NDArray[np.int64], multiplier: int) -> NDArray[np.int64]:
    """Twice the upper half of a product of 16-bit numbers, to nearest, ties away from zero."""
    product = values * multiplier
    nudged = product + np.where(product >= 0, 1 << 14, 1 - (1 << 14))
    return _rail(np.where(nudged >= 0, nudged >> 15, -(-nudged >> 15)))
