"""Small float networks in ONNX, quantised by ONNX Runtime's own static quantiser."""

from pathlib import Path

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper
from onnxruntime.quantization import CalibrationDataReader, QuantFormat, QuantType, quantize_static


class Calibration(CalibrationDataReader):
    """A few random inputs."""

    def __init__(self, name: str, shape: tuple[int, ...], seed: int):
        rng = np.random.default_rng(seed)
        self._items = iter([{name: rng.normal(0, 1, shape).astype(np.float32)} for _ in range(4)])

    def get_next(self):
        return next(self._items, None)


def float_network(seed: int) -> onnx.ModelProto:
    """Convolutions (strided, depthwise, pointwise), pooling, a residual sum, concatenation, a classifier."""
    rng = np.random.default_rng(seed)
    weights: list[TensorProto] = []

    def constant(name: str, *shape: int) -> str:
        values = rng.normal(0, 1 / np.sqrt(np.prod(shape[1:]) or 1), shape).astype(np.float32)
        weights.append(numpy_helper.from_array(values, name))
        return name

    def conv(name: str, source: str, M: int, C: int, taps: int, **attributes) -> list[onnx.NodeProto]:
        inputs = [source, constant(f"{name}_w", M, C, taps, taps), constant(f"{name}_b", M)]
        return [
            helper.make_node("Conv", inputs, [f"{name}_sum"], name=name, **attributes),
            helper.make_node("Relu", [f"{name}_sum"], [name]),
        ]

    nodes = [
        *conv("first", "image", 8, 3, 3, strides=[2, 2], pads=[0, 0, 1, 1]),
        helper.make_node(
            "MaxPool", ["first"], ["pooled"], kernel_shape=[2, 2], strides=[1, 1], pads=[0, 0, 1, 1]
        ),
        *conv("depthwise", "pooled", 8, 1, 3, group=8, pads=[1, 1, 1, 1]),
        *conv("pointwise", "depthwise", 8, 8, 1),
        helper.make_node("Add", ["pointwise", "pooled"], ["total"]),
        helper.make_node("Relu", ["total"], ["residual"]),
        *conv("wide", "residual", 12, 8, 3, pads=[1, 1, 1, 1]),
        helper.make_node("Concat", ["wide", "residual"], ["joined"], axis=1),
        helper.make_node("AveragePool", ["joined"], ["averaged"], kernel_shape=[2, 2], strides=[2, 2]),
        *conv("last", "averaged", 16, 20, 1),
        helper.make_node("GlobalAveragePool", ["last"], ["means"]),
        helper.make_node("Flatten", ["means"], ["flat"]),
        helper.make_node(
            "Gemm", ["flat", constant("fc_w", 5, 16), constant("fc_b", 5)], ["scores"], transB=1
        ),
        helper.make_node("Softmax", ["scores"], ["classes"], axis=-1),
    ]
    graph = helper.make_graph(
        nodes,
        "network",
        [helper.make_tensor_value_info("image", TensorProto.FLOAT, [1, 3, 16, 16])],
        [helper.make_tensor_value_info("classes", TensorProto.FLOAT, [1, 5])],
        weights,
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)])
    model.ir_version = 9
    return model


def quantised_network(
    directory: Path, seed: int, *, qdq: bool, per_channel: bool, activations: str = "int8"
) -> Path:
    """The file of a quantised network."""
    source, target = directory / "float.onnx", directory / f"{qdq}_{per_channel}_{activations}.onnx"
    onnx.save(float_network(seed), str(source))
    quantize_static(
        str(source),
        str(target),
        Calibration("image", (1, 3, 16, 16), seed),
        quant_format=QuantFormat.QDQ if qdq else QuantFormat.QOperator,
        per_channel=per_channel,
        activation_type=QuantType.QInt8 if activations == "int8" else QuantType.QUInt8,
        weight_type=QuantType.QInt8,
    )
    return target
