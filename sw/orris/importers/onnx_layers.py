"""ONNX's convolutions, matrix products and pooling as operators of a graph.

Operators on real numbers (QDQ form) and their QLinear counterparts end in the same places: `_convolution`,
`_rows`, `_pooled`.
"""

import numpy as np

from ..graph import Quantisation
from ..graph import operators as ops
from .onnx_builder import Bounds, Builder, Node
from .onnx_moves import moved
from .onnx_node import NONE, common_of, made, padding_of, pair, quantised, result_of
from .unsupported import Unsupported


def _convolution(
    builder: Builder, node: Node, ifmap: str, weights: str, bias: list[str], ofmap: str, bounds: Bounds
) -> None:
    tensor = builder.tensors[weights]
    shape, _ = builder.type_of(ifmap)
    if not tensor.constant or len(tensor.shape) != 4 or len(shape) != 4:
        raise Unsupported(f"its filter is {list(tensor.shape)}: expected a constant over two axes")
    stride, dilation = pair(node, "strides"), pair(node, "dilations")
    if dilation[0] != dilation[1]:
        raise Unsupported(f"dilation {dilation[0]} x {dilation[1]}, expected the same on both axes")
    R, S = tensor.shape[2:]
    builder.add(
        ops.Convolution(
            **common_of(node, [ifmap, weights, *bias], [ofmap]),
            stride=stride,
            dilation=dilation,
            padding=padding_of(node, *shape[2:], (R, S), stride, dilation[0]),
            groups=node.attributes.get("group", 1),
            bounds=bounds,
            rounding="single",
        )
    )


def conv(builder: Builder, node: Node) -> None:
    ifmap, weights = builder.behind(node.input(0)), builder.behind(node.input(1))
    bias = _bias(builder, node, node.input(2), ifmap, weights)
    _convolution(builder, node, ifmap, weights, bias, *result_of(builder, node))


def qlinear_conv(builder: Builder, node: Node) -> None:
    ifmap, weights = quantised(builder, node, 0), quantised(builder, node, 3)
    bias = [builder.declare(node.input(8))] if node.input(8) else []
    _convolution(builder, node, ifmap, weights, bias, made(builder, node, 6), NONE)


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
    common = common_of(node, [ifmap, weights, *bias], [ofmap])
    builder.add(ops.FullyConnected(**common, bounds=bounds, rounding="single"))


def gemm(builder: Builder, node: Node) -> None:
    if node.attributes.get("transA", 0) or {node.attributes.get(each, 1.0) for each in ("alpha", "beta")} != {
        1.0
    }:
        raise Unsupported("with factors or a transposed first matrix")
    ifmap, weights = builder.behind(node.input(0)), builder.behind(node.input(1))
    bias = _bias(builder, node, node.input(2), ifmap, weights)
    _rows(
        builder, node, ifmap, weights, bool(node.attributes.get("transB", 0)), bias, *result_of(builder, node)
    )


def matmul(builder: Builder, node: Node) -> None:
    ifmap, weights = builder.behind(node.input(0)), builder.behind(node.input(1))
    _rows(builder, node, ifmap, weights, False, [], *result_of(builder, node))


def qgemm(builder: Builder, node: Node) -> None:
    if node.attributes.get("transA", 0) or node.attributes.get("alpha", 1.0) != 1.0:
        raise Unsupported("with factors or a transposed first matrix")
    transposed = bool(node.attributes.get("transB", 0))
    ifmap, weights = quantised(builder, node, 0), quantised(builder, node, 3, 0 if transposed else 1)
    if not node.input(7):
        raise Unsupported("its result is real numbers")
    bias = [builder.declare(node.input(6))] if node.input(6) else []
    _rows(builder, node, ifmap, weights, transposed, bias, made(builder, node, 7), NONE)


def qlinear_matmul(builder: Builder, node: Node) -> None:
    ifmap, weights = quantised(builder, node, 0), quantised(builder, node, 3, 1)
    _rows(builder, node, ifmap, weights, False, [], made(builder, node, 6), NONE)


def _pooled(builder: Builder, node: Node, largest: bool, ifmap: str, ofmap: str, bounds: Bounds) -> None:
    shape, _ = builder.type_of(ifmap)
    if len(shape) != 4:
        raise Unsupported(f"of a tensor {list(shape)}: expected an image")
    window, stride = pair(node, "kernel_shape"), pair(node, "strides")
    padding = padding_of(node, *shape[2:], window, stride, 1)
    if pair(node, "dilations") != (1, 1) or (node.attributes.get("ceil_mode", 0)):
        raise Unsupported("with dilation, or sizes rounded up")
    if node.attributes.get("count_include_pad", 0) and any(padding):
        raise Unsupported("with padding that counts")
    common = common_of(node, [ifmap], [ofmap])
    builder.add(
        ops.Pool(**common, largest=largest, window=window, stride=stride, padding=padding, bounds=bounds)
    )


def max_pool(builder: Builder, node: Node) -> None:
    moved(builder, node, lambda source, output: _pooled(builder, node, True, source, output, NONE))


def average_pool(builder: Builder, node: Node) -> None:
    _pooled(builder, node, False, builder.behind(node.input(0)), *result_of(builder, node))


def qlinear_average_pool(builder: Builder, node: Node) -> None:
    if node.attributes.get("channels_last", 0):
        raise Unsupported("with channels last")
    _pooled(builder, node, False, quantised(builder, node, 0), made(builder, node, 3), NONE)


def global_average_pool(builder: Builder, node: Node) -> None:
    name = builder.behind(node.input(0))
    output, bounds = result_of(builder, node)
    if bounds != NONE:
        raise Unsupported("with an activation behind it")
    builder.add(ops.Mean(**common_of(node, [name], [output]), axes=(2, 3), keep=True))


def qlinear_global_average_pool(builder: Builder, node: Node) -> None:
    if node.attributes.get("channels_last", 0):
        raise Unsupported("with channels last")
    name = quantised(builder, node, 0)
    builder.add(ops.Mean(**common_of(node, [name], [made(builder, node, 3)]), axes=(2, 3), keep=True))


def reduce_mean(builder: Builder, node: Node) -> None:
    name = builder.behind(node.input(0))
    rank = len(builder.type_of(node.input(0))[0])
    axes = node.attributes.get("axes")
    if node.input(1):
        axes = builder.constant(node.input(1), "list of axes").tolist()
    chosen = tuple(sorted(axis % rank for axis in (axes or range(rank))))
    output, bounds = result_of(builder, node)
    if bounds != NONE:
        raise Unsupported("with an activation behind it")
    keep = bool(node.attributes.get("keepdims", 1))
    builder.add(ops.Mean(**common_of(node, [name], [output]), axes=chosen, keep=keep))
