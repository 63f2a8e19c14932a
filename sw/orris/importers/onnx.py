"""ONNX files in QDQ or operator-oriented (QLinear...) form as a graph."""

from math import prod
from typing import Any

import numpy as np
import onnx
from google.protobuf.message import DecodeError

from ..graph import ELEMENTS_LIMIT, Graph, ModelError
from .onnx_builder import Builder, Node
from .onnx_operators import CONVERTERS
from .unsupported import Refusals, Unsupported


def read_onnx(content: bytes, name: str) -> Graph:
    """The network in the bytes of an ONNX file; a batch of unknown size is taken as 1.

    Raises
    ------
    ModelError
        The file is damaged, or holds operators or types that are not supported.
    """
    model = _parsed(content, name)
    graph = model.graph
    constants = {}
    for tensor in graph.initializer:
        constants[tensor.name] = _array(tensor, name)
    for node in graph.node:
        if node.op_type == "Constant":
            value = next((each.t for each in node.attribute if each.name == "value"), None)
            if value is not None:
                constants[node.output[0]] = _array(value, name)
    inputs = [each.name for each in graph.input if each.name not in constants]
    _check_sizes(graph, inputs, name)
    outputs = [each.name for each in graph.output]
    nodes = [_node(node, number) for number, node in enumerate(graph.node) if node.op_type != "Constant"]
    try:
        builder = Builder(name, nodes, constants, _types(model, name), inputs, outputs)
        _convert(builder, nodes, name)
        return builder.graph()
    except Unsupported as why:
        raise ModelError(f"{name}: {why}") from None


def _check_sizes(graph: onnx.GraphProto, inputs: list[str], name: str) -> None:
    """ModelError for an input whose sizes are open; only that of the batch may be."""
    for value in graph.input:
        shape = value.type.tensor_type.shape.dim
        sizes = [
            each.dim_value if each.WhichOneof("value") == "dim_value" else each.dim_param or "?"
            for each in shape
        ]
        if value.name in inputs and any(isinstance(size, str) for size in sizes):
            raise ModelError(
                f"{name}: input '{value.name}' has the shape [{', '.join(map(str, sizes))}]: "
                "only the first size may be open, export the model with numbers for the others"
            )


def _convert(builder: Builder, nodes: list[Node], name: str) -> None:
    refusals = Refusals(name)
    for node in nodes:
        if node in builder.done or builder.fold(node):
            continue
        try:
            if node.kind not in CONVERTERS:
                raise Unsupported("")
            CONVERTERS[node.kind](builder, node)
        except Unsupported as why:
            refusals.add(node.kind, node.name, list(node.outputs), str(why))
            builder.give_up(node)
        except (ArithmeticError, IndexError, KeyError, TypeError, ValueError) as error:
            if isinstance(error, ModelError):
                raise
            raise ModelError(
                f"{name} is damaged: {node.kind} '{node.name}' cannot be read ({error})"
            ) from error
    refusals.raise_if_any(len(nodes))


def _parsed(content: bytes, name: str) -> onnx.ModelProto:
    """The model with the shapes of all tensors."""
    try:
        model = onnx.load_model_from_string(content)
        _fix_batch(model)
        onnx.checker.check_model(model)
        inferred = onnx.shape_inference.infer_shapes(_standard(model))
        model.graph.value_info.extend(inferred.graph.value_info)
        return model
    except (
        DecodeError,
        UnicodeError,
        ValueError,
        RuntimeError,
        onnx.checker.ValidationError,
        onnx.shape_inference.InferenceError,
    ) as error:
        if isinstance(error, ModelError):
            raise
        first = str(error).strip().splitlines()[0] if str(error).strip() else type(error).__name__
        raise ModelError(f"{name} is damaged, or no ONNX model: {first}") from error


STAND_INS: dict[str, tuple[str, tuple[int, ...]]] = {
    "QGemm": ("Gemm", (0, 3)),
    "QLinearAdd": ("Add", (0, 3)),
    "QLinearAveragePool": ("MaxPool", (0,)),
    "QLinearGlobalAveragePool": ("GlobalMaxPool", (0,)),
    "QLinearLeakyRelu": ("Identity", (0,)),
    "QLinearMul": ("Mul", (0, 3)),
    "QLinearSigmoid": ("Identity", (0,)),
    "QLinearSoftmax": ("Identity", (0,)),
}
"""Operators that shape inference does not know: what makes results of the same shape, from which inputs."""


def _standard(model: onnx.ModelProto) -> onnx.ModelProto:
    """A model whose tensors have the same shapes, of operators that shape inference knows."""
    copy = onnx.ModelProto()
    copy.CopyFrom(model)
    for node in copy.graph.node:
        kind, inputs = STAND_INS.get(node.op_type, (node.op_type, None))
        names = list(node.input)
        if node.op_type == "QLinearConcat":
            kind, chosen = "Concat", names[2::3]
        elif inputs is not None:
            chosen = [names[index] for index in inputs]
        else:
            continue
        node.op_type, node.domain = kind, ""
        del node.input[:]
        node.input.extend(chosen)
        wanted = {
            "Gemm": ("transB",),
            "MaxPool": ("kernel_shape", "strides", "pads", "auto_pad", "ceil_mode"),
        }
        kept = [each for each in node.attribute if each.name in wanted.get(kind, ("axis",))]
        del node.attribute[:]
        node.attribute.extend(kept if kind != "Identity" else [])
    return copy


def _fix_batch(model: onnx.ModelProto) -> None:
    for value in (*model.graph.input, *model.graph.output):
        for axis, dimension in enumerate(value.type.tensor_type.shape.dim):
            if axis == 0 and dimension.WhichOneof("value") != "dim_value":
                dimension.dim_value = 1
    del model.graph.value_info[:]  # shapes follow from the inputs'


def _types(model: onnx.ModelProto, name: str) -> dict[str, tuple[tuple[int, ...], np.dtype]]:
    """Shape and type of every tensor that has a known one."""
    found = {}
    graph = model.graph
    for value in (*graph.input, *graph.output, *graph.value_info):
        tensor = value.type.tensor_type
        sizes = [
            each.dim_value if each.WhichOneof("value") == "dim_value" else -1 for each in tensor.shape.dim
        ]
        if min(sizes, default=0) < 0:
            continue
        if prod(sizes) > ELEMENTS_LIMIT:
            raise ModelError(
                f"{name}: tensor '{value.name}' claims the shape {sizes}, more than {ELEMENTS_LIMIT} elements"
            )
        try:
            dtype = np.dtype(onnx.helper.tensor_dtype_to_np_dtype(tensor.elem_type))
        except KeyError:
            continue
        found[value.name] = (tuple(sizes), dtype)
    return found


def _array(tensor: onnx.TensorProto, name: str) -> np.ndarray:
    if tensor.data_location == onnx.TensorProto.EXTERNAL:
        raise ModelError(f"{name}: the values of '{tensor.name}' are in another file, which is not supported")
    if any(size < 0 for size in tensor.dims) or prod(tensor.dims) > ELEMENTS_LIMIT:
        raise ModelError(f"{name}: tensor '{tensor.name}' claims the shape {list(tensor.dims)}")
    try:
        return onnx.numpy_helper.to_array(tensor)
    except (KeyError, TypeError, ValueError) as error:
        raise ModelError(
            f"{name} is damaged: the values of '{tensor.name}' cannot be read ({error})"
        ) from error


def _node(node: onnx.NodeProto, number: int) -> Node:
    attributes: dict[str, Any] = {each.name: onnx.helper.get_attribute_value(each) for each in node.attribute}
    name = f"{node.op_type} {number}" + (f" {node.name}" if node.name else "")
    return Node(node.op_type, name, tuple(node.input), tuple(node.output), attributes)
