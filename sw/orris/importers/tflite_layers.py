"""TFLite's convolutions, fully connected layers and pooling as operators of a graph."""

from typing import Any

import numpy as np
import tflite
from numpy.typing import NDArray

from ..graph import operators as ops
from ..graph.operators import Operator
from ..layers import Padding, same_padding
from .tflite_source import QUANTISED, Converter, Source, activation, image, need_quantised
from .unsupported import Unsupported


def _padding(source: Source, scheme: int, taps: tuple[int, int], stride: tuple[int, int], D: int) -> Padding:
    if scheme == tflite.Padding.VALID:
        return Padding()
    if scheme != tflite.Padding.SAME:
        raise Unsupported(f"padding scheme {scheme}")
    height, width = image(source.tensor(0))
    return same_padding(height, width, *taps, *stride, D)


def _strides(options: Any) -> tuple[int, int]:
    stride = options.StrideH(), options.StrideW()
    if min(stride) < 1:
        raise Unsupported(f"stride {stride[0]} x {stride[1]}")
    return stride


def _dilation(options: Any, taps: tuple[int, int]) -> int:
    """Of both axes; that of an axis with a single tap does not matter."""
    height, width = options.DilationHFactor(), options.DilationWFactor()
    if min(height, width) < 1 or (min(taps) > 1 and height != width):
        raise Unsupported(f"dilation {height} x {width}, expected the same on both axes")
    return height if taps[0] > 1 else width


def _weights(source: Source, rank: int) -> NDArray:
    tensor, values = source.tensor(1), source.constant(1, "filter")
    if tensor.dtype not in (np.int8, np.uint8) or len(tensor.shape) != rank or tensor.quantisation is None:
        raise Unsupported(
            f"its filter is {tensor.dtype} {list(tensor.shape)}, "
            f"expected quantised 8-bit values of rank {rank}"
        )
    return values


def _bias(source: Source) -> list[str]:
    if len(source.inputs) < 3 or not source.inputs[2]:
        return []
    source.constant(2, "bias")
    return [source.inputs[2]]


def _convolution(source: Source, options: Any, weights: str, taps: tuple[int, int], groups: int) -> Operator:
    stride, dilation = _strides(options), _dilation(options, taps)
    return ops.Convolution(
        **source.common([source.inputs[0], weights, *_bias(source)]),
        stride=stride,
        dilation=(dilation, dilation),
        padding=_padding(source, options.Padding(), taps, stride, dilation),
        groups=groups,
        bounds=activation(options.FusedActivationFunction()),
        rounding=_rounding(source, "double"),
    )


def _rounding(source: Source, eight_bit: Any) -> Any:
    """16-bit activations are always rounded once."""
    return "single" if source.tensor(0).dtype == np.int16 else eight_bit


def conv_2d(source: Source) -> list[Operator]:
    need_quantised(source)
    values = _weights(source, 4)  # M, R, S, C
    _, R, S, C = values.shape
    channels = source.tensor(0).shape[-1]
    if C == 0 or channels % C:
        raise Unsupported(f"{channels} channels of the ifmap with filters of {C} channels")
    weights = source.derived(source.tensor(1), values.transpose(0, 3, 1, 2), "M, C, R, S")
    options = source.options(tflite.Conv2DOptions())
    return [_convolution(source, options, weights, (R, S), channels // C)]


def depthwise_conv_2d(source: Source) -> list[Operator]:
    need_quantised(source)
    values = _weights(source, 4)  # 1, R, S, M
    first, R, S, M = values.shape
    channels = source.tensor(0).shape[-1]
    if first != 1 or channels == 0 or M % channels:
        raise Unsupported(f"{channels} channels of the ifmap with a filter of shape {list(values.shape)}")
    weights = source.derived(source.tensor(1), values.transpose(3, 0, 1, 2), "M, C, R, S")
    options = source.options(tflite.DepthwiseConv2DOptions())
    return [_convolution(source, options, weights, (R, S), channels)]


def transpose_conv(source: Source) -> list[Operator]:
    """A convolution, turned round, of the ifmap with zeros between its values.

    Inputs are the shape of the result, filters (M, R, S, C) and the ifmap.
    """
    options = source.options(tflite.TransposeConvOptions())
    before, after, filters = source.tensor(2), source.result(), source.tensor(1)
    for tensor in (before, after):
        if tensor.dtype not in QUANTISED or tensor.quantisation is None:
            raise Unsupported(f"tensor '{tensor.name}' is of type {tensor.dtype}, or has no scale")
    values, stride = _weights(source, 4), _strides(options)
    sizes, results = image(before), image(after)
    spread = [(size - 1) * step + 1 for size, step in zip(sizes, stride, strict=True)]
    padding = _turned_padding(options.Padding(), spread, results, values.shape[1:3], stride)
    turned = source.derived(filters, values[:, ::-1, ::-1].transpose(0, 3, 1, 2), "M, C, R, S, turned round")
    operators: list[Operator] = []
    ifmap = before.name
    if stride != (1, 1):
        ifmap = source.part("spread", (before.shape[0], *spread, before.shape[3]), before)
        operators.append(ops.Spread(**source.step("spread", [before.name], [ifmap]), factors=stride))
    bias = [source.inputs[3]] if len(source.inputs) > 3 and source.inputs[3] else []
    bounds = activation(options.FusedActivationFunction())
    rounding = "single" if before.dtype == np.int16 else "double"
    common = source.common([ifmap, turned, *bias])
    return [*operators, ops.Convolution(**common, padding=padding, bounds=bounds, rounding=rounding)]


def _turned_padding(
    scheme: int, spread: list[int], results: tuple[int, int], taps: tuple[int, int], stride: tuple[int, int]
) -> Padding:
    """What is left of each side's reach when that of the convolution the other way is taken off."""
    if scheme not in (tflite.Padding.SAME, tflite.Padding.VALID):
        raise Unsupported(f"padding scheme {scheme}")
    same = same_padding(*results, *taps, *stride) if scheme == tflite.Padding.SAME else Padding()
    first = [tap - 1 - taken for tap, taken in zip(taps, (same.top, same.left), strict=True)]
    last = [
        result - size + tap - 1 - begin
        for result, size, tap, begin in zip(results, spread, taps, first, strict=True)
    ]
    if min(first + last) < 0 or any(end >= tap for end, tap in zip(last, taps, strict=True)):
        raise Unsupported(f"from {spread} to {list(results)} with a filter of {taps[0]} x {taps[1]}")
    return Padding(first[0], first[1], last[0], last[1])


def fully_connected(source: Source) -> list[Operator]:
    need_quantised(source)
    _weights(source, 2)
    options = source.options(tflite.FullyConnectedOptions())
    if options.WeightsFormat() != tflite.FullyConnectedOptionsWeightsFormat.DEFAULT:
        raise Unsupported("its filter is shuffled")
    return [
        ops.FullyConnected(
            **source.common([*source.inputs[:2], *_bias(source)]),
            bounds=activation(options.FusedActivationFunction()),
        )
    ]


def pool(largest: bool) -> Converter:
    def pool(source: Source) -> list[Operator]:
        need_quantised(source)
        options = source.options(tflite.Pool2DOptions())
        window, stride = (options.FilterHeight(), options.FilterWidth()), _strides(options)
        if min(window) < 1:
            raise Unsupported(f"window {window[0]} x {window[1]}")
        return [
            ops.Pool(
                **source.common(),
                largest=largest,
                window=window,
                stride=stride,
                padding=_padding(source, options.Padding(), window, stride, 1),
                bounds=activation(options.FusedActivationFunction()),
            )
        ]

    return pool
