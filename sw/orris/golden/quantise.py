"""Requantisation, bit for bit: the definition the post-processing gateware and the compiler follow.

For a psum `acc` of output channel c::

    y = clamp(requantise(acc + bias[c], multiplier[c], shift[c]) + zp_out, act_min, act_max)

`a = acc + bias` is kept in `width` bits and wraps there: 32, the reference's int32, or 48 where psums are
wider or saturating. Nothing after it wraps but for the left shift of double rounding:

none     a itself.
single   ``(a * multiplier + 2^(30 - shift)) >> (31 - shift)``: one rounding, ties towards plus infinity.
double   with left = max(shift, 0) and right = max(-shift, 0): ``wrap(a << left, width) * multiplier``, plus
         2^30 if that is not negative, else plus 1 - 2^30; divided by 2^31 towards zero; then shifted right by
         `right`, ties away from zero. The first step is the same as ``(that + 2^30) >> 31``.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal, get_args

import numpy as np
from numpy.typing import DTypeLike, NDArray

from .tensors import IntArray, TensorError, wrap

Rounding = Literal["none", "single", "double"]
ROUNDINGS: tuple[Rounding, ...] = get_args(Rounding)  # the index is the hardware's code

MULTIPLIER_BITS = 31
SHIFT_MIN, SHIFT_MAX = -31, 30
BIAS_BITS = 48


def sum_width(psum_width: int) -> int:
    """Bits of acc + bias behind an integer accumulator of `psum_width` bits."""
    return 32 if psum_width <= 32 else BIAS_BITS


def quantise_multiplier(real: float) -> tuple[int, int]:
    """``(multiplier, shift)`` with real = multiplier * 2^(shift - 31) as nearly as 31 bits allow.

    The multiplier is in [2^30, 2^31), or 0 (and the shift 0) for a real below 2^-32.

    Raises
    ------
    TensorError : real is negative, not finite, or needs a shift above 30.
    """
    if not (math.isfinite(real) and real >= 0):
        raise TensorError(f"requantisation scale is {real}, expected a finite number, not negative")
    fraction, shift = math.frexp(real)
    multiplier = math.floor(fraction * (1 << 31) + 0.5)
    if multiplier == 1 << 31:
        multiplier, shift = multiplier // 2, shift + 1
    if multiplier == 0 or shift < SHIFT_MIN:
        return 0, 0
    if shift > SHIFT_MAX:
        raise TensorError(f"requantisation scale is {real}, the limit is below 2^{SHIFT_MAX}")
    return multiplier, shift


def reduced_multiplier(multiplier: int) -> int:
    """The multiplier of 16-bit activations: rounded to its upper 15 bits, as the reference's 64-bit kernels
    take it. ``acc * (reduced >> 16)`` with a shift by 15 - shift is then what `single` computes."""
    return min(0x7FFF, (multiplier + 0x8000) >> 16) << 16


def requantise(
    acc: IntArray, multiplier: IntArray | int, shift: IntArray | int, rounding: Rounding, width: int = 32
) -> NDArray:
    """``acc * multiplier * 2^(shift - 31)`` rounded as the module's docstring defines; shapes broadcast.

    Parameters
    ----------
    acc : integers of `width` bits. multiplier : 0 to 2^31 - 1. shift : -31 to 30.

    Returns
    -------
    int64 array; Python integers (dtype object) where acc is too wide for 64-bit products.
    """
    values: NDArray[Any] = acc.astype(np.int64)
    if rounding == "none":
        return values
    multipliers, shifts = np.asarray(multiplier, dtype=np.int64), np.asarray(shift, dtype=np.int64)
    if rounding == "double":
        values = wrap(values << np.maximum(shifts, 0), width)
    if max(abs(int(values.min(initial=0))), int(values.max(initial=0))) > 1 << 31:
        values, multipliers, shifts = (part.astype(object) for part in (values, multipliers, shifts))
    one = multipliers * 0 + 1  # of the type in use, so that 1 << shift is exact
    product = values * multipliers
    if rounding == "single":
        return (product + (one << (30 - shifts))) >> (31 - shifts)
    nudged = product + np.where(product >= 0, 1 << 30, 1 - (1 << 30))
    high = np.where(nudged >= 0, nudged >> 31, -(-nudged >> 31))
    right = np.maximum(-shifts, 0)
    mask = (one << right) - 1
    threshold = (mask >> 1) + np.where(high < 0, 1, 0)
    return (high >> right) + np.where((high & mask) > threshold, 1, 0)


@dataclass(frozen=True, eq=False)
class Requant:
    """What post-processing needs to turn psums of M output channels into ofmap values.

    Parameters
    ----------
    bias : (M,) signed 48 bits. multiplier : (M,) 0 to 2^31 - 1. shift : (M,) -31 to 30.
    zp_in, zp_out : zero points of the ifmap and of the ofmap. act_min, act_max : bounds of the ofmap values.
    rounding : "none" (multiplier and shift unused), "single" or "double".

    Raises
    ------
    TensorError : lengths that differ, or a value out of its range.
    """

    bias: NDArray[np.int64]
    multiplier: NDArray[np.int64]
    shift: NDArray[np.int64]
    zp_in: int
    zp_out: int
    act_min: int
    act_max: int
    rounding: Rounding

    def __post_init__(self) -> None:
        if self.rounding not in ROUNDINGS:
            raise TensorError(f"rounding is {self.rounding!r}, expected one of {', '.join(ROUNDINGS)}")
        if self.act_min > self.act_max:
            raise TensorError(f"act_min = {self.act_min} is above act_max = {self.act_max}")
        limits = {
            "bias": (-(1 << (BIAS_BITS - 1)), (1 << (BIAS_BITS - 1)) - 1),
            "multiplier": (0, (1 << MULTIPLIER_BITS) - 1),
            "shift": (SHIFT_MIN, SHIFT_MAX),
        }
        for name, (low, high) in limits.items():
            values = np.asarray(getattr(self, name))
            if values.dtype.kind != "i" or values.ndim != 1:
                raise TensorError(f"{name} is {values.dtype} {values.shape}, expected a list of integers")
            if len(values) != self.channels:
                raise TensorError(
                    f"{name} has {len(values)} entries, bias has {self.channels}: one per channel"
                )
            values = values.astype(np.int64)
            for value in values[(values < low) | (values > high)][:1]:
                raise TensorError(f"{name} holds {value}, expected {low} to {high}")
            object.__setattr__(self, name, values)

    @property
    def channels(self) -> int:
        return len(self.bias)

    @classmethod
    def from_scales(
        cls, bias: IntArray, scales: Sequence[float] | NDArray, rounding: Rounding, **rest: int
    ) -> "Requant":
        """Parameters for real factors s_in * s_w[c] / s_out, one per channel; `rest` are the other fields."""
        pairs = np.array([quantise_multiplier(float(scale)) for scale in scales], dtype=np.int64)
        return cls(bias, pairs[:, 0], pairs[:, 1], rounding=rounding, **rest)

    @classmethod
    def int16x8(
        cls,
        bias: IntArray,
        scales: Sequence[float] | NDArray,
        act_min: int = -(1 << 15),
        act_max: int = (1 << 15) - 1,
    ) -> "Requant":
        """Parameters as the reference's convolutions of int16 activations and int8 weights use them.

        Its fully connected layers do not shorten the multiplier: `from_scales` with "single" gives theirs.
        """
        pairs = [quantise_multiplier(float(scale)) for scale in scales]
        multipliers = np.array([reduced_multiplier(multiplier) for multiplier, _ in pairs], dtype=np.int64)
        shifts = np.array([shift for _, shift in pairs], dtype=np.int64)
        return cls(bias, multipliers, shifts, 0, 0, act_min, act_max, "single")

    @classmethod
    def plain(cls, bias: IntArray, dtype: DTypeLike) -> "Requant":
        """No scaling: y is acc + bias, saturated to `dtype`; zero points 0."""
        info, zeros = np.iinfo(dtype), np.zeros(len(bias), dtype=np.int64)
        return cls(bias, zeros, zeros, 0, 0, int(info.min), int(info.max), "none")


def post_process(psums: IntArray, requant: Requant, dtype: DTypeLike, width: int = 32) -> IntArray:
    """Psums (N, M, E, F) to ofmap values of `dtype` (int8 or int16), as the module's docstring defines.

    `width` is the bits of acc + bias: `sum_width(psum_width)`, or 48 for fixed point.

    Raises
    ------
    TensorError : parameters that do not fit the psums' channels or the range of `dtype`.
    """
    dtype = np.dtype(dtype)
    if dtype not in (np.int8, np.int16):
        raise TensorError(f"values are of type {dtype}, expected int8 or int16")
    if psums.shape[1] != requant.channels:
        raise TensorError(
            f"parameters are for {requant.channels} channels, the layer has M = {psums.shape[1]}"
        )
    info = np.iinfo(dtype)
    for name in ("zp_in", "zp_out", "act_min", "act_max"):
        if not info.min <= getattr(requant, name) <= info.max:
            raise TensorError(f"{name} = {getattr(requant, name)} does not fit {dtype}")
        if dtype == np.int16 and name.startswith("zp") and getattr(requant, name):
            raise TensorError(f"{name} = {getattr(requant, name)}, but int16 values have zero point 0")
    bias, multiplier, shift = (
        part[:, None, None] for part in (requant.bias, requant.multiplier, requant.shift)
    )
    sums = wrap(psums.astype(np.int64) + bias, width)
    scaled = requantise(sums, multiplier, shift, requant.rounding, width)
    return np.clip(scaled + requant.zp_out, requant.act_min, requant.act_max).astype(dtype)
