"""The golden convolution against ONNX Runtime's ConvInteger and against the definition in plain Python."""

from dataclasses import replace
from itertools import product

import numpy as np
import pytest

from orris.golden import Requant, TensorError, conv2d, conv2d_accumulate, random_layer_data, saturate, wrap
from orris.layers import ConvLayer, Padding, find_layer


def random_layer(rng: np.random.Generator) -> ConvLayer:
    """Any small shape: groups, depthwise, uneven padding, strides, dilation."""
    G = int(rng.choice([1, 1, 2, 3, 5]))
    R, S, D = (int(n) for n in rng.integers(1, (5, 5, 3)))
    reach_y, reach_x = (R - 1) * D, (S - 1) * D
    padding = Padding(*(int(rng.integers(0, limit + 1)) for limit in (reach_y, reach_x) * 2))
    return ConvLayer(
        name="random",
        N=int(rng.integers(1, 3)),
        G=G,
        M=G * int(rng.integers(1, 5)),
        C=int(rng.integers(1, 6)),
        H=reach_y + int(rng.integers(1, 9)),
        W=reach_x + int(rng.integers(1, 9)),
        R=R,
        S=S,
        U=int(rng.integers(1, 5)),
        V=int(rng.integers(1, 5)),
        D=D,
        padding=padding,
    )


def plain_sums(layer: ConvLayer, ifmap: np.ndarray, weights: np.ndarray, zp_in: int) -> np.ndarray:
    """The definition, one multiply-accumulate at a time, in Python integers."""
    sums = np.zeros(layer.ofmap_shape, dtype=object)
    for n, m, e, f in product(*(range(size) for size in layer.ofmap_shape)):
        group = m // layer.filters_per_group
        for c, r, s in product(range(layer.C), range(layer.R), range(layer.S)):
            y = e * layer.U + r * layer.D - layer.padding.top
            x = f * layer.V + s * layer.D - layer.padding.left
            if 0 <= y < layer.H and 0 <= x < layer.W:
                value = int(ifmap[n, group * layer.C + c, y, x]) - zp_in
                sums[n, m, e, f] += value * int(weights[m, c, r, s])
    return sums


def onnx_sums(layer: ConvLayer, ifmap: np.ndarray, weights: np.ndarray, zp_in: int) -> np.ndarray:
    onnx, onnxruntime = pytest.importorskip("onnx"), pytest.importorskip("onnxruntime")
    helper, types = onnx.helper, onnx.TensorProto
    # ONNX Runtime's kernel takes unsigned ifmaps: the same operands with 128 added to value and zero point.
    unsigned = (ifmap.astype(np.int16) + 128).astype(np.uint8)
    node = helper.make_node(
        "ConvInteger",
        ["x", "w", "x_zp"],
        ["y"],
        group=layer.G,
        dilations=[layer.D, layer.D],
        strides=[layer.U, layer.V],
        pads=list(layer.padding),
    )
    graph = helper.make_graph(
        [node],
        "one",
        [helper.make_tensor_value_info("x", types.UINT8, layer.ifmap_shape)],
        [helper.make_tensor_value_info("y", types.INT32, layer.ofmap_shape)],
        [
            helper.make_tensor("w", types.INT8, layer.weights_shape, weights.tobytes(), raw=True),
            helper.make_tensor("x_zp", types.UINT8, [], [zp_in + 128]),
        ],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    session = onnxruntime.InferenceSession(model.SerializeToString(), providers=["CPUExecutionProvider"])
    return session.run(None, {"x": unsigned})[0]


@pytest.mark.parametrize("seed", range(40))
def test_random_shapes_against_onnx(seed: int):
    layer = random_layer(np.random.default_rng(seed))
    print(f"seed {seed}: {layer}")
    data = random_layer_data(layer, seed)
    ours = conv2d_accumulate(layer, data.ifmap, data.weights, zp_in=data.requant.zp_in)
    np.testing.assert_array_equal(ours, onnx_sums(layer, data.ifmap, data.weights, data.requant.zp_in))


@pytest.mark.parametrize("name", ["alexnet.conv2", "alexnet.conv3", "mobilenetv1.dw2", "resnet18.conv1"])
def test_whole_layers_against_onnx(name: str):
    layer = find_layer(name)
    data = random_layer_data(layer, seed=1, zp_in=-128)
    ours = conv2d_accumulate(layer, data.ifmap, data.weights, zp_in=-128)
    np.testing.assert_array_equal(ours, onnx_sums(layer, data.ifmap, data.weights, -128))


@pytest.mark.parametrize("seed", range(8))
@pytest.mark.parametrize("data_width", [8, 16])
def test_random_shapes_against_the_definition(seed: int, data_width: int):
    layer = random_layer(np.random.default_rng(seed))
    layer = replace(layer, N=1, M=layer.G, C=min(layer.C, 3))
    print(f"seed {seed}: {layer}")
    data = random_layer_data(layer, seed, data_width=data_width)
    bias = data.requant.bias
    ours = conv2d_accumulate(layer, data.ifmap, data.weights, bias, data.requant.zp_in)
    expected = plain_sums(layer, data.ifmap, data.weights, data.requant.zp_in) + bias[:, None, None]
    assert (ours == expected).all()


def test_sums_beyond_double_precision_stay_exact():
    """Wide integers leave the 53 bits of a double: the last bit must survive."""
    layer = ConvLayer(M=1, C=2, H=1, W=2, R=1, S=2)
    ifmap = np.array([(1 << 31) + 1, 3, 5, 7], dtype=np.int64).reshape(layer.ifmap_shape)
    weights = np.array([(1 << 30) + 1, 1, 1, 1], dtype=np.int64).reshape(layer.weights_shape)
    expected = ((1 << 31) + 1) * ((1 << 30) + 1) + 15
    assert conv2d_accumulate(layer, ifmap, weights).item() == expected


def test_chunks_do_not_change_the_sums(monkeypatch: pytest.MonkeyPatch):
    layer = ConvLayer(M=3, C=2, H=9, W=7, R=3, S=3, U=2, N=2, padding=Padding.all(1))
    data = random_layer_data(layer, seed=5)
    whole = conv2d_accumulate(layer, data.ifmap, data.weights)
    monkeypatch.setattr("orris.golden.convolution._CHUNK_BYTES", 1)
    np.testing.assert_array_equal(conv2d_accumulate(layer, data.ifmap, data.weights), whole)


def test_accumulators_wrap():
    """Sums of a 16-bit layer overflow 32 bits; the hardware keeps the low bits, and so does conv2d."""
    layer = ConvLayer(M=1, C=3, H=1, W=1, R=1, S=1)
    ifmap = np.full(layer.ifmap_shape, 32767, dtype=np.int16)
    weights = np.full(layer.weights_shape, 32767, dtype=np.int16)
    exact = 3 * 32767**2
    assert conv2d_accumulate(layer, ifmap, weights).item() == exact
    requant = Requant.from_scales(
        np.zeros(1, np.int64), [2.0**-17], "single", zp_in=0, zp_out=0, act_min=-32768, act_max=32767
    )
    assert conv2d(layer, ifmap, weights, requant).item() == round((exact - (1 << 32)) / 2**17)
    assert conv2d(layer, ifmap, weights, requant, psum_width=40).item() == round(exact / 2**17)


def test_wrap_and_saturate():
    values = np.array([0, 127, 128, 255, 256, -128, -129, 1 << 40])
    assert wrap(values, 8).tolist() == [0, 127, -128, -1, 0, -128, 127, 0]
    assert saturate(values, 8).tolist() == [0, 127, 127, 127, 127, -128, -128, 127]
    rails = np.array([(1 << 47) - 1, 1 << 47, -(1 << 47) - 1])
    assert wrap(rails, 48).tolist() == [(1 << 47) - 1, -(1 << 47), (1 << 47) - 1]


LAYER = ConvLayer(name="probe", M=2, C=3, H=4, W=4, R=3, S=3)


@pytest.mark.parametrize(
    ("ifmap", "weights", "sentence"),
    [
        (
            np.zeros((1, 3, 4, 5), np.int8),
            np.zeros((2, 3, 3, 3), np.int8),
            "probe: ifmap (N, G*C, H, W) has shape (1, 3, 4, 5), expected (1, 3, 4, 4)",
        ),
        (
            np.zeros((1, 3, 4, 4), np.int8),
            np.zeros((3, 2, 3, 3), np.int8),
            "probe: weights (M, C, R, S) has shape (3, 2, 3, 3), expected (2, 3, 3, 3)",
        ),
        (
            np.zeros((1, 3, 4, 4), np.float32),
            np.zeros((2, 3, 3, 3), np.int8),
            "probe: ifmap (N, G*C, H, W) is of type float32, expected a numpy array of signed integers",
        ),
        (
            [[0]],
            np.zeros((2, 3, 3, 3), np.int8),
            "probe: ifmap (N, G*C, H, W) is of type list, expected a numpy array of signed integers",
        ),
    ],
)
def test_wrong_tensors(ifmap: np.ndarray, weights: np.ndarray, sentence: str):
    with pytest.raises(TensorError) as error:
        conv2d_accumulate(LAYER, ifmap, weights)
    assert str(error.value) == sentence


def test_random_data_is_what_it_says():
    layer = find_layer("alexnet.conv3")
    data = random_layer_data(layer, seed=7)
    zeros = np.count_nonzero(data.ifmap == data.requant.zp_in)
    assert zeros == round(0.725 * layer.ifmap_values)
    again = random_layer_data(layer, seed=7)
    np.testing.assert_array_equal(data.ifmap, again.ifmap)
    np.testing.assert_array_equal(data.weights, again.weights)
    assert not np.array_equal(data.ifmap, random_layer_data(layer, seed=8).ifmap)
    assert data.weights.min() == -127 and data.weights.max() == 127


@pytest.mark.parametrize("name", ["alexnet.conv1", "alexnet.conv3", "mobilenetv1.dw13", "mobilenetv1.pw13"])
@pytest.mark.parametrize(("data_width", "psum_width"), [(8, 32), (8, 20), (16, 32), (16, 48)])
def test_results_use_the_range(name: str, data_width: int, psum_width: int):
    layer = find_layer(name)
    data = random_layer_data(layer, seed=3, data_width=data_width, psum_width=psum_width)
    ofmap = conv2d(layer, data.ifmap, data.weights, data.requant, psum_width).astype(float)
    half = 1 << (data_width - 1)
    assert ofmap.std() > half / 6
    assert np.mean((ofmap == -half) | (ofmap == half - 1)) < 0.1
