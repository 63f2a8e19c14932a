"""Pooling, addition and copies: the golden models against LiteRT's reference kernels and plain loops."""

import random
from itertools import product

import numpy as np
import pytest

from litert_models import Quantised, build, run_all, schema
from orris.golden import AddParameters, PoolParameters, TensorError, add, concatenate, pool, upsample
from orris.golden.pool import window_counts
from orris.layers import AddLayer, ConcatLayer, LayerError, Padding, PoolLayer, UpsampleLayer, same_padding

ACTIVATIONS = {
    "none": schema.ActivationFunctionType.NONE,
    "relu": schema.ActivationFunctionType.RELU,
    "relu6": schema.ActivationFunctionType.RELU6,
}
TYPES = [np.int8, np.int16]


def values(rng, shape, dtype):
    info = np.iinfo(dtype)
    return rng.integers(info.min, info.max + 1, shape).astype(dtype)


def bounds(activation, scale, zero_point, dtype):
    """The reference's bounds of quantised values: rounded in single precision."""
    info = np.iinfo(dtype)
    low = info.min if activation == "none" else max(info.min, zero_point)
    six = zero_point + round(float(np.float32(6) / scale))
    return low, min(info.max, six) if activation == "relu6" else info.max


def nhwc(shape):
    return shape[0], shape[2], shape[3], shape[1]


POOLS = {
    "2x2": dict(H=12, W=13, R=2, S=2),
    "3x3 stride 2 same": dict(H=13, W=14, R=3, S=3, U=2, V=2, padding=same_padding(13, 14, 3, 3, 2)),
    "3x3 stride 1 same": dict(H=9, W=8, R=3, S=3, U=1, V=1, padding=same_padding(9, 8, 3, 3)),
    "5x2 uneven": dict(H=17, W=11, R=5, S=2, U=3, V=1, padding=same_padding(17, 11, 5, 2, 3, 1)),
    "global": dict(H=7, W=9),
    "larger than the image": dict(H=3, W=4, R=5, S=6, U=1, V=1, padding=same_padding(3, 4, 5, 6)),
}


@pytest.mark.parametrize("activation", ACTIVATIONS)
@pytest.mark.parametrize("dtype", TYPES, ids=["int8", "int16"])
@pytest.mark.parametrize("kind", ["max", "average"])
@pytest.mark.parametrize("shape", POOLS)
def test_pooling_against_litert(shape, kind, dtype, activation, seed):
    rng = np.random.default_rng(seed)
    layer = PoolLayer(kind=kind, N=2, C=11, **POOLS[shape])
    zero_point = 0 if dtype == np.int16 else int(rng.integers(-128, 128))
    scale = np.float32(6 / 100 if dtype == np.int8 else 6 / 20000)
    options = schema.Pool2DOptionsT()
    options.padding = schema.Padding.SAME if any(layer.padding) else schema.Padding.VALID
    options.strideH, options.strideW, options.filterHeight, options.filterWidth = (
        layer.U, layer.V, layer.R, layer.S,
    )  # fmt: skip
    options.fusedActivationFunction = ACTIVATIONS[activation]
    ifmap = values(rng, layer.ifmap_shapes[0], dtype)
    operator = schema.BuiltinOperator.MAX_POOL_2D if kind == "max" else schema.BuiltinOperator.AVERAGE_POOL_2D
    tensors = [
        Quantised(nhwc(each), np.atleast_1d(scale), zero_point, dtype=dtype)
        for each in (layer.ifmap_shapes[0], layer.ofmap_shape)
    ]
    theirs = run_all(build(operator, options, tensors[:1], tensors[1], 3), [ifmap.transpose(0, 2, 3, 1)])
    low, high = bounds(activation, scale, zero_point, dtype)
    ours = pool(layer, ifmap, PoolParameters(act_min=low, act_max=high))
    np.testing.assert_array_equal(ours, theirs.transpose(0, 3, 1, 2))


@pytest.mark.parametrize("activation", ACTIVATIONS)
@pytest.mark.parametrize("dtype", TYPES, ids=["int8", "int16"])
@pytest.mark.parametrize("ratio", [1.0, 0.3, 7.7, 300.0])
def test_addition_against_litert(ratio, dtype, activation, seed):
    rng = np.random.default_rng(seed)
    layer = AddLayer(N=1, C=64, H=32, W=32)
    operands = [values(rng, shape, dtype) for shape in layer.ifmap_shapes]
    base = 2.0 ** rng.uniform(-9, -5)
    scales = np.float32([base, base * ratio, base * (1 + ratio) * rng.uniform(0.4, 1.5)])
    zero_points = [0] * 3 if dtype == np.int16 else rng.integers(-128, 128, 3).tolist()
    options = schema.AddOptionsT()
    options.fusedActivationFunction = ACTIVATIONS[activation]
    options.potScaleInt16 = False
    tensors = [
        Quantised(nhwc(layer.ofmap_shape), np.atleast_1d(scale), zero_point, dtype=dtype)
        for scale, zero_point in zip(scales, zero_points, strict=True)
    ]
    model = build(schema.BuiltinOperator.ADD, options, tensors[:2], tensors[2])
    theirs = run_all(model, [operand.transpose(0, 2, 3, 1) for operand in operands])
    a, b, out = ((float(scale), zp) for scale, zp in zip(scales, zero_points, strict=True))
    limits = bounds(activation, scales[2], zero_points[2], dtype)
    parameters = AddParameters.from_scales(dtype, a, b, out, *limits)
    np.testing.assert_array_equal(add(layer, *operands, parameters), theirs.transpose(0, 3, 1, 2))


@pytest.mark.parametrize("case", range(20))
def test_pooling_against_loops(case, seed):
    """Any window, stride and padding, zero points and scales: value by value from the definition."""
    rng = random.Random(seed)
    R, S = rng.randint(1, 5), rng.randint(1, 5)
    padding = Padding(rng.randrange(R), rng.randrange(S), rng.randrange(R), rng.randrange(S))
    kind = rng.choice(["max", "average"])
    layer = PoolLayer(
        kind=kind, N=2, C=3, H=rng.randint(5, 9), W=rng.randint(5, 9), R=R, S=S, U=rng.randint(1, 4),
        V=rng.randint(1, 4), padding=padding,
    )  # fmt: skip
    ifmap = values(np.random.default_rng(seed), layer.ifmap_shapes[0], np.int8)
    zp_in, zp_out = (rng.randint(-128, 127), rng.randint(-20, 20)) if kind == "average" else (0, 0)
    parameters = PoolParameters(act_min=-100, act_max=90, zp_in=zp_in, zp_out=zp_out)
    ours = pool(layer, ifmap, parameters)
    seen = set()
    for n, c, e, f in product(*map(range, layer.ofmap_shape)):
        taps = [
            int(ifmap[n, c, y, x])
            for y in range(e * layer.U - padding.top, e * layer.U - padding.top + R)
            for x in range(f * layer.V - padding.left, f * layer.V - padding.left + S)
            if 0 <= y < layer.H and 0 <= x < layer.W
        ]
        seen.add(len(taps))
        if kind == "max":
            y = max(taps)
        else:
            total = sum(tap - zp_in for tap in taps)
            y = (2 * abs(total) + len(taps)) // (2 * len(taps)) * (1 if total >= 0 else -1) + zp_out
        assert ours[n, c, e, f] == min(max(y, -100), 90)
    assert seen == window_counts(layer)


def test_rescaled_average():
    """With scales, the average is requantised as a sum is: here by 3 / count, once rounded."""
    layer = PoolLayer(kind="average", C=2, H=4, W=4, R=3, S=3, U=1, V=1, padding=Padding(1, 1, 1, 1))
    ifmap = values(np.random.default_rng(1), layer.ifmap_shapes[0], np.int8)
    scales = {count: (3 * (1 << 31) // (4 * count), 2) for count in window_counts(layer)}
    ours = pool(layer, ifmap, PoolParameters(act_min=-128, act_max=127, zp_in=5, zp_out=-3, scales=scales))
    padded = np.pad(ifmap.astype(float) - 5, ((0, 0), (0, 0), (1, 1), (1, 1)))
    sums = sum(padded[..., r : r + 4, s : s + 4] for r in range(3) for s in range(3))
    counts = np.outer([2, 3, 3, 2], [2, 3, 3, 2])
    want = np.clip(np.floor(sums * 3 / counts + 0.5) - 3, -128, 127)
    assert np.abs(ours - want).max() <= 1 and np.count_nonzero(ours != want) <= 1
    with pytest.raises(TensorError, match="pool: no scale for windows of 4 values, which occur"):
        pool(layer, ifmap, PoolParameters(act_min=0, act_max=1, scales={6: (1, 0), 9: (1, 0)}))


def test_copies():
    layer = ConcatLayer(N=2, channels=(3, 1, 9), H=4, W=5)
    ifmaps = [np.random.default_rng(n).integers(-9, 9, shape) for n, shape in enumerate(layer.ifmap_shapes)]
    ofmap = concatenate(layer, ifmaps)
    assert ofmap.shape == layer.ofmap_shape == (2, 13, 4, 5)
    assert (ofmap[:, 3:4] == ifmaps[1]).all() and (ofmap[:, 4:] == ifmaps[2]).all()
    layer = UpsampleLayer(N=1, C=2, H=3, W=2, factor=3)
    ifmap = np.arange(12).reshape(1, 2, 3, 2)
    ofmap = upsample(layer, ifmap)
    assert ofmap.shape == layer.ofmap_shape == (1, 2, 9, 6)
    for c, y, x in product(range(2), range(9), range(6)):
        assert ofmap[0, c, y, x] == ifmap[0, c, y // 3, x // 3]


@pytest.mark.parametrize("make, message", [
    (lambda: PoolLayer(kind="min", C=1, H=1, W=1), "pool: kind is 'min', expected max or average"),
    (lambda: PoolLayer(kind="max", C=0, H=1, W=1), "pool: C is 0, expected a whole number from 1 to 65535"),
    (lambda: PoolLayer(kind="max", C=1, H=4, W=4, R=2, S=2, padding=Padding(2)),
     "pool: padding top is 2, it must be less than the window's R = 2: a window beyond it sees no ifmap"),
    (lambda: PoolLayer(kind="max", C=1, H=4, W=4, R=2, S=5),
     "pool: the window's S = 5 is larger than the padded ifmap's W = 4"),
    (lambda: PoolLayer(kind="max", C=1, H=4, W=4, padding=(0, 0, 0, 0)),
     "pool: padding is (0, 0, 0, 0), expected Padding(top, left, bottom, right)"),
    (lambda: AddLayer(C=1, H=True, W=1), "add: H is True, expected a whole number from 1 to 65535"),
    (lambda: ConcatLayer(channels=[1], H=1, W=1),
     "concat: channels is [1], expected a tuple with a number per ifmap"),
    (lambda: ConcatLayer(channels=(1, 0), H=1, W=1),
     "concat: channels[1] is 0, expected a whole number from 1 to 65535"),
    (lambda: UpsampleLayer(C=1, H=40000, W=1),
     "upsample: factor * H is 80000, expected a whole number from 1 to 65535"),
])  # fmt: skip
def test_layer_errors(make, message):
    with pytest.raises(LayerError) as caught:
        make()
    assert str(caught.value) == message


def test_parameter_errors():
    layer = PoolLayer(kind="average", C=1, H=4096, W=4097)
    with pytest.raises(TensorError, match="a window of 16781312 values of 8 bits, zero point 0 can sum"):
        PoolParameters.plain(np.int8).check(layer, np.int8)
    PoolParameters.plain(np.int8).check(PoolLayer(kind="average", C=1, H=4096, W=4096), np.int8)
    with pytest.raises(TensorError, match="act_min = 1 is above act_max = 0"):
        PoolParameters(act_min=1, act_max=0)
    with pytest.raises(TensorError, match="zp_in = 200 does not fit int8"):
        PoolParameters(act_min=0, act_max=1, zp_in=200).check(layer, np.int8)
    with pytest.raises(TensorError, match="max pooling has no zero points and no scales"):
        PoolParameters(act_min=0, act_max=1, zp_in=2).check(PoolLayer(kind="max", C=1, H=1, W=1), np.int8)
    with pytest.raises(TensorError, match="shift = 1, expected -31 to 0: a factor below 1"):
        AddParameters.from_scales(np.int8, (1.0, 0), (1.0, 0), (1e-6, 0))
    small = AddParameters.from_scales(np.int16, (1.0, 1), (1.0, 0), (2.0, 0))
    one = AddLayer(C=1, H=1, W=1)
    with pytest.raises(TensorError, match="add: zp_a = 1, but int16 values have zero point 0"):
        small.check(one, np.int16)
    with pytest.raises(TensorError, match="operands are int8 and int16, expected both int8 or int16"):
        add(one, np.zeros((1, 1, 1, 1), np.int8), np.zeros((1, 1, 1, 1), np.int16), small)
