"""ONNX networks beside ONNX Runtime."""

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper

from onnx_networks import quantised_network
from orris.graph import ModelError
from orris.graph import operators as ops
from orris.importers import load_model
from orris.runtime import Session
from orris.runtime.reference import compare, open_reference

ONE_OFF = ("Softmax", "QLinearSoftmax", "DequantizeLinear")
"""Behind an exponential, whose last bit is the library's."""


@pytest.mark.parametrize("activations", ["int8", "uint8"])
@pytest.mark.parametrize("per_channel", [True, False])
@pytest.mark.parametrize("qdq", [True, False])
def test_quantised_by_onnx_runtime(tmp_path, qdq, per_channel, activations):
    path = quantised_network(tmp_path, 3, qdq=qdq, per_channel=per_channel, activations=activations)
    graph = load_model(path)
    assert sum(isinstance(each, ops.Convolution) for each in graph.operators) == 5
    session, reference = Session(graph), open_reference(path, graph)
    differing = 0
    for seed in range(5):
        values = np.random.default_rng(seed).normal(0, 1, (1, 3, 16, 16)).astype(np.float32)
        comparison = compare(graph, session.run({"image": values}), reference.run({"image": values}))
        assert comparison.compared >= 14
        for each in comparison.differences:
            assert each.largest <= 1 and each.operator.startswith(ONE_OFF), str(each)
            differing += each.differing
    print(f"{differing} values differ by one step")


def save(path, nodes, inputs, outputs, constants=()) -> None:
    graph = helper.make_graph(nodes, "network", inputs, outputs, list(constants))
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)])
    model.ir_version = 9
    onnx.save(model, str(path))


def test_unsupported_operators_are_named(tmp_path):
    path = tmp_path / "model.onnx"
    value = [helper.make_tensor_value_info(name, TensorProto.FLOAT, [1, 8]) for name in ("x", "y")]
    save(path, [helper.make_node("Erf", ["x"], ["y"], name="bell")], value[:1], value[1:])
    with pytest.raises(ModelError, match="operator Erf, node 'Erf 0 bell', output 'y'"):
        load_model(path)


def test_only_the_batch_may_be_open(tmp_path):
    path = tmp_path / "model.onnx"
    value = [helper.make_tensor_value_info(name, TensorProto.FLOAT, ["n", 3, "rows", 8]) for name in "xy"]
    save(path, [helper.make_node("Relu", ["x"], ["y"])], value[:1], value[1:])
    with pytest.raises(ModelError, match=r"input 'x' has the shape \[1, 3, rows, 8\]: only the first size"):
        load_model(path)


def test_a_float_network_is_refused(tmp_path):
    path = tmp_path / "model.onnx"
    x, y = (
        helper.make_tensor_value_info(name, TensorProto.FLOAT, [1, 4, size, size])
        for name, size in (("x", 5), ("y", 3))
    )
    weights = onnx.numpy_helper.from_array(np.ones((4, 4, 3, 3), np.float32), "w")
    save(path, [helper.make_node("Conv", ["x", "w"], ["y"])], [x], [y], [weights])
    with pytest.raises(ModelError, match="tensor 'x' is not quantised"):
        load_model(path)


def test_damaged_files(tmp_path):
    content = quantised_network(tmp_path, 0, qdq=True, per_channel=True).read_bytes()
    path, refused = tmp_path / "damaged.onnx", 0
    for seed in range(60):
        print(f"seed {seed}")
        rng = np.random.default_rng(seed)
        changed = bytearray(content[: rng.integers(1, len(content))] if seed % 3 == 0 else content)
        for _ in range(seed % 3 * 4):
            changed[rng.integers(0, len(changed))] = rng.integers(0, 256)
        path.write_bytes(bytes(changed))
        try:
            load_model(path)
        except ModelError:
            refused += 1
    assert refused > 20
