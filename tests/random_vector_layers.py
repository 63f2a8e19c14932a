"""Random layers of the vector unit, with data whose rare cases are not rare."""

import random
from contextlib import suppress

import numpy as np

from orris.golden import AddParameters, PoolParameters
from orris.golden.pool import window_counts
from orris.layers import AddLayer, ConcatLayer, ConvLayer, LayerError, Padding, PoolLayer, UpsampleLayer


def random_vector_layer(rng: random.Random, words: int):
    """A layer whose ifmaps and ofmap have about `words` values per image and channel."""
    return rng.choice([_pool, _pool, _pool, _add, _concat, _upsample])(rng, words)


def _side(rng: random.Random, words: int) -> tuple[int, int]:
    H = rng.choice([1, rng.randint(1, words), rng.randint(1, max(1, int(words**0.5)))])
    return H, rng.randint(1, max(1, words // H))


def _pool(rng: random.Random, words: int) -> PoolLayer:
    while True:
        H, W = _side(rng, words)
        R, S = rng.choice([(2, 2), (3, 3), (0, 0), (rng.randint(1, H + 2), rng.randint(1, W + 2))])
        padding = Padding()
        if R and rng.random() < 0.6:
            padding = Padding(*(rng.randrange(min(taps, 9)) for taps in (R, S, R, S)))
        U, V = rng.choice([(0, 0), (1, 1), (2, 2), (rng.randint(1, 12), rng.randint(1, 12))])
        try:
            layer = PoolLayer(
                kind=rng.choice(["max", "average"]), N=rng.choice([1, 1, 2]), C=rng.randint(1, 20), H=H, W=W,
                R=R, S=S, U=U, V=V, padding=padding,
            )  # fmt: skip
        except LayerError:
            continue
        if layer.C * layer.E * layer.F * layer.R * layer.S <= 200 * words:
            return layer


def random_tail(rng: random.Random, layer: ConvLayer) -> PoolLayer | AddLayer:
    """A layer that takes the ofmap of a convolution."""
    shape = dict(zip("NCHW", layer.ofmap_shape, strict=True))
    H, W = layer.E, layer.F
    if rng.random() < 0.4:
        return AddLayer(**shape)
    while True:
        R, S = rng.choice([(2, 2), (3, 3), (0, 0), (rng.randint(1, H + 2), rng.randint(1, W + 2))])
        U, V = rng.choice([(0, 0), (1, 1), (2, 2), (rng.randint(1, 5), rng.randint(1, 5))])
        padding = Padding()
        if R and rng.random() < 0.6:
            padding = Padding(*(rng.randrange(min(taps, 5)) for taps in (R, S, R, S)))
        kind = rng.choice(["max", "average"])
        with suppress(LayerError):
            return PoolLayer(kind=kind, R=R, S=S, U=U, V=V, padding=padding, **shape)


def _add(rng: random.Random, words: int) -> AddLayer:
    H, W = _side(rng, words)
    return AddLayer(N=rng.choice([1, 1, 2]), C=rng.randint(1, 20), H=H, W=W)


def _concat(rng: random.Random, words: int) -> ConcatLayer:
    H, W = _side(rng, words)
    channels = tuple(rng.choice([1, 8, rng.randint(1, 20)]) for _ in range(rng.randint(1, 6)))
    return ConcatLayer(N=rng.choice([1, 1, 2]), channels=channels, H=H, W=W)


def _upsample(rng: random.Random, words: int) -> UpsampleLayer:
    H, W = _side(rng, max(1, words // 4))
    factor = rng.choice([1, 2, 2, 3])
    return UpsampleLayer(N=rng.choice([1, 1, 2]), C=rng.randint(1, 20), H=H, W=W, factor=factor)


def random_data(layer, config, seed: int):
    """(ifmaps, parameters): values from end to end, all of one end, or alternating; any scales and bounds."""
    rng = np.random.default_rng(seed)
    dtype = np.dtype(np.int8 if config.data_width == 8 else np.int16)
    info = np.iinfo(dtype)
    ifmaps = []
    for shape in layer.ifmap_shapes:
        kind = rng.integers(6)
        values = rng.integers(info.min, info.max + 1, shape)
        if kind == 0:
            values = np.full(shape, rng.choice([info.min, info.max]))
        elif kind == 1:
            values = np.where(np.indices(shape).sum(axis=0) % 2, info.min, info.max)
        elif kind == 2:
            values = values // 64
        ifmaps.append(values.astype(dtype))
    low, high = sorted(rng.integers(info.min, info.max + 1, 2).tolist())
    if rng.random() < 0.7:
        low, high = int(info.min), int(info.max)
    if isinstance(layer, PoolLayer):
        if layer.kind == "max" or rng.random() < 0.6:
            return ifmaps, PoolParameters(act_min=low, act_max=high)
        zp_in, zp_out = rng.integers(-20, 20, 2).tolist()
        rounding = "single" if rng.random() < 0.5 else "double"
        scales = {
            count: (int(rng.integers(1 << 30, 1 << 31)), 1 - count.bit_length() - int(rng.integers(2)))
            for count in window_counts(layer)
        }
        parameters = PoolParameters(
            act_min=low, act_max=high, zp_in=zp_in, zp_out=zp_out, scales=scales, rounding=rounding
        )
        return ifmaps, parameters
    if isinstance(layer, AddLayer):
        scales = np.exp2(rng.uniform(-8, -4, 3)).tolist()
        zero_points = [0] * 3 if info.bits == 16 else rng.integers(-128, 128, 3).tolist()
        a, b, out = zip(scales, zero_points, strict=True)
        return ifmaps, AddParameters.from_scales(dtype, a, b, out, low, high)
    return ifmaps, None
