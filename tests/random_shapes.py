"""Layers drawn from the whole legal space, with data that stress their arithmetic."""

import random
from math import sqrt

import numpy as np

from orris.golden import LayerData, Requant, conv2d_accumulate
from orris.layers import ConvLayer, LayerError, Padding
from orris_hw.config import AcceleratorConfig

VALUES = ("uniform", "all low", "all high", "alternating", "mostly zero")
KINDS = ("plain", "pointwise", "depthwise", "grouped", "dilated", "row", "column", "large", "full", "dense")


def _size(rng: random.Random, most: int) -> int:
    """1 to `most`, small ones more often."""
    return min(most, rng.choice((rng.randint(1, 3), rng.randint(1, 8), rng.randint(1, max(1, most)))))


def _taps(rng: random.Random, kind: str) -> tuple[int, int, int]:
    """R, S, D."""
    small = (1, 2, 3, 3, 5, 7)
    if kind in ("pointwise", "dense"):
        return 1, 1, 1
    if kind == "row":
        return 1, rng.randint(2, 32), 1
    if kind == "column":
        return rng.randint(2, 16), 1, 1
    if kind == "large":
        return rng.randint(4, 16), rng.randint(4, 32), 1
    if kind == "dilated":
        return rng.choice(small), rng.choice(small), rng.randint(2, 8)
    return rng.choice(small), rng.choice(small), 1


def _padding(rng: random.Random, reach_y: int, reach_x: int) -> list[int]:
    """Top, left, bottom, right: none, equal, as much as a filter can see, or each side its own."""
    limits = [reach_y, reach_x] * 2
    return rng.choice((
        [0, 0, 0, 0],
        [rng.randint(0, min(limits))] * 4,
        limits,
        [rng.choice((0, min(1, limit), limit // 2, rng.randint(0, limit))) for limit in limits],
    ))  # fmt: skip


def _draw(rng: random.Random, kind: str, most_macs: int) -> ConvLayer:
    R, S, D = _taps(rng, kind)
    U, V = (rng.choice((1, 1, 2, *[rng.randint(1, 12)] * 2)) for _ in "UV")
    if kind == "dilated" and rng.random() < 0.3:
        U = D * rng.randint(1, 12 // D)  # strides in step with the dilation
    N = rng.choice((1, 1, 1, 2, 3)) if kind != "dense" else 1
    reach_y, reach_x = (R - 1) * D, (S - 1) * D
    top, left, bottom, right = pads = _padding(rng, reach_y, reach_x)
    E, F = _size(rng, 20), _size(rng, 40)
    H = (E - 1) * U + reach_y + 1 - top - bottom + rng.randrange(U)
    W = (F - 1) * V + reach_x + 1 - left - right + rng.randrange(V)
    if kind == "full":  # the filter is as large as the ifmap
        H, W, pads = R, S, [0, 0, 0, 0]
    if kind == "dense":  # fully connected: the batch is laid along the columns
        H, W, U, V, pads = 1, _size(rng, 12), 1, 1, [0, 0, 0, 0]
    G, C, M = 1, _size(rng, 40), _size(rng, 40)
    if kind == "depthwise":
        G, C = rng.randint(2, 24), 1
        M = G * rng.choice((1, 1, 1, 2, 3))
    elif kind == "grouped":
        G = rng.choice((2, 3, 4, 8))
        C, M = _size(rng, 12), G * _size(rng, 12)
    elif kind == "dense":
        C, M = rng.randint(1, 300), rng.randint(1, 60)
    layer = ConvLayer(
        name=kind, N=N, G=G, M=M, C=C, H=max(1, H), W=max(1, W), R=R, S=S, U=U, V=V, D=D,
        padding=Padding(*pads),
    )  # fmt: skip
    if layer.macs > most_macs:
        raise LayerError("too large")
    return layer


def random_layer(rng: random.Random, most_macs: int, kind: str | None = None) -> ConvLayer:
    """Any layer of at most `most_macs` multiply-accumulates, of any kind or of that one."""
    kind = kind or rng.choice(KINDS)
    while True:
        try:
            return _draw(rng, kind, most_macs)
        except LayerError:
            pass


def _tensor(rng: np.random.Generator, values: str, shape: tuple[int, ...], low: int, high: int, zero: int):
    count = int(np.prod(shape))
    if values == "all low":
        flat = np.full(count, low)
    elif values == "all high":
        flat = np.full(count, high)
    elif values == "alternating":
        flat = np.where(np.arange(count) % 2, low, high)
    else:
        flat = rng.integers(low, high + 1, count)
        if values == "mostly zero":
            flat[rng.random(count) < 0.9] = zero
    return flat.reshape(shape).astype(np.int8 if low >= -128 and high < 128 else np.int16)


def random_data(
    rng: random.Random, layer: ConvLayer, config: AcceleratorConfig, values: tuple[str, str]
) -> LayerData:
    """Tensors, the ifmap's and the weights' with these kinds of values, and parameters whose results use
    the ofmap's range: their scale and bias come from the exact sums."""
    numbers = np.random.default_rng(rng.getrandbits(64))
    half = 1 << (config.data_width - 1)
    zero_point = rng.choice((0, -half, half - 1, rng.randint(-half, half - 1))) if half == 128 else 0
    zp_out = rng.choice((0, -half, half - 1, rng.randint(-half, half - 1))) if half == 128 else 0
    if config.data_width == 16:
        top = rng.choice((127, half - 1))
    else:
        top = half - 1
    ifmap = _tensor(numbers, values[0], layer.ifmap_shape, -half, half - 1, zero_point)
    weights = _tensor(numbers, values[1], layer.weights_shape, -top - 1, top, 0)
    dtype = np.int8 if half == 128 else np.int16
    ifmap, weights = ifmap.astype(dtype), weights.astype(dtype)
    if config.arithmetic == "fixed_point":
        bias = numbers.integers(-half, half, layer.M)
        return LayerData(ifmap, weights, Requant.plain(bias, dtype), rng.randint(0, 18))
    sums = conv2d_accumulate(layer, ifmap, weights, zp_in=zero_point)
    middle = np.round(sums.mean(axis=(0, 2, 3))).astype(np.int64)
    spread = max(1.0, float(np.abs(sums - middle[:, None, None]).max()), sqrt(layer.taps))
    bias = -middle + np.round(numbers.normal(0, spread / 4, layer.M)).astype(np.int64)
    rail = 1 << (31 if config.psum_width <= 32 else 46)
    act_min, act_max = sorted(rng.sample(range(-half, half), 2)) if rng.random() < 0.3 else (-half, half - 1)
    scales = half / spread * np.exp2(numbers.uniform(-1, 1, layer.M))
    requant = Requant.from_scales(
        np.clip(bias, -rail, rail - 1), scales, rng.choice(("single", "double")), zp_in=zero_point,
        zp_out=zp_out, act_min=act_min, act_max=act_max,
    )  # fmt: skip
    if rng.random() < 0.2:
        zeros = np.zeros(layer.M, np.int64)
        requant = Requant(requant.bias, zeros, zeros, zero_point, zp_out, act_min, act_max, "none")
    return LayerData(ifmap, weights, requant)
