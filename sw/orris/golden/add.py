"""Addition of feature maps, bit for bit.

With h = 20 for int8 and 15 for int16, and all three requantisations with two roundings::

    scaled(x) = requantise((x - zp) << h, multiplier, shift)
    y = clamp(requantise(scaled(a) + scaled(b), multiplier, shift) + zp_out, act_min, act_max)

Operands are brought to half the larger of their two scales, so that their sum can not overflow.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import DTypeLike, NDArray

from ..layers.elementwise import AddLayer
from .quantise import MULTIPLIER_BITS, SHIFT_MIN, quantise_multiplier, requantise
from .tensors import IntArray, TensorError, check_tensor

HEADROOM = {np.dtype(np.int8): 20, np.dtype(np.int16): 15}
"""Bits that operands are shifted left by, by type."""


@dataclass(frozen=True, kw_only=True)
class AddParameters:
    """Zero points and scales of an addition; shifts are from -31 to 0, multipliers below 2^31.

    Raises TensorError for a number out of its range.
    """

    zp_a: int
    multiplier_a: int
    shift_a: int
    zp_b: int
    multiplier_b: int
    shift_b: int
    zp_out: int
    multiplier: int
    shift: int
    act_min: int
    act_max: int

    def __post_init__(self) -> None:
        if self.act_min > self.act_max:
            raise TensorError(f"act_min = {self.act_min} is above act_max = {self.act_max}")
        for suffix in ("_a", "_b", ""):
            multiplier, shift = getattr(self, f"multiplier{suffix}"), getattr(self, f"shift{suffix}")
            if not 0 <= multiplier < 1 << MULTIPLIER_BITS:
                raise TensorError(
                    f"multiplier{suffix} = {multiplier}, expected 0 to {(1 << MULTIPLIER_BITS) - 1}"
                )
            if not SHIFT_MIN <= shift <= 0:
                raise TensorError(f"shift{suffix} = {shift}, expected {SHIFT_MIN} to 0: a factor below 1")

    @classmethod
    def from_scales(
        cls,
        dtype: DTypeLike,
        a: tuple[float, int],
        b: tuple[float, int],
        out: tuple[float, int],
        act_min: int | None = None,
        act_max: int | None = None,
    ) -> "AddParameters":
        """For operands and a sum with these (scale, zero point); bounds are those of `dtype` unless given.

        Raises TensorError for scales whose ratio the multipliers do not hold.
        """
        dtype = np.dtype(dtype)
        info = np.iinfo(dtype)
        common = 2 * max(a[0], b[0])
        multiplier_a, shift_a = quantise_multiplier(a[0] / common)
        multiplier_b, shift_b = quantise_multiplier(b[0] / common)
        multiplier, shift = quantise_multiplier(common / ((1 << HEADROOM[dtype]) * out[0]))
        return cls(
            zp_a=a[1], multiplier_a=multiplier_a, shift_a=shift_a,
            zp_b=b[1], multiplier_b=multiplier_b, shift_b=shift_b,
            zp_out=out[1], multiplier=multiplier, shift=shift,
            act_min=int(info.min) if act_min is None else act_min,
            act_max=int(info.max) if act_max is None else act_max,
        )  # fmt: skip

    def check(self, layer: AddLayer, dtype: DTypeLike) -> None:
        """TensorError if something does not fit values of `dtype`."""
        info = np.iinfo(dtype)
        for name in ("zp_a", "zp_b", "zp_out", "act_min", "act_max"):
            value = getattr(self, name)
            if not info.min <= value <= info.max:
                raise TensorError(f"{layer.name}: {name} = {value} does not fit {info.dtype}")
            if info.bits == 16 and name.startswith("zp") and value:
                raise TensorError(f"{layer.name}: {name} = {value}, but int16 values have zero point 0")


def add(layer: AddLayer, a: IntArray, b: IntArray, parameters: AddParameters) -> IntArray:
    """The sum (N, C, H, W) of two tensors of one type, int8 or int16.

    Raises TensorError for a tensor of another shape or type, or parameters that do not fit.
    """
    for name, operand, shape in zip("ab", (a, b), layer.ifmap_shapes, strict=True):
        check_tensor(f"{layer.name}: operand {name} (N, C, H, W)", operand, shape)
    if a.dtype != b.dtype or a.dtype not in HEADROOM:
        raise TensorError(f"{layer.name}: operands are {a.dtype} and {b.dtype}, expected both int8 or int16")
    parameters.check(layer, a.dtype)
    p = parameters

    def scaled(values: IntArray, zero_point: int, multiplier: int, shift: int) -> NDArray:
        raised = (values.astype(np.int64) - zero_point) << HEADROOM[a.dtype]
        return requantise(raised, multiplier, shift, "double")

    total = scaled(a, p.zp_a, p.multiplier_a, p.shift_a) + scaled(b, p.zp_b, p.multiplier_b, p.shift_b)
    result = requantise(total, p.multiplier, p.shift, "double") + p.zp_out
    return np.clip(result, p.act_min, p.act_max).astype(a.dtype)
