"""ONNX's operators that compute value by value, or over an axis, as operators of a graph."""

from collections.abc import Callable
from typing import Any

import numpy as np

from ..graph import operators as ops
from .onnx_builder import Builder, Node
from .onnx_moves import moved
from .onnx_node import Converter, common_of, made, quantised, real_or_quantised, step_of
from .unsupported import Unsupported


def quantize_linear(builder: Builder, node: Node) -> None:
    """On its own: at the border, or a change of scale; behind an operator it is part of that."""
    source = node.input(0)
    output = builder.quantised_result(node)
    name = builder.value(source)
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


Arithmetic = type[ops.Add] | type[ops.Subtract] | type[ops.Multiply]


def binary(kind: Arithmetic) -> Converter:
    def binary(builder: Builder, node: Node) -> None:
        inputs = [builder.value(name) for name in node.inputs]
        output, bounds = real_or_quantised(builder, node)
        builder.add(kind(**common_of(node, inputs, [output]), bounds=bounds))

    return binary


def qlinear_binary(kind: Arithmetic) -> Converter:
    def binary(builder: Builder, node: Node) -> None:
        inputs = [quantised(builder, node, 0), quantised(builder, node, 3)]
        builder.add(kind(**common_of(node, inputs, [made(builder, node, 6)])))

    return binary


def clamp(builder: Builder, node: Node) -> None:
    """A Relu or Clip that no operator before it can take over."""
    bounds, name = builder.bounds(node), builder.value(node.input(0))
    result = builder.result(node, clamps=False)
    output = builder.declare(node.outputs[0]) if result is None else result[0]
    builder.add(ops.Clamp(**common_of(node, [name], [output]), bounds=bounds))


def on_host(make: Callable[[Builder, Node, dict[str, Any]], ops.Operator], inputs: int = 1) -> Converter:
    """An operator that the host computes in real numbers, whatever its tensors are."""

    def convert(builder: Builder, node: Node) -> None:
        names = [builder.value(node.input(index)) for index in range(inputs)]
        result = builder.result(node, clamps=False)
        output = builder.declare(node.outputs[0]) if result is None else result[0]
        builder.add(make(builder, node, common_of(node, names, [output])))

    return convert


def activation(function: ops.Function, alpha: float = 1.0, beta: float = 0.0) -> Converter:
    """A function of each value; factors are the defaults of the format."""

    def make(builder: Builder, node: Node, common: dict[str, Any]) -> ops.Operator:
        given = node.attributes.get("alpha", alpha), node.attributes.get("beta", beta)
        return ops.Activation(**common, function=function, alpha=float(given[0]), beta=float(given[1]))

    return on_host(make)


def _slope(builder: Builder, node: Node, common: dict[str, Any]) -> ops.Operator:
    return ops.Slope(**common, alpha=float(node.attributes.get("alpha", 0.01)))


leaky_relu, prelu = on_host(_slope), on_host(lambda builder, node, common: ops.Slope(**common), 2)


def extreme(largest: bool) -> Converter:
    def make(builder: Builder, node: Node, common: dict[str, Any]) -> ops.Operator:
        if len(node.inputs) != 2:
            raise Unsupported(f"of {len(node.inputs)} tensors")
        return ops.Extreme(**common, largest=largest)

    return on_host(make, 2)


def interpolate(builder: Builder, node: Node) -> None:
    """Resize between neighbours."""
    transform = node.attributes.get("coordinate_transformation_mode", b"half_pixel")
    shape, _ = builder.type_of(node.outputs[0])
    if node.attributes.get("antialias", 0) or len(shape) != 4:
        raise Unsupported("with anti-aliasing, or of no image")
    centred = transform in (b"half_pixel", b"pytorch_half_pixel")
    corners = transform == b"align_corners"
    known = centred or corners or transform == b"asymmetric"
    if not known or (transform == b"pytorch_half_pixel" and min(shape[2:]) == 1):
        raise Unsupported(f"coordinates {transform.decode()}")
    fields = dict(corners=corners, centred=centred)
    if builder.type_of(node.input(0))[1].kind in "iu":  # the operator-oriented form
        moved(
            builder,
            node,
            lambda source, output: builder.add(
                ops.Interpolate(**common_of(node, [source], [output]), **fields, raw=True)
            ),
        )
        return
    on_host(lambda builder, node, common: ops.Interpolate(**common, **fields))(builder, node)


def batch_normalization(builder: Builder, node: Node) -> None:
    """A factor and a summand for each channel."""
    scale, bias, mean, variance = (
        builder.real_constant(name, "parameters").astype(np.float64) for name in node.inputs[1:5]
    )
    if node.attributes.get("training_mode", 0) or len(node.outputs) != 1:
        raise Unsupported("in training")
    factor = scale / np.sqrt(variance + node.attributes.get("epsilon", 1e-5))
    shape, _ = builder.type_of(node.input(0))
    along = (factor.size, *(1 for _ in shape[2:]))
    name, source = node.outputs[0], builder.value(node.input(0))
    factors = builder.new(f"{name} (factors)", factor.astype(np.float32).reshape(along))
    summands = builder.new(f"{name} (summands)", (bias - mean * factor).astype(np.float32).reshape(along))
    product = builder.intermediate(f"{name} (product)", shape)
    output, bounds = real_or_quantised(builder, node)
    step = step_of(node, "factors", [source, factors], [product])
    builder.add(ops.Multiply(**step))
    builder.add(ops.Add(**common_of(node, [product, summands], [output]), bounds=bounds))


def axes_of(builder: Builder, node: Node) -> tuple[int, ...]:
    """What is reduced over: an attribute or the second input; all axes if neither is there."""
    rank = len(builder.type_of(node.input(0))[0])
    axes = node.attributes.get("axes")
    if node.input(1):
        axes = builder.constant(node.input(1), "list of axes").tolist()
    return tuple(sorted(axis % rank for axis in (axes or range(rank))))


def reduce_mean(builder: Builder, node: Node) -> None:
    axes, keep = axes_of(builder, node), bool(node.attributes.get("keepdims", 1))
    on_host(lambda builder, node, common: ops.Mean(**common, axes=axes, keep=keep))(builder, node)


def reduce_extreme(largest: bool) -> Converter:
    def convert(builder: Builder, node: Node) -> None:
        axes, keep = axes_of(builder, node), bool(node.attributes.get("keepdims", 1))

        def add(source: str, output: str) -> None:
            common = common_of(node, [source], [output])
            builder.add(ops.ExtremeOver(**common, largest=largest, axes=axes, keep=keep))

        moved(builder, node, add)

    return convert


def qlinear_leaky_relu(builder: Builder, node: Node) -> None:
    common = common_of(node, [quantised(builder, node, 0)], [made(builder, node, 3)])
    builder.add(_slope(builder, node, common))


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
    name = builder.value(source)
    rank = len(builder.type_of(source)[0])
    axis, keep = node.attributes.get("axis", 0) % rank, bool(node.attributes.get("keepdims", 1))
    output = builder.declare(node.outputs[0])
    builder.add(ops.ArgMax(**common_of(node, [name], [output]), axis=axis, keep=keep))
