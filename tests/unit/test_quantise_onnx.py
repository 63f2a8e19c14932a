"""The quantised layer against ONNX Runtime's QLinearConv, which requantises in floating point, half to even.

A fixed-point requantiser may be one step off on ties; the differing elements are counted.
"""

import random

import numpy as np
import pytest

from orris.golden import Requant, conv2d, conv2d_accumulate, random_layer_data
from orris.layers import ConvLayer
from random_shapes import random_layer

onnxruntime = pytest.importorskip("onnxruntime")
onnx = pytest.importorskip("onnx")

CASES = 60


def qlinear(layer: ConvLayer, ifmap, weights, bias, scales, zeros) -> np.ndarray:
    """QLinearConv of int8 tensors; scales are (ifmap, weights (M,), ofmap), zeros (ifmap, ofmap)."""
    types, helper = onnx.TensorProto, onnx.helper
    (s_x, s_w, s_y), (zp_x, zp_y) = scales, zeros
    names = ["x", "s_x", "zp_x", "w", "s_w", "zp_w", "s_y", "zp_y", "bias"]
    node = helper.make_node(
        "QLinearConv", names, ["y"], group=layer.G, dilations=[layer.D] * 2,
        strides=[layer.U, layer.V], pads=list(layer.padding),
    )  # fmt: skip
    constants = {
        "s_x": np.float32(s_x), "zp_x": np.int8(zp_x), "w": weights, "s_w": np.float32(s_w),
        "zp_w": np.zeros(layer.M, np.int8), "s_y": np.float32(s_y), "zp_y": np.int8(zp_y),
        "bias": bias.astype(np.int32),
    }  # fmt: skip
    graph = helper.make_graph(
        [node],
        "one",
        [helper.make_tensor_value_info("x", types.INT8, layer.ifmap_shape)],
        [helper.make_tensor_value_info("y", types.INT8, layer.ofmap_shape)],
        [onnx.numpy_helper.from_array(np.asarray(value), name) for name, value in constants.items()],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    session = onnxruntime.InferenceSession(model.SerializeToString(), providers=["CPUExecutionProvider"])
    return session.run(None, {"x": ifmap})[0]


def test_qlinear_conv(seed):
    rng = np.random.default_rng(seed)
    differing = elements = 0
    for number in range(CASES):
        layer = random_layer(random.Random(seed + number), 200_000)
        data = random_layer_data(layer, seed + number)
        sums = conv2d_accumulate(layer, data.ifmap, data.weights, zp_in=data.requant.zp_in)
        s_x, s_w = np.float32(rng.uniform(0.01, 0.1)), np.float32(np.exp2(rng.uniform(-9, -6, layer.M)))
        bias = -np.round(sums.mean(axis=(0, 2, 3))).astype(np.int64)
        spread = max(1.0, float(np.abs(sums + bias[:, None, None]).max()))
        s_y = np.float32(s_x * np.median(s_w) * spread / 120)
        zeros = data.requant.zp_in, int(rng.integers(-20, 20))
        theirs = qlinear(layer, data.ifmap, data.weights, bias, (s_x, s_w, s_y), zeros)
        scales = np.float64(s_x) * np.float64(s_w) / np.float64(s_y)
        requant = Requant.from_scales(
            bias, scales, "single", zp_in=zeros[0], zp_out=zeros[1], act_min=-128, act_max=127
        )
        ours = conv2d(layer, data.ifmap, data.weights, requant)
        difference = np.abs(ours.astype(int) - theirs)
        assert difference.max() <= 1, layer
        differing += int(np.count_nonzero(difference))
        elements += difference.size
    print(f"{differing} of {elements} elements are one step apart")
    # Ties, and sums that single precision puts on the other side of one, are rare.
    assert differing <= elements // 500
