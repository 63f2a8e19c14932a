"""Random data of a layer, from a seed, scaled so that the results use their range without saturating.

The scale comes from statistics alone: a sum of `taps` products of independent values with mean squares
``x2`` and ``w2``, of which a fraction `zeros` is nothing, has a standard deviation of
``sqrt(taps * (1 - zeros) * x2 * w2)``.
"""

from dataclasses import dataclass
from math import ceil, log2, sqrt

import numpy as np

from ..layers import ConvLayer
from .quantise import Requant, Rounding
from .tensors import IntArray


@dataclass(frozen=True, eq=False)
class LayerData:
    """Tensors and parameters of one layer; `product_shift` is for fixed-point arithmetic, else 0."""

    ifmap: IntArray
    weights: IntArray
    requant: Requant
    product_shift: int = 0


def random_ifmap(
    layer: ConvLayer, rng: np.random.Generator, zeros: float, zp_in: int, data_width: int
) -> IntArray:
    """Uniform values, exactly round(zeros * count) of them equal to zp_in and no others."""
    half, count = 1 << (data_width - 1), layer.ifmap_values
    values = rng.integers(-half, half - 1, count)
    values += values >= zp_in  # every value but zp_in is equally likely
    blank = np.arange(count) < round(zeros * count)
    rng.shuffle(blank)
    values[blank] = zp_in
    return values.reshape(layer.ifmap_shape).astype(_dtype(data_width))


def random_weights(layer: ConvLayer, rng: np.random.Generator, top: int, data_width: int) -> IntArray:
    """Uniform values from -top to top: symmetric about zero, as quantised weights are."""
    return rng.integers(-top, top + 1, layer.weights_shape).astype(_dtype(data_width))


def random_layer_data(
    layer: ConvLayer,
    seed: int,
    *,
    data_width: int = 8,
    arithmetic: str = "integer",
    psum_width: int = 32,
    rounding: Rounding = "double",
    zeros: float | None = None,
    zp_in: int | None = None,
) -> LayerData:
    """Everything one layer needs, the same for the same arguments.

    Integer arithmetic gets weights that keep sums well inside psum_width bits, and a scale per channel that
    puts the results' standard deviation at a sixth to two thirds of the range either side of zp_out. Fixed
    point gets no scale but a `product_shift` that puts the rails of a psum at two to four standard
    deviations, so that saturation is rare but does happen.

    Parameters
    ----------
    data_width : 8 or 16. arithmetic : "integer" or "fixed_point", as in the configuration.
    rounding : of integer arithmetic; fixed point has none, and "int16x8" its own.
    zeros : fraction of ifmap values equal to the zero point; None for the layer's own `ifmap_zeros`.
    zp_in : zero point of the ifmap; None for a random one. Always 0 for 16-bit data and fixed point.
    """
    rng = np.random.default_rng(seed)
    zeros = layer.ifmap_zeros if zeros is None else zeros
    half = 1 << (data_width - 1)
    drawn, zp_out = rng.integers((-half, -half // 4), (half, half // 4)).tolist()
    zero_point: int = drawn if zp_in is None else zp_in
    if data_width == 16 or arithmetic == "fixed_point":
        zero_point = zp_out = 0
    ifmap = random_ifmap(layer, rng, zeros, zero_point, data_width)

    rail, top = 1 << (psum_width - 1), half - 1
    if layer.number_format == "int16x8":
        top = 127
    x2 = half**2 / 3 + zero_point**2  # mean square of a uniform operand; a uniform weight's is top^2 / 3
    per_weight = max(1.0, sqrt(layer.taps * (1 - zeros) * x2 / 3))  # deviation of a sum, over top
    if arithmetic == "integer":
        top = max(1, min(top, int(rail / 4 / per_weight)))
    weights = random_weights(layer, rng, top, data_width)
    deviation = per_weight * top
    if arithmetic == "fixed_point":
        product_shift = max(0, ceil(log2(2 * deviation / rail)))
        bias = rng.integers(-rail // 8, rail // 8, layer.M)
        return LayerData(ifmap, weights, Requant.plain(bias, _dtype(data_width)), product_shift)

    bias = np.round(rng.normal(0, deviation / 2, layer.M)).astype(np.int64)
    scales = half / 3 / deviation * np.exp2(rng.uniform(-1, 1, layer.M))
    if layer.number_format == "int16x8":
        return LayerData(ifmap, weights, Requant.int16x8(bias, scales))
    requant = Requant.from_scales(
        bias, scales, rounding, zp_in=zero_point, zp_out=zp_out, act_min=-half, act_max=half - 1
    )
    return LayerData(ifmap, weights, requant)


def _dtype(data_width: int) -> type:
    return np.int8 if data_width == 8 else np.int16
