"""ONNX's operators that compute value by value, or over an axis, as operators of a graph."""

from collections.abc import Callable
from typing import Any

from ..graph import operators as ops
from .onnx_builder import Builder, Node
from .onnx_node import Converter, common_of, made, quantised, result_of
from .unsupported import Unsupported


def quantize_linear(builder: Builder, node: Node) -> None:
    """On its own: at the border, or a change of scale; behind an operator it is part of that."""
    source = node.input(0)
    output = builder.quantised_result(node)
    name = builder.behind(source) if builder.is_quantised(source) else builder.real(source)
    if builder.tensors[name].dtype.kind == "f" and source not in builder.tensors:
        raise Unsupported(f"tensor '{source}' is not computed")
    builder.add(ops.Quantise(**common_of(node, [name], [output])))


def dequantize_linear(builder: Builder, node: Node) -> None:
    name, axis = node.input(0), node.attributes.get("axis", 1)
    shape, dtype = builder.type_of(name)
    quantisation = builder.quantisation(
        node.input(1), node.input(2), dtype, axis % len(shape) if shape else 0
    )
    builder.stand_for(node.outputs[0], builder.declare(name, quantisation))


def binary(kind: type[ops.Add] | type[ops.Multiply]) -> Converter:
    def binary(builder: Builder, node: Node) -> None:
        inputs = [builder.behind(name) for name in node.inputs]
        output, bounds = result_of(builder, node)
        builder.add(kind(**common_of(node, inputs, [output]), bounds=bounds))

    return binary


def qlinear_binary(kind: type[ops.Add] | type[ops.Multiply]) -> Converter:
    def binary(builder: Builder, node: Node) -> None:
        inputs = [quantised(builder, node, 0), quantised(builder, node, 3)]
        builder.add(kind(**common_of(node, inputs, [made(builder, node, 6)])))

    return binary


def clamp(builder: Builder, node: Node) -> None:
    """A Relu or Clip that no operator before it can take over."""
    bounds = builder.bounds(node)
    result = builder.result(node, clamps=False)
    if result is None:
        raise Unsupported("its result is used as real numbers, not quantised at once")
    builder.add(ops.Clamp(**common_of(node, [builder.behind(node.input(0))], [result[0]]), bounds=bounds))


def on_host(make: Callable[[Builder, Node, dict[str, Any]], ops.Operator]) -> Converter:
    """An operator that the host computes in real numbers, whatever its tensors are."""

    def convert(builder: Builder, node: Node) -> None:
        source = node.input(0)
        name = builder.behind(source) if builder.is_quantised(source) else builder.real(source)
        result = builder.result(node, clamps=False)
        output = builder.declare(node.outputs[0]) if result is None else result[0]
        builder.add(make(builder, node, common_of(node, [name], [output])))

    return convert


def softmax(builder: Builder, node: Node, common: dict[str, Any]) -> ops.Operator:
    rank = len(builder.type_of(node.input(0))[0])
    return ops.Softmax(**common, axis=node.attributes.get("axis", -1) % rank)


def qlinear_softmax(builder: Builder, node: Node) -> None:
    name, rank = quantised(builder, node, 0), len(builder.type_of(node.input(0))[0])
    axis = node.attributes.get("axis", -1) % rank
    builder.add(ops.Softmax(**common_of(node, [name], [made(builder, node, 3)]), axis=axis))


def qlinear_sigmoid(builder: Builder, node: Node) -> None:
    common = common_of(node, [quantised(builder, node, 0)], [made(builder, node, 3)])
    builder.add(ops.Activation(**common, function="logistic"))


def arg_max(builder: Builder, node: Node) -> None:
    if node.attributes.get("select_last_index", 0):
        raise Unsupported("the last of equal values")
    source = node.input(0)
    name = builder.behind(source) if builder.is_quantised(source) else builder.real(source)
    rank = len(builder.type_of(source)[0])
    axis, keep = node.attributes.get("axis", 0) % rank, bool(node.attributes.get("keepdims", 1))
    output = builder.declare(node.outputs[0])
    builder.add(ops.ArgMax(**common_of(node, [name], [output]), axis=axis, keep=keep))
