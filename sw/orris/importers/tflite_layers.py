"""TFLite's convolutions, fully connected layers and pooling as operators of a graph."""

from typing import Any

import numpy as np
import tflite
from numpy.typing import NDArray

from ..graph import operators as ops
from ..graph.operators import Operator
from ..layers import Padding, same_padding
from .tflite_source import Converter, Source, activation, image, need_quantised
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


def _dilation(options: Any) -> int:
    height, width = options.DilationHFactor(), options.DilationWFactor()
    if height != width or height < 1:
        raise Unsupported(f"dilation {height} x {width}, expected the same on both axes")
    return height


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
    stride, dilation = _strides(options), _dilation(options)
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
