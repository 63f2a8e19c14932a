"""int16 activations with int8 weights, bit for bit, against LiteRT's reference kernels."""

import numpy as np
import pytest

from litert_models import Quantised, build, run, schema
from orris.golden import Requant, conv2d, requantise
from orris.golden.quantise import quantise_multiplier, reduced_multiplier
from orris.layers import ConvLayer, same_padding

SHAPES = {
    "3x3": ConvLayer(M=12, C=8, H=11, W=12, R=3, S=3, padding=same_padding(11, 12, 3, 3)),
    "stride 2": ConvLayer(M=6, C=5, H=13, W=12, R=5, S=3, U=2, padding=same_padding(13, 12, 5, 3, 2)),
    "dilated": ConvLayer(M=8, C=4, H=12, W=12, R=3, S=3, D=3, padding=same_padding(12, 12, 3, 3, D=3)),
    "1x1": ConvLayer(N=2, M=24, C=64, H=7, W=5, R=1, S=1),
    "depthwise": ConvLayer(G=10, M=10, C=1, H=9, W=9, R=3, S=3, padding=same_padding(9, 9, 3, 3)),
    "multiplier": ConvLayer(G=6, M=18, C=1, H=9, W=9, R=3, S=3, U=2, padding=same_padding(9, 9, 3, 3, 2)),
}


def options_of(layer: ConvLayer) -> object:
    options = schema.DepthwiseConv2DOptionsT() if layer.depthwise else schema.Conv2DOptionsT()
    options.padding = schema.Padding.SAME if any(layer.padding) else schema.Padding.VALID
    options.strideH, options.strideW = layer.U, layer.V
    options.dilationHFactor = options.dilationWFactor = layer.D
    if layer.depthwise:
        options.depthMultiplier = layer.filters_per_group
    return options


def random_tensors(layer: ConvLayer, seed: int) -> tuple[np.ndarray, ...]:
    """ifmap, weights, bias, and the scales of ifmap, weights and ofmap."""
    rng = np.random.default_rng(seed)
    scale_w = np.float32(np.exp2(rng.uniform(-9, -6, layer.M)))
    deviation = 19000 * 74 * np.sqrt(layer.taps)
    scale_in = np.float32(1 / 4096)
    return (
        rng.integers(-32768, 32768, layer.ifmap_shape).astype(np.int16),
        rng.integers(-127, 128, layer.weights_shape).astype(np.int8),
        np.round(rng.normal(0, deviation, layer.M)).astype(np.int64),
        scale_in,
        scale_w,
        np.float32(scale_in * np.median(scale_w) * deviation / 9000),
    )


@pytest.mark.parametrize("shape", SHAPES)
def test_convolution(shape: str, seed: int):
    layer = SHAPES[shape]
    ifmap, weights, bias, s_in, s_w, s_out = random_tensors(layer, seed)
    axis, order = (3, (1, 2, 3, 0)) if layer.depthwise else (0, (0, 2, 3, 1))
    stored = np.ascontiguousarray(weights.transpose(order))
    (n, c, h, w), (_, m, e, f) = layer.ifmap_shape, layer.ofmap_shape
    operator = schema.BuiltinOperator.DEPTHWISE_CONV_2D if layer.depthwise else schema.BuiltinOperator.CONV_2D
    model = build(
        operator,
        options_of(layer),
        [
            Quantised((n, h, w, c), np.atleast_1d(s_in), dtype=np.int16),
            Quantised(stored.shape, s_w, axis=axis, values=stored),
            Quantised(bias.shape, s_in * s_w, values=bias),
        ],
        Quantised((n, e, f, m), np.atleast_1d(s_out), dtype=np.int16),
    )
    theirs = run(model, ifmap.transpose(0, 2, 3, 1)).transpose(0, 3, 1, 2)
    scales = np.float64(s_in) * np.float64(s_w) / np.float64(s_out)
    ours = conv2d(layer, ifmap, weights, Requant.int16x8(bias, scales), psum_width=48)
    np.testing.assert_array_equal(ours, theirs)
    assert len(np.unique(ours)) > ours.size // 4  # the scales leave something to compare


def test_fully_connected(seed: int):
    layer = ConvLayer.fully_connected(N=50, C=96, M=40)
    ifmap, weights, bias, s_in, s_w, s_out = random_tensors(layer, seed)
    s_w = s_w[:1]
    model = build(
        schema.BuiltinOperator.FULLY_CONNECTED,
        schema.FullyConnectedOptionsT(),
        [
            Quantised((50, 96), np.atleast_1d(s_in), dtype=np.int16),
            Quantised((40, 96), s_w, values=weights.reshape(40, 96)),
            Quantised(bias.shape, s_in * s_w, values=bias),
        ],
        Quantised((50, 40), np.atleast_1d(s_out), dtype=np.int16),
    )
    batch = np.ascontiguousarray(ifmap.reshape(96, 50).T)
    theirs = run(model, batch).T.reshape(layer.ofmap_shape)
    scale = np.float64(s_in * s_w[0]) / np.float64(s_out)  # this kernel multiplies in single precision
    # Unlike the convolutions this kernel takes all 31 bits of the multiplier.
    scales, limits = np.full(layer.M, scale), dict(zp_in=0, zp_out=0, act_min=-32768, act_max=32767)
    requant = Requant.from_scales(bias, scales, "single", **limits)
    np.testing.assert_array_equal(conv2d(layer, ifmap, weights, requant, psum_width=48), theirs)


def test_single_rounding_of_a_reduced_multiplier_is_the_references_formula(seed: int):
    """(acc * m15 + 2^(14 - shift)) >> (15 - shift), in 64 bits: the reference's definition, written out."""
    rng = np.random.default_rng(seed)
    for real in (*np.exp2(rng.uniform(-20, 5, 50)), 0.99999, 0.5):
        multiplier, shift = quantise_multiplier(float(real))
        m15 = (multiplier + (1 << 15)) >> 16 if multiplier < 0x7FFF0000 else 0x7FFF
        acc = rng.integers(-(1 << 40), 1 << 40, 100)
        expected = [(int(a) * m15 + (1 << (14 - shift))) >> (15 - shift) for a in acc]
        ours = requantise(acc, reduced_multiplier(multiplier), shift, "single", width=48)
        assert ours.tolist() == expected
