"""The chip's saturating arithmetic against a scalar model, and its dependence on order."""

import numpy as np
import pytest

from orris.golden import (
    Requant,
    RowWork,
    TensorError,
    accumulate_fixed_point,
    conv2d_accumulate,
    conv2d_fixed_point,
    random_layer_data,
    row_folded_order,
)
from orris.layers import ConvLayer, Padding, find_layer

SHAPES = {
    "plain": ConvLayer(M=3, C=5, H=6, W=5, R=3, S=2),
    "strided": ConvLayer(N=2, M=2, C=3, H=9, W=8, R=3, S=3, U=2, V=3, padding=Padding(1, 0, 2, 1)),
    "grouped": ConvLayer(G=2, M=4, C=3, H=5, W=5, R=2, S=3, padding=Padding.all(1)),
    "dilated": ConvLayer(M=2, C=4, H=7, W=7, R=2, S=3, D=2),
    "depthwise": ConvLayer(G=4, M=4, C=1, H=5, W=5, R=3, S=3, padding=Padding.all(1)),
}


def scalar_psum(layer: ConvLayer, ifmap, weights, order, shift: int, width: int, n, m, e, f) -> int:
    """One psum as the hardware adds it up, in Python integers."""

    def sat(value: int) -> int:
        return max(-(2 ** (width - 1)), min(2 ** (width - 1) - 1, value))

    first_channel = m // layer.filters_per_group * layer.C
    bank = None
    for chain in order:
        below = None
        for channels, r, columns in chain:
            own = 0
            y = e * layer.U + r * layer.D - layer.padding.top
            for s in columns:
                x = f * layer.V + s * layer.D - layer.padding.left
                for c in channels:
                    inside = 0 <= y < layer.H and 0 <= x < layer.W
                    value = int(ifmap[n, first_channel + c, y, x]) if inside else 0
                    own = sat(own + (value * int(weights[m, c, r, s]) // 2**shift))
            below = own if below is None else sat(own + below)
        bank = below if bank is None else sat(bank + below)
    return bank


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize(("rows", "q", "width"), [(1, 1, 16), (3, 2, 16), (5, 3, 20), (12, 4, 40)])
def test_against_the_scalar_model(shape: str, rows: int, q: int, width: int):
    layer, seed = SHAPES[shape], rows
    data = random_layer_data(layer, seed, data_width=16, arithmetic="fixed_point", psum_width=width)
    order = row_folded_order(layer, rows, q)
    shift = max(0, data.product_shift - 2)  # four times nearer to the rails: saturation everywhere
    ours = accumulate_fixed_point(layer, data.ifmap, data.weights, order, shift, width)
    expected = np.empty(layer.ofmap_shape, dtype=object)
    for index in np.ndindex(layer.ofmap_shape):
        expected[index] = scalar_psum(layer, data.ifmap, data.weights, order, shift, width, *index)
    assert (ours == expected).all()


def test_extreme_products():
    """-32768 * -32768 = 2^30 exceeds a 16-bit psum by itself; a negative product rounds down."""
    layer = ConvLayer(M=1, C=1, H=1, W=2, R=1, S=2)
    order = row_folded_order(layer, 1, 1)

    def psum(values: list[int], taps: list[int], shift: int) -> int:
        ifmap = np.array(values, np.int16).reshape(layer.ifmap_shape)
        weights = np.array(taps, np.int16).reshape(layer.weights_shape)
        return accumulate_fixed_point(layer, ifmap, weights, order, shift).item()

    assert psum([-32768, 0], [-32768, 0], 0) == 32767
    assert psum([-32768, -1], [-32768, 1], 0) == 32766  # saturated first, then one less
    assert psum([-1, -1], [1, 1], 4) == -2  # each product of -1 rounds down to -1


def test_equals_the_exact_sum_where_nothing_saturates():
    layer = SHAPES["strided"]
    data = random_layer_data(layer, seed=2, data_width=16, zp_in=0)
    ours = accumulate_fixed_point(layer, data.ifmap, data.weights, row_folded_order(layer, 4, 2), 0, 48)
    np.testing.assert_array_equal(ours, conv2d_accumulate(layer, data.ifmap, data.weights))


def test_order_matters():
    layer = ConvLayer(M=4, C=16, H=8, W=8, R=3, S=3)
    data = random_layer_data(layer, seed=3, data_width=16, arithmetic="fixed_point", psum_width=16)
    results = [
        accumulate_fixed_point(layer, data.ifmap, data.weights, order, data.product_shift - 2)
        for order in (
            row_folded_order(layer, 12, 4),
            row_folded_order(layer, 3, 4),
            row_folded_order(layer, 12, 2),
            [chain[::-1] for chain in row_folded_order(layer, 12, 4)],
        )
    ]
    for i, one in enumerate(results):
        for other in results[:i]:
            assert not np.array_equal(one, other)


def test_row_folding():
    layer = ConvLayer(M=1, C=5, H=4, W=4, R=3, S=2)
    named = [
        [((2, 3), 0), ((0, 1), 2), ((0, 1), 1), ((0, 1), 0)],
        [((4,), 1), ((4,), 0), ((2, 3), 2), ((2, 3), 1)],
        [((4,), 2)],
    ]
    assert row_folded_order(layer, rows=4, q=2) == [
        [RowWork(channels, row, (0, 1)) for channels, row in chain] for chain in named
    ]


def test_bias_saturates():
    layer = ConvLayer(M=3, C=1, H=1, W=1, R=1, S=1)
    ifmap = np.array([100], np.int16).reshape(layer.ifmap_shape)
    weights = np.array([300, -300, 1], np.int16).reshape(layer.weights_shape)
    requant = Requant.plain(np.array([5000, -5000, -7]), np.int16)
    ofmap = conv2d_fixed_point(layer, ifmap, weights, requant, row_folded_order(layer, 1, 1), 0)
    assert ofmap.dtype == np.int16
    assert ofmap.ravel().tolist() == [32767, -32768, 93]


def test_alexnet_conv3_saturates_here_and_there():
    layer = find_layer("alexnet.conv3")
    data = random_layer_data(layer, seed=1, data_width=16, arithmetic="fixed_point", psum_width=16)
    order = row_folded_order(layer, 12, 4)
    ofmap = conv2d_fixed_point(layer, data.ifmap, data.weights, data.requant, order, data.product_shift)
    at_rails = np.count_nonzero((ofmap == 32767) | (ofmap == -32768))
    assert 0 < at_rails < 0.1 * layer.ofmap_values
    assert ofmap.astype(float).std() > 32768 / 6


def test_errors():
    layer = SHAPES["plain"]
    data = random_layer_data(layer, seed=0, data_width=16, arithmetic="fixed_point", psum_width=16)
    order = row_folded_order(layer, 3, 2)[1:]
    with pytest.raises(TensorError) as error:
        accumulate_fixed_point(layer, data.ifmap, data.weights, order, 0)
    assert str(error.value) == (
        "layer: the order must name each of the C*R*S = 30 taps once, it names 18 of them in 18 entries"
    )
    requant = Requant(data.requant.bias, data.requant.bias * 0, data.requant.bias * 0, 3, 0, -9, 9, "none")
    with pytest.raises(TensorError, match="fixed point has zero point 0, not 3 in and 0 out"):
        conv2d_fixed_point(layer, data.ifmap, data.weights, requant, row_folded_order(layer, 3, 2), 0)
