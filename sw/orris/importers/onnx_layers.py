"""ONNX's convolutions, matrix products and pooling as operators of a graph.

Operators on real numbers (QDQ form) and their QLinear counterparts end in the same places: `_convolution`,
`_rows`, `_pooled`.
"""

import numpy as np

from ..graph import Quantisation
from ..graph import operators as ops
from ..layers import Padding
from .onnx_builder import Bounds, Builder, Node
from .onnx_moves import moved
from .onnx_node import (
    NONE,
    common_of,
    from_image,
    image_of,
    made,
    padding_of,
    pair,
    quantised,
    real_or_quantised,
    result_of,
    step_of,
)
from .unsupported import Unsupported


def _convolution(
    builder: Builder, node: Node, ifmap: str, weights: str, bias: list[str], ofmap: str, bounds: Bounds
) -> None:
    weights, image = _filter_of_images(builder, weights), image_of(builder, node, ifmap)
    (R, S), (H, W) = builder.tensors[weights].shape[2:], builder.tensors[image].shape[2:]
    stride, dilation = pair(node, "strides"), _dilation(node, R, S)
    padding = padding_of(node, H, W, (R, S), stride, dilation)

    def add(output: str) -> None:
        builder.add(
            ops.Convolution(
                **common_of(node, [image, weights, *bias], [output]),
                stride=stride,
                dilation=(dilation, dilation),
                padding=padding,
                groups=node.attributes.get("group", 1),
                bounds=bounds,
                rounding="single",
            )
        )

    from_image(builder, node, ofmap, add)


def _filter_of_images(builder: Builder, weights: str) -> str:
    """A constant filter (M, C, R, S); one over a series (M, C, S) has a single row."""
    tensor = builder.tensors[weights]
    if tensor.values is None or tensor.quantisation is None or len(tensor.shape) not in (3, 4):
        raise Unsupported(f"its filter is {list(tensor.shape)}: expected a constant over one or two axes")
    if len(tensor.shape) == 4:
        return weights
    return builder.new(f"{weights} (M, C, R, S)", tensor.values[:, :, None], tensor.quantisation)


def _dilation(node: Node, R: int, S: int) -> int:
    """Of both axes; that of an axis with a single tap does not matter."""
    vertical, horizontal = pair(node, "dilations")
    if R > 1 and S > 1 and vertical != horizontal:
        raise Unsupported(f"dilation {vertical} x {horizontal}, expected the same on both axes")
    return vertical if R > 1 else horizontal


def conv_transpose(builder: Builder, node: Node) -> None:
    """A convolution, turned round, of the ifmap with zeros between its values."""
    ifmap, weights = builder.behind(node.input(0)), builder.behind(node.input(1))
    tensor, before = builder.tensors[weights], builder.tensors[ifmap]
    if (
        tensor.values is None
        or tensor.quantisation is None
        or len(tensor.shape) != 4
        or len(before.shape) != 4
    ):
        raise Unsupported(f"its filter is {list(tensor.shape)}: expected a constant over two axes")
    if node.attributes.get("auto_pad", b"NOTSET") not in (b"NOTSET", b"", b"VALID"):
        raise Unsupported("with automatic padding")
    groups, (C, _, R, S) = node.attributes.get("group", 1), tensor.shape
    stride, dilation = pair(node, "strides"), _dilation(node, R, S)
    values = tensor.values.reshape(groups, C // groups, -1, R, S).swapaxes(1, 2)[..., ::-1, ::-1]
    turned = builder.new(
        f"{weights} (turned round)",
        np.ascontiguousarray(values).reshape(-1, C // groups, R, S),
        _along_filters(tensor.quantisation, groups),
    )
    bias = _bias(builder, node, node.input(2), ifmap, turned)
    output, bounds = result_of(builder, node)
    N, channels, H, W = before.shape
    sizes = (H - 1) * stride[0] + 1, (W - 1) * stride[1] + 1
    if stride != (1, 1):
        spread = builder.intermediate(f"{output} (spread)", (N, channels, *sizes), before)
        step = step_of(node, "spread", [ifmap], [spread])
        builder.add(ops.Spread(**step, factors=stride))
        ifmap = spread
    builder.add(
        ops.Convolution(
            **common_of(node, [ifmap, turned, *bias], [output]),
            dilation=(dilation, dilation),
            padding=_turned_padding(node, sizes, (R, S), dilation, builder.tensors[output].shape[2:]),
            groups=groups,
            bounds=bounds,
            rounding="single",
        )
    )


def _along_filters(quantisation: Quantisation, groups: int) -> Quantisation:
    """Of a filter (C, M / groups, R, S), as that of one (M, C / groups, R, S)."""
    if quantisation.per_tensor:
        return quantisation
    if quantisation.axis != 1:
        raise Unsupported("its filter has a scale for each channel of the ifmap")
    return Quantisation(np.tile(quantisation.scale, groups), np.tile(quantisation.zero_point, groups), 0)


def _turned_padding(
    node: Node, sizes: tuple[int, int], taps: tuple[int, int], D: int, after: tuple[int, ...]
) -> Padding:
    """What is left of each side's reach, and as much behind as the size of the result takes."""
    reach = [(tap - 1) * D for tap in taps]
    pads = node.attributes.get("pads", [0] * 4)
    first = [each - pad for each, pad in zip(reach, pads[:2], strict=True)]
    last = [
        result + each - size - begin
        for result, each, size, begin in zip(after, reach, sizes, first, strict=True)
    ]
    if min(first + last) < 0 or any(end > each for end, each in zip(last, reach, strict=True)):
        raise Unsupported(f"pads {list(pads)} with a filter of {taps[0]} x {taps[1]}")
    return Padding(first[0], first[1], last[0], last[1])


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
    if pair(node, "dilations") != (1, 1):
        raise Unsupported("with dilation")
    image, window, stride = image_of(builder, node, ifmap), pair(node, "kernel_shape"), pair(node, "strides")
    sizes, results = builder.tensors[image].shape[2:], builder.tensors[ofmap].shape[2:]
    padding = padding_of(node, sizes[0], sizes[1], window, stride, 1)
    if node.attributes.get("count_include_pad", 0) and any(padding) and not largest:
        image, padding = _padded(builder, node, image, padding), Padding()
    elif node.attributes.get("ceil_mode", 0):
        results = results if len(results) == 2 else (1, *results)
        padding = _rounded_up(sizes, results, window, stride, padding)

    def add(output: str) -> None:
        common = common_of(node, [image], [output])
        builder.add(
            ops.Pool(**common, largest=largest, window=window, stride=stride, padding=padding, bounds=bounds)
        )

    from_image(builder, node, ofmap, add)


def _padded(builder: Builder, node: Node, image: str, padding: Padding) -> str:
    """An image with zeros round it that count in averages."""
    if node.attributes.get("ceil_mode", 0):
        raise Unsupported("with padding that counts, and sizes rounded up")
    tensor = builder.tensors[image]
    rows, columns = (padding.top, padding.bottom), (padding.left, padding.right)
    N, C, H, W = tensor.shape
    padded = builder.intermediate(
        f"{image} (padded for {node.name})", (N, C, H + sum(rows), W + sum(columns)), tensor
    )
    amounts = ((0, 0), (0, 0), rows, columns)
    step = step_of(node, "padding", [image], [padded])
    builder.add(ops.Pad(**step, amounts=amounts))
    return padded


def _rounded_up(
    sizes: tuple[int, ...],
    results: tuple[int, ...],
    window: tuple[int, int],
    stride: tuple[int, int],
    pad: Padding,
) -> Padding:
    """Padding with as much more behind as the last window of the result reaches over."""
    bottom, right = (
        max(end, (result - 1) * step + taps - size - begin)
        for result, step, taps, size, begin, end in zip(
            results, stride, window, sizes, (pad.top, pad.left), (pad.bottom, pad.right), strict=True
        )
    )
    return Padding(pad.top, pad.left, bottom, right)


def max_pool(builder: Builder, node: Node) -> None:
    moved(builder, node, lambda source, output: _pooled(builder, node, True, source, output, NONE))


def average_pool(builder: Builder, node: Node) -> None:
    _pooled(builder, node, False, builder.value(node.input(0)), *real_or_quantised(builder, node))


def qlinear_average_pool(builder: Builder, node: Node) -> None:
    if node.attributes.get("channels_last", 0):
        raise Unsupported("with channels last")
    _pooled(builder, node, False, quantised(builder, node, 0), made(builder, node, 3), NONE)


def _mean_of_images(builder: Builder, node: Node, name: str, output: str) -> None:
    image = image_of(builder, node, name)

    def add(result: str) -> None:
        builder.add(ops.Mean(**common_of(node, [image], [result]), axes=(2, 3), keep=True))

    from_image(builder, node, output, add)


def global_average_pool(builder: Builder, node: Node) -> None:
    name = builder.value(node.input(0))
    output, bounds = real_or_quantised(builder, node)
    if bounds != NONE:
        raise Unsupported("with an activation behind it")
    _mean_of_images(builder, node, name, output)


def global_max_pool(builder: Builder, node: Node) -> None:
    rank = len(builder.type_of(node.input(0))[0])

    def add(source: str, output: str) -> None:
        common, axes = common_of(node, [source], [output]), tuple(range(2, rank))
        builder.add(ops.ExtremeOver(**common, largest=True, axes=axes, keep=True))

    moved(builder, node, add)


def qlinear_global_average_pool(builder: Builder, node: Node) -> None:
    if node.attributes.get("channels_last", 0):
        raise Unsupported("with channels last")
    _mean_of_images(builder, node, quantised(builder, node, 0), made(builder, node, 3))
