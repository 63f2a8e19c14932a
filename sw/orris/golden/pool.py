"""Pooling, bit for bit.

Maximum: of the window's values inside the image, clamped. Average, with ``d = sum - count * zp_in`` over the
`count` values of the window that are inside the image::

    y = clamp(r(d) + zp_out, act_min, act_max)

where r(d) is d / count to nearest, ties away from zero, as the reference has it; or, with `scales`,
``requantise(d, multiplier, shift, rounding)`` with the multiplier and shift given for that count.
"""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import DTypeLike, NDArray

from ..layers.pool import PoolLayer
from .quantise import ROUNDINGS, SHIFT_MAX, SHIFT_MIN, Rounding, requantise
from .tensors import IntArray, TensorError, check_tensor

MULTIPLIER_LIMIT = 1 << 32
SUM_BITS = 32
"""Bits of the accelerator's sums."""


@dataclass(frozen=True, kw_only=True)
class PoolParameters:
    """What pooling needs beside its shape.

    Parameters
    ----------
    act_min, act_max : bounds of the ofmap's values. zp_in, zp_out : zero points, average only; leave both at
    0 where they are equal and the average is that of the quantised values, as in the reference.
    scales : (multiplier, shift) by count of values, average only; None for the plain average.
    rounding : of `scales`, "single" or "double".

    Raises
    ------
    TensorError : a number out of its range.
    """

    act_min: int
    act_max: int
    zp_in: int = 0
    zp_out: int = 0
    scales: Mapping[int, tuple[int, int]] | None = None
    rounding: Rounding = "single"

    def __post_init__(self) -> None:
        if self.act_min > self.act_max:
            raise TensorError(f"act_min = {self.act_min} is above act_max = {self.act_max}")
        if self.rounding not in ROUNDINGS[1:]:
            raise TensorError(f"rounding is {self.rounding!r}, expected {' or '.join(ROUNDINGS[1:])}")
        for count, (multiplier, shift) in (self.scales or {}).items():
            if not 0 <= multiplier < MULTIPLIER_LIMIT or not SHIFT_MIN <= shift <= SHIFT_MAX:
                raise TensorError(
                    f"the scale of {count} values is ({multiplier}, {shift}), expected a multiplier below "
                    f"{MULTIPLIER_LIMIT} and a shift from {SHIFT_MIN} to {SHIFT_MAX}"
                )

    @classmethod
    def plain(cls, dtype: DTypeLike) -> "PoolParameters":
        """No activation, no change of scale."""
        info = np.iinfo(dtype)
        return cls(act_min=int(info.min), act_max=int(info.max))

    def check(self, layer: PoolLayer, dtype: DTypeLike) -> None:
        """TensorError if something does not fit values of `dtype`, or a window's sum not 32 bits."""
        info = np.iinfo(dtype)
        for name in ("act_min", "act_max", "zp_in", "zp_out"):
            if not info.min <= getattr(self, name) <= info.max:
                raise TensorError(f"{layer.name}: {name} = {getattr(self, name)} does not fit {info.dtype}")
        if layer.kind == "max" and (self.zp_in or self.zp_out or self.scales is not None):
            raise TensorError(f"{layer.name}: max pooling has no zero points and no scales")
        for count in sorted(window_counts(layer)) if layer.kind == "average" else ():
            left = 0
            if self.scales is not None:
                if count not in self.scales:
                    raise TensorError(f"{layer.name}: no scale for windows of {count} values, which occur")
                left = max(0, self.scales[count][1])
            low, high = info.min - max(0, self.zp_in), info.max - min(0, self.zp_in)
            limit = 1 << (SUM_BITS - 1)
            if count * low << left < -limit or count * high << left >= limit:
                raise TensorError(
                    f"{layer.name}: a window of {count} values of {info.bits} bits, zero point {self.zp_in}"
                    + (f", shifted left by {left}," if left else "")
                    + f" can sum up to more than {SUM_BITS} bits"
                )


def valid_taps(size: int, taps: int, stride: int, before: int, places: int) -> NDArray[np.int64]:
    """How many of a window's taps along one axis lie inside the image, by place."""
    first = np.arange(places) * stride - before
    return np.minimum(first + taps, size) - np.maximum(first, 0)


def window_counts(layer: PoolLayer) -> set[int]:
    """All numbers of values that a window of the layer can hold."""
    rows, columns = (set(map(int, counts)) for counts in _counts(layer))
    return {r * c for r in rows for c in columns}


def pool(layer: PoolLayer, ifmap: IntArray, parameters: PoolParameters) -> IntArray:
    """The ofmap (N, C, E, F), of the type of the ifmap (N, C, H, W), int8 or int16.

    Raises TensorError for a tensor of another shape or parameters that do not fit.
    """
    check_tensor(f"{layer.name}: ifmap (N, C, H, W)", ifmap, layer.ifmap_shapes[0])
    parameters.check(layer, ifmap.dtype)
    values = ifmap.astype(np.int64)
    if layer.kind == "max":
        least = np.iinfo(np.int64).min
        held = _along(values, 2, layer.R, layer.U, layer.E, layer.padding.top, np.maximum, least)
        held = _along(held, 3, layer.S, layer.V, layer.F, layer.padding.left, np.maximum, least)
        return np.clip(held, parameters.act_min, parameters.act_max).astype(ifmap.dtype)
    held = _along(values, 2, layer.R, layer.U, layer.E, layer.padding.top, np.add, 0)
    held = _along(held, 3, layer.S, layer.V, layer.F, layer.padding.left, np.add, 0)
    rows, columns = _counts(layer)
    counts = np.outer(rows, columns)
    sums = held - counts * parameters.zp_in
    if parameters.scales is None:
        averages = np.sign(sums) * ((2 * np.abs(sums) + counts) // (2 * counts))
    else:
        multiplier, shift = (
            np.vectorize(lambda count, part=part: (parameters.scales or {})[int(count)][part])(counts)
            for part in (0, 1)
        )
        averages = requantise(sums, multiplier, shift, parameters.rounding)
    return np.clip(averages + parameters.zp_out, parameters.act_min, parameters.act_max).astype(ifmap.dtype)


def _counts(layer: PoolLayer) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Valid taps of the windows by row and by column of the ofmap."""
    return (
        valid_taps(layer.H, layer.R, layer.U, layer.padding.top, layer.E),
        valid_taps(layer.W, layer.S, layer.V, layer.padding.left, layer.F),
    )


def _along(
    values: IntArray,
    axis: int,
    taps: int,
    stride: int,
    places: int,
    before: int,
    combine: np.ufunc,
    blank: int,
) -> IntArray:
    """Windows along one axis; outside the image there is `blank`."""
    size = (places - 1) * stride + taps
    width = [(0, 0)] * values.ndim
    width[axis] = (before, max(0, size - before - values.shape[axis]))
    padded = np.moveaxis(np.pad(values, width, constant_values=blank), axis, 0)
    held = padded[: size - taps + 1 : stride].copy()
    for tap in range(1, taps):
        combine(held, padded[tap : size - taps + 1 + tap : stride], out=held)
    return np.moveaxis(held, 0, axis)
