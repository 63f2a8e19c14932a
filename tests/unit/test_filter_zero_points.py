"""Filters whose zero point is not 0: values of 9 bits, which add up from filters of 8."""

from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

from orris.compiler.constants import filter_terms
from orris.graph import Graph
from orris.graph import operators as ops
from orris.graph.quantised import quantised_convolution
from orris.importers import load_model
from orris.runtime import Session
from orris.runtime.reference import compare, open_reference
from tflite_models import ModelWriter

INT8 = np.dtype(np.int8)


@pytest.mark.parametrize("count, low, high", [(1, -128, 127), (2, -256, 254), (3, -384, 381)])
def test_terms_add_up_and_fit(count, low, high):
    values = np.arange(low, high + 1).reshape(-1, 1, 1, 1)
    terms = filter_terms(values, count, INT8)
    assert len(terms) == count and np.array_equal(sum(terms), values)
    assert all(-128 <= term.min() and term.max() <= 127 for term in terms)


def terms_of(graph: Graph) -> int:
    """Terms of the filter of a network's only layer, a convolution."""
    (operator,) = graph.operators
    assert isinstance(operator, ops.Convolution)
    return quantised_convolution(graph, operator).layer.terms


def beside_reference(path: Path, runs: int = 3) -> Graph:
    """The network of one layer in a file, after inferences beside the reference's."""
    graph = load_model(path)
    session, reference = Session(graph), open_reference(path, graph)
    for seed in range(runs):
        shape, dtype = graph.tensors[graph.inputs[0]].shape, graph.tensors[graph.inputs[0]].dtype
        info = np.iinfo(dtype)
        values = np.random.default_rng(seed).integers(info.min, info.max + 1, shape).astype(dtype)
        inputs = {graph.inputs[0]: values}
        expected = reference.run(inputs)
        comparison = compare(graph, session.run(inputs), expected)
        assert comparison.compared == 1
        assert len(np.unique(expected[graph.outputs[0]])) > 20
        for each in comparison.differences:
            assert graph.arithmetic == "onnx" and each.largest <= 1 and each.differing < 10, str(each)
    return graph


@pytest.mark.parametrize("zero_point, terms", [(128, 1), (151, 2), (1, 2), (255, 2), (0, 3)])
@pytest.mark.parametrize("kind", ["CONV_2D", "DEPTHWISE_CONV_2D"])
def test_uint8_convolutions(tmp_path, kind, zero_point, terms):
    model = ModelWriter()
    source = model.tensor((1, 9, 8, 6), np.uint8, 0.05, 121)
    result = model.legacy(kind, source, 12, zero_point, zero_point)
    path = tmp_path / "model.tflite"
    path.write_bytes(model.write([source], [result]))
    assert terms_of(beside_reference(path)) == terms


@pytest.mark.parametrize("zero_point", [140, 0])
def test_uint8_fully_connected(tmp_path, zero_point):
    model = ModelWriter()
    source = model.tensor((1, 300), np.uint8, 0.05, 121)
    result = model.legacy("FULLY_CONNECTED", source, 64, zero_point, zero_point)
    path = tmp_path / "model.tflite"
    path.write_bytes(model.write([source], [result]))
    beside_reference(path)


@pytest.mark.parametrize("per_channel", [True, False])
@pytest.mark.parametrize("dtype", [np.uint8, np.int8])
def test_qlinear_conv(tmp_path, dtype, per_channel):
    """Zero points of filters in ONNX, also one for each channel."""
    rng, info = np.random.default_rng(5), np.iinfo(dtype)
    M = 10
    weights = rng.integers(info.min, info.max + 1, (M, 6, 3, 3)).astype(dtype)
    zeros = rng.integers(info.min, info.max + 1, M if per_channel else ()).astype(dtype)
    constants = {
        "s_x": np.float32(0.05), "zp_x": dtype(7), "w": weights,
        "s_w": rng.uniform(0.005, 0.02, M if per_channel else ()).astype(np.float32), "zp_w": zeros,
        "s_y": np.float32(2.0), "zp_y": dtype(31), "bias": rng.integers(-3000, 3000, M).astype(np.int32),
    }  # fmt: skip
    names = ["x", "s_x", "zp_x", "w", "s_w", "zp_w", "s_y", "zp_y", "bias"]
    node = helper.make_node("QLinearConv", names, ["y"], pads=[1, 1, 1, 1])
    kind = TensorProto.UINT8 if dtype == np.uint8 else TensorProto.INT8
    graph = helper.make_graph(
        [node],
        "one",
        [helper.make_tensor_value_info("x", kind, [1, 6, 9, 8])],
        [helper.make_tensor_value_info("y", kind, [1, M, 9, 8])],
        [numpy_helper.from_array(np.asarray(value), name) for name, value in constants.items()],
    )
    path = tmp_path / "model.onnx"
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    onnx.save(model, str(path))
    assert terms_of(beside_reference(path)) == 2
