"""What each ONNX operator becomes in a graph.

Operators on real numbers (QDQ form) and their QLinear counterparts end in the same places: `_convolution`,
`_rows`, `_together`, `_pooled`.
"""

from collections.abc import Callable
from typing import Any

import numpy as np

from ..graph import Quantisation, Tensor
from ..graph import operators as ops
from ..layers import Padding, same_padding
from .onnx_builder import Bounds, Builder, Node
from .unsupported import Unsupported

NONE: Bounds = (None, None)
Converter = Callable[[Builder, Node], None]


def _common(node: Node, inputs: list[str], outputs: list[str]) -> dict[str, Any]:
    return {"kind": node.kind, "name": node.name, "inputs": tuple(inputs), "outputs": tuple(outputs)}


def _quantised(builder: Builder, node: Node, at: int, axis: int = 0) -> str:
    """A QLinear operator's input: tensor, scale and zero point from input `at` on."""
    name = node.input(at)
    _, dtype = builder.type_of(name)
    return builder.declare(name, builder.quantisation(node.input(at + 1), node.input(at + 2), dtype, axis))


def _made(builder: Builder, node: Node, at: int) -> str:
    """A QLinear operator's output, whose scale and zero point are inputs `at` and `at` + 1."""
    name = node.outputs[0]
    _, dtype = builder.type_of(name)
    return builder.declare(name, builder.quantisation(node.input(at), node.input(at + 1), dtype))


def _result(builder: Builder, node: Node) -> tuple[str, Bounds]:
    result = builder.result(node)
    if result is None:
        raise Unsupported("its result is used as real numbers, not quantised at once")
    return result


# -- quantisation ------------------------------------------------------------------------------------------
def quantize_linear(builder: Builder, node: Node) -> None:
    """On its own: at the border, or a change of scale; behind an operator it is part of that."""
    source = node.input(0)
    output = builder.quantised_result(node)
    name = builder.behind(source) if builder.is_quantised(source) else builder.real(source)
    if builder.tensors[name].dtype.kind == "f" and source not in builder.tensors:
        raise Unsupported(f"tensor '{source}' is not computed")
    builder.add(ops.Quantise(**_common(node, [name], [output])))


def dequantize_linear(builder: Builder, node: Node) -> None:
    name, axis = node.input(0), node.attributes.get("axis", 1)
    shape, dtype = builder.type_of(name)
    quantisation = builder.quantisation(
        node.input(1), node.input(2), dtype, axis % len(shape) if shape else 0
    )
    builder.stand_for(node.outputs[0], builder.declare(name, quantisation))


# -- convolutions and matrix products ----------------------------------------------------------------------
def _padding(node: Node, H: int, W: int, taps: tuple[int, int], stride: tuple[int, int], D: int) -> Padding:
    scheme = node.attributes.get("auto_pad", b"NOTSET").decode()
    if scheme in ("NOTSET", ""):
        return Padding(*node.attributes.get("pads", [0] * 4))
    if scheme == "VALID":
        return Padding()
    same = same_padding(H, W, *taps, *stride, D)
    if scheme == "SAME_LOWER":
        return Padding(same.bottom, same.right, same.top, same.left)
    return same


def _pair(node: Node, name: str) -> tuple[int, int]:
    values = tuple(node.attributes.get(name, [1, 1]))
    if len(values) != 2 or min(values) < 1:
        raise Unsupported(f"{name} {list(values)}: expected two axes")
    return values


def _convolution(
    builder: Builder, node: Node, ifmap: str, weights: str, bias: list[str], ofmap: str, bounds: Bounds
) -> None:
    tensor = builder.tensors[weights]
    shape, _ = builder.type_of(ifmap)
    if not tensor.constant or len(tensor.shape) != 4 or len(shape) != 4:
        raise Unsupported(f"its filter is {list(tensor.shape)}: expected a constant over two axes")
    stride, dilation = _pair(node, "strides"), _pair(node, "dilations")
    if dilation[0] != dilation[1]:
        raise Unsupported(f"dilation {dilation[0]} x {dilation[1]}, expected the same on both axes")
    R, S = tensor.shape[2:]
    builder.add(
        ops.Convolution(
            **_common(node, [ifmap, weights, *bias], [ofmap]),
            stride=stride,
            dilation=dilation,
            padding=_padding(node, *shape[2:], (R, S), stride, dilation[0]),
            groups=node.attributes.get("group", 1),
            bounds=bounds,
            rounding="single",
        )
    )


def conv(builder: Builder, node: Node) -> None:
    ifmap, weights = builder.behind(node.input(0)), builder.behind(node.input(1))
    bias = _bias(builder, node, node.input(2), ifmap, weights)
    _convolution(builder, node, ifmap, weights, bias, *_result(builder, node))


def qlinear_conv(builder: Builder, node: Node) -> None:
    ifmap, weights = _quantised(builder, node, 0), _quantised(builder, node, 3)
    bias = [builder.declare(node.input(8))] if node.input(8) else []
    _convolution(builder, node, ifmap, weights, bias, _made(builder, node, 6), NONE)


def _bias(builder: Builder, node: Node, name: str, ifmap: str, weights: str) -> list[str]:
    """The bias in units of the sums: as it is quantised, or quantised here."""
    if not name:
        return []
    if builder.is_quantised(name):
        return [builder.behind(name)]
    quantisation = builder.tensors[weights].quantisation
    scales = builder.tensors[ifmap].scale * (np.ones(1) if quantisation is None else quantisation.scale)
    steps = np.rint(builder.constant(name, "bias").reshape(-1) / scales)
    limit = (1 << 31) - 1
    return [builder.new(f"{name} (quantised)", np.clip(steps, -limit, limit).astype(np.int32))]


def _rows(
    builder: Builder, node: Node, ifmap: str, weights: str, transposed: bool, bias: list[str], ofmap: str,
    bounds: Bounds,
) -> None:  # fmt: skip
    """A fully connected layer; weights are (M, C), or (C, M) unless `transposed`."""
    tensor = builder.tensors[weights]
    if tensor.values is None or len(tensor.shape) != 2 or tensor.quantisation is None:
        raise Unsupported("its second matrix is not constant")
    if not transposed:
        weights = f"{tensor.name} (M, C)"
        builder.new(
            weights,
            np.ascontiguousarray(tensor.values.T),
            Quantisation(tensor.quantisation.scale, tensor.quantisation.zero_point, 0),
        )
    builder.add(
        ops.FullyConnected(
            **_common(node, [ifmap, weights, *bias], [ofmap]), bounds=bounds, rounding="single"
        )
    )


def gemm(builder: Builder, node: Node) -> None:
    if node.attributes.get("transA", 0) or {node.attributes.get(each, 1.0) for each in ("alpha", "beta")} != {
        1.0
    }:
        raise Unsupported("with factors or a transposed first matrix")
    ifmap, weights = builder.behind(node.input(0)), builder.behind(node.input(1))
    bias = _bias(builder, node, node.input(2), ifmap, weights)
    _rows(
        builder, node, ifmap, weights, bool(node.attributes.get("transB", 0)), bias, *_result(builder, node)
    )


def matmul(builder: Builder, node: Node) -> None:
    ifmap, weights = builder.behind(node.input(0)), builder.behind(node.input(1))
    _rows(builder, node, ifmap, weights, False, [], *_result(builder, node))


def qgemm(builder: Builder, node: Node) -> None:
    if node.attributes.get("transA", 0) or node.attributes.get("alpha", 1.0) != 1.0:
        raise Unsupported("with factors or a transposed first matrix")
    transposed = bool(node.attributes.get("transB", 0))
    ifmap, weights = _quantised(builder, node, 0), _quantised(builder, node, 3, 0 if transposed else 1)
    if not node.input(7):
        raise Unsupported("its result is real numbers")
    bias = [builder.declare(node.input(6))] if node.input(6) else []
    _rows(builder, node, ifmap, weights, transposed, bias, _made(builder, node, 7), NONE)


def qlinear_matmul(builder: Builder, node: Node) -> None:
    ifmap, weights = _quantised(builder, node, 0), _quantised(builder, node, 3, 1)
    _rows(builder, node, ifmap, weights, False, [], _made(builder, node, 6), NONE)


# -- element by element ------------------------------------------------------------------------------------
def _binary(kind: type[ops.Add] | type[ops.Multiply]) -> Converter:
    def binary(builder: Builder, node: Node) -> None:
        inputs = [builder.behind(name) for name in node.inputs]
        output, bounds = _result(builder, node)
        builder.add(kind(**_common(node, inputs, [output]), bounds=bounds))

    return binary


def _qlinear_binary(kind: type[ops.Add] | type[ops.Multiply]) -> Converter:
    def binary(builder: Builder, node: Node) -> None:
        inputs = [_quantised(builder, node, 0), _quantised(builder, node, 3)]
        builder.add(kind(**_common(node, inputs, [_made(builder, node, 6)])))

    return binary


def clamp(builder: Builder, node: Node) -> None:
    """A Relu or Clip that no operator before it can take over."""
    bounds = builder.bounds(node)
    result = builder.result(node, clamps=False)
    if result is None:
        raise Unsupported("its result is used as real numbers, not quantised at once")
    builder.add(ops.Clamp(**_common(node, [builder.behind(node.input(0))], [result[0]]), bounds=bounds))


def _host(make: Callable[[Builder, Node, dict[str, Any]], ops.Operator]) -> Converter:
    """An operator that the host computes in real numbers, whatever its tensors are."""

    def convert(builder: Builder, node: Node) -> None:
        source = node.input(0)
        name = builder.behind(source) if builder.is_quantised(source) else builder.real(source)
        result = builder.result(node, clamps=False)
        output = builder.declare(node.outputs[0]) if result is None else result[0]
        builder.add(make(builder, node, _common(node, [name], [output])))

    return convert


def _softmax(builder: Builder, node: Node, common: dict[str, Any]) -> ops.Operator:
    rank = len(builder.type_of(node.input(0))[0])
    return ops.Softmax(**common, axis=node.attributes.get("axis", -1) % rank)


def qlinear_softmax(builder: Builder, node: Node) -> None:
    name, rank = _quantised(builder, node, 0), len(builder.type_of(node.input(0))[0])
    axis = node.attributes.get("axis", -1) % rank
    builder.add(ops.Softmax(**_common(node, [name], [_made(builder, node, 3)]), axis=axis))


def qlinear_sigmoid(builder: Builder, node: Node) -> None:
    common = _common(node, [_quantised(builder, node, 0)], [_made(builder, node, 3)])
    builder.add(ops.Activation(**common, function="logistic"))


def arg_max(builder: Builder, node: Node) -> None:
    if node.attributes.get("select_last_index", 0):
        raise Unsupported("the last of equal values")
    source = node.input(0)
    name = builder.behind(source) if builder.is_quantised(source) else builder.real(source)
    rank = len(builder.type_of(source)[0])
    axis, keep = node.attributes.get("axis", 0) % rank, bool(node.attributes.get("keepdims", 1))
    output = builder.declare(node.outputs[0])
    builder.add(ops.ArgMax(**_common(node, [name], [output]), axis=axis, keep=keep))


# -- pooling -----------------------------------------------------------------------------------------------
def _pooled(builder: Builder, node: Node, largest: bool, ifmap: str, ofmap: str, bounds: Bounds) -> None:
    shape, _ = builder.type_of(ifmap)
    if len(shape) != 4:
        raise Unsupported(f"of a tensor {list(shape)}: expected an image")
    window, stride = _pair(node, "kernel_shape"), _pair(node, "strides")
    padding = _padding(node, *shape[2:], window, stride, 1)
    if _pair(node, "dilations") != (1, 1) or (node.attributes.get("ceil_mode", 0)):
        raise Unsupported("with dilation, or sizes rounded up")
    if node.attributes.get("count_include_pad", 0) and any(padding):
        raise Unsupported("with padding that counts")
    common = _common(node, [ifmap], [ofmap])
    builder.add(
        ops.Pool(**common, largest=largest, window=window, stride=stride, padding=padding, bounds=bounds)
    )


def max_pool(builder: Builder, node: Node) -> None:
    _moved(builder, node, lambda source, output: _pooled(builder, node, True, source, output, NONE))


def average_pool(builder: Builder, node: Node) -> None:
    _pooled(builder, node, False, builder.behind(node.input(0)), *_result(builder, node))


def qlinear_average_pool(builder: Builder, node: Node) -> None:
    if node.attributes.get("channels_last", 0):
        raise Unsupported("with channels last")
    _pooled(builder, node, False, _quantised(builder, node, 0), _made(builder, node, 3), NONE)


def global_average_pool(builder: Builder, node: Node) -> None:
    name = builder.behind(node.input(0))
    output, bounds = _result(builder, node)
    if bounds != NONE:
        raise Unsupported("with an activation behind it")
    builder.add(ops.Mean(**_common(node, [name], [output]), axes=(2, 3), keep=True))


def qlinear_global_average_pool(builder: Builder, node: Node) -> None:
    if node.attributes.get("channels_last", 0):
        raise Unsupported("with channels last")
    name = _quantised(builder, node, 0)
    builder.add(ops.Mean(**_common(node, [name], [_made(builder, node, 3)]), axes=(2, 3), keep=True))


def reduce_mean(builder: Builder, node: Node) -> None:
    name = builder.behind(node.input(0))
    rank = len(builder.type_of(node.input(0))[0])
    axes = node.attributes.get("axes")
    if node.input(1):
        axes = builder.constant(node.input(1), "list of axes").tolist()
    chosen = tuple(sorted(axis % rank for axis in (axes or range(rank))))
    output, bounds = _result(builder, node)
    if bounds != NONE:
        raise Unsupported("with an activation behind it")
    keep = bool(node.attributes.get("keepdims", 1))
    builder.add(ops.Mean(**_common(node, [name], [output]), axes=chosen, keep=keep))


# -- moving values about -----------------------------------------------------------------------------------
def _moved(builder: Builder, node: Node, add: Callable[[str, str], None]) -> None:
    """An operator that changes no value: `add` it from one quantised tensor to another of the same scale.

    Between a DequantizeLinear and nothing that quantises, its result stands for a quantised tensor, too.
    Where what comes behind quantises to another scale, that is a step of its own.
    """
    source = node.input(0)
    if not builder.is_quantised(source):
        add(builder.real(source), builder.declare(node.outputs[0]))
        return
    name = builder.behind(source)
    before, output = builder.tensors[name], node.outputs[0]
    if builder.type_of(source)[1].kind in "iu":  # in the operator-oriented form nothing is dequantised
        add(name, builder.declare(output, before.quantisation))
        return
    result = builder.result(node, clamps=False)
    if result is not None and builder.tensors[result[0]].quantisation == before.quantisation:
        add(name, result[0])
        return
    shape, _ = builder.type_of(output)
    quantised = f"{output} (quantised)"
    builder.tensors[quantised] = Tensor(quantised, shape, before.dtype, before.quantisation)
    add(name, quantised)
    if result is None:
        builder.stand_for(output, quantised)
    else:
        again = {"kind": "QuantizeLinear", "name": f"{node.name}, rescaled"}
        builder.add(ops.Quantise(**again, inputs=(quantised,), outputs=(result[0],)))


def reshape(builder: Builder, node: Node) -> None:
    _moved(
        builder,
        node,
        lambda source, output: builder.add(ops.Reshape(**_common(node, [source], [output]))),
    )


def transpose(builder: Builder, node: Node) -> None:
    rank = len(builder.type_of(node.input(0))[0])
    axes = tuple(node.attributes.get("perm", range(rank - 1, -1, -1)))
    _moved(
        builder,
        node,
        lambda source, output: builder.add(ops.Transpose(**_common(node, [source], [output]), axes=axes)),
    )


def pad(builder: Builder, node: Node) -> None:
    if node.attributes.get("mode", b"constant") != b"constant":
        raise Unsupported("with another filling than a constant")
    amounts = node.attributes.get("pads")
    if amounts is None:
        amounts = builder.constant(node.input(1), "amount").tolist()
    if node.input(2) and builder.constant(node.input(2), "filling").any():
        raise Unsupported("it fills with another value than zero")
    half = len(amounts) // 2
    if half != len(builder.type_of(node.input(0))[0]) or min(amounts) < 0:
        raise Unsupported(f"amounts {amounts}")
    pairs = tuple(zip(amounts[:half], amounts[half:], strict=True))
    _moved(
        builder,
        node,
        lambda source, output: builder.add(ops.Pad(**_common(node, [source], [output]), amounts=pairs)),
    )


def resize(builder: Builder, node: Node) -> None:
    if node.attributes.get("mode", b"nearest") != b"nearest":
        raise Unsupported(f"mode {node.attributes['mode'].decode()}")
    (before, _), (after, _) = builder.type_of(node.input(0)), builder.type_of(node.outputs[0])
    if (
        len(before) != 4
        or any(new % old for old, new in zip(before, after, strict=True))
        or before[:2] != after[:2]
    ):
        raise Unsupported(f"from {list(before)} to {list(after)}: not by whole factors")
    transform = node.attributes.get("coordinate_transformation_mode", b"half_pixel")
    nearest = node.attributes.get("nearest_mode", b"round_prefer_floor")
    if not (transform == b"asymmetric" and nearest == b"floor") and transform != b"half_pixel":
        raise Unsupported(f"coordinates {transform.decode()}, {nearest.decode()}")
    factors = after[2] // before[2], after[3] // before[3]
    _moved(
        builder,
        node,
        lambda source, output: builder.add(ops.Resize(**_common(node, [source], [output]), factors=factors)),
    )


def _together(builder: Builder, node: Node, inputs: list[str], output: str, axis: int) -> None:
    """Concatenation of tensors, first brought to the output's scale where they have another."""
    after, rescaled = builder.tensors[output], []
    for number, name in enumerate(inputs):
        before = builder.tensors[name]
        if before.quantisation != after.quantisation:
            name = f"{output} (part {number})"
            builder.tensors[name] = Tensor(name, before.shape, after.dtype, after.quantisation)
            again = {"kind": "QuantizeLinear", "name": f"{node.name}, part {number}"}
            builder.add(ops.Quantise(**again, inputs=(before.name,), outputs=(name,)))
        rescaled.append(name)
    builder.add(ops.Concatenate(**_common(node, rescaled, [output]), axis=axis % len(after.shape)))


def concat(builder: Builder, node: Node) -> None:
    inputs = [builder.behind(name) for name in node.inputs]
    if builder.type_of(node.input(0))[1].kind in "iu":
        output = builder.declare(node.outputs[0], builder.tensors[inputs[0]].quantisation)
    else:
        output, bounds = _result(builder, node)
        if bounds != NONE:
            raise Unsupported("with an activation behind it")
    _together(builder, node, inputs, output, node.attributes["axis"])


def qlinear_concat(builder: Builder, node: Node) -> None:
    name = node.outputs[0]
    _, dtype = builder.type_of(name)
    output = builder.declare(name, builder.quantisation(node.input(0), node.input(1), dtype))
    inputs = [_quantised(builder, node, at) for at in range(2, len(node.inputs), 3)]
    _together(builder, node, inputs, output, node.attributes["axis"])


def identity(builder: Builder, node: Node) -> None:
    reshape(builder, node)


CONVERTERS: dict[str, Converter] = {
    "Add": _binary(ops.Add),
    "ArgMax": arg_max,
    "AveragePool": average_pool,
    "Clip": clamp,
    "Concat": concat,
    "Conv": conv,
    "DequantizeLinear": dequantize_linear,
    "Dropout": identity,
    "Flatten": reshape,
    "Gemm": gemm,
    "GlobalAveragePool": global_average_pool,
    "Identity": identity,
    "MatMul": matmul,
    "MaxPool": max_pool,
    "Mul": _binary(ops.Multiply),
    "Pad": pad,
    "QGemm": qgemm,
    "QLinearAdd": _qlinear_binary(ops.Add),
    "QLinearAveragePool": qlinear_average_pool,
    "QLinearConcat": qlinear_concat,
    "QLinearConv": qlinear_conv,
    "QLinearGlobalAveragePool": qlinear_global_average_pool,
    "QLinearMatMul": qlinear_matmul,
    "QLinearMul": _qlinear_binary(ops.Multiply),
    "QLinearSigmoid": qlinear_sigmoid,
    "QLinearSoftmax": qlinear_softmax,
    "QuantizeLinear": quantize_linear,
    "ReduceMean": reduce_mean,
    "Relu": clamp,
    "Reshape": reshape,
    "Resize": resize,
    "Sigmoid": _host(lambda builder, node, common: ops.Activation(**common, function="logistic")),
    "Softmax": _host(_softmax),
    "Squeeze": reshape,
    "Transpose": transpose,
    "Unsqueeze": reshape,
}
