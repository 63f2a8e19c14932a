"""TFLite's operators that compute value by value, or over an axis, as operators of a graph."""

import numpy as np
import tflite

from ..graph import operators as ops
from ..graph.operators import Operator
from .tflite_source import (
    QUANTISED,
    Bounds,
    Converter,
    Source,
    activation,
    axis_of,
    need_bytes,
    need_quantised,
)
from .unsupported import Unsupported


def add(source: Source) -> list[Operator]:
    need_quantised(source, 2)
    options = source.options(tflite.AddOptions())
    if source.tensor(0).dtype == np.int16 and options.PotScaleInt16():
        _need_general_scale(source)
    return [ops.Add(**source.common(), bounds=activation(options.FusedActivationFunction()))]


def _need_general_scale(source: Source) -> None:
    """With scales that are all powers of two the format's own implementation shifts instead."""
    for tensor in (source.tensor(0), source.tensor(1), source.result()):
        if np.log2(tensor.scale) % 1:
            return
    raise Unsupported("16-bit sums whose scales are powers of two")


def subtract(source: Source) -> list[Operator]:
    need_quantised(source, 2)
    options = source.options(tflite.SubOptions())
    if source.tensor(0).dtype == np.int16 and options.PotScaleInt16():
        _need_general_scale(source)
    return [ops.Subtract(**source.common(), bounds=activation(options.FusedActivationFunction()))]


def extreme(largest: bool) -> Converter:
    def extreme(source: Source) -> list[Operator]:
        _need_one_scale(source, 2)
        return [ops.Extreme(**source.common(), largest=largest)]

    return extreme


def _need_one_scale(source: Source, inputs: int) -> None:
    for index in range(inputs):
        if source.tensor(index).quantisation != source.result().quantisation:
            raise Unsupported("its inputs have another scale than its output")


def extreme_over(largest: bool) -> Converter:
    def extreme_over(source: Source) -> list[Operator]:
        _need_one_scale(source, 1)
        axes, keep = _axes(source)
        return [ops.ExtremeOver(**source.common(source.inputs[:1]), largest=largest, axes=axes, keep=keep)]

    return extreme_over


def leaky_relu(source: Source) -> list[Operator]:
    need_quantised(source)
    alpha = float(source.options(tflite.LeakyReluOptions()).Alpha())
    return [ops.Slope(**source.common(), alpha=alpha)]


def prelu(source: Source) -> list[Operator]:
    need_bytes(source)
    source.constant(1, "slope")
    return [ops.Slope(**source.common())]


def multiply(source: Source) -> list[Operator]:
    need_quantised(source, 2)
    options = source.options(tflite.MulOptions())
    return [ops.Multiply(**source.common(), bounds=activation(options.FusedActivationFunction()))]


def clamp(bounds: Bounds) -> Converter:
    def clamp(source: Source) -> list[Operator]:
        need_quantised(source)
        return [ops.Clamp(**source.common(), bounds=bounds)]

    return clamp


def mean(source: Source) -> list[Operator]:
    need_quantised(source)
    axes, keep = _axes(source)
    return [ops.Mean(**source.common(source.inputs[:1]), axes=axes, keep=keep)]


def _axes(source: Source) -> tuple[tuple[int, ...], bool]:
    """What is reduced over, and whether the axes stay with size 1."""
    rank = len(source.tensor(0).shape)
    axes = {axis_of(source, axis, rank) for axis in source.integers(1, "list of axes")}
    return tuple(sorted(axes)), bool(source.options(tflite.ReducerOptions()).KeepDims())


def softmax(source: Source) -> list[Operator]:
    need_quantised(source)
    after = source.result()
    wide = after.dtype == np.int16
    if source.tensor(0).dtype != after.dtype:
        raise Unsupported(f"from {source.tensor(0).dtype} to {after.dtype}")
    steps, least = (32768, 0) if wide else (256, np.iinfo(after.dtype).min)
    if abs(after.scale * steps - 1) > 1e-3 or after.zero_point != least:
        raise Unsupported(
            f"its output has scale {after.scale:g} and zero point {after.zero_point}, "
            f"not 1/{steps} and {least}"
        )
    beta = float(source.options(tflite.SoftmaxOptions()).Beta())
    return [ops.Softmax(**source.common(), axis=len(source.tensor(0).shape) - 1, beta=beta)]


def activation_function(function: ops.Function, wide: bool = False) -> Converter:
    """A function of each value, of 16 bits only if `wide`."""

    def convert(source: Source) -> list[Operator]:
        (need_quantised if wide else need_bytes)(source)
        after = source.result()
        if after.dtype == np.int16 and (after.zero_point or after.scale * 32768 != 1):
            raise Unsupported(f"its output has scale {after.scale:g}, not 1/32768")
        return [ops.Activation(**source.common(), function=function)]

    return convert


def hard_swish(source: Source) -> list[Operator]:
    need_bytes(source)
    if source.tensor(0).scale >= 128 * source.result().scale:
        raise Unsupported("its output is 128 times finer than its input")
    return [ops.Activation(**source.common(), function="hard swish")]


def cast(source: Source) -> list[Operator]:
    if source.tensor(0).quantisation is not None or source.result().quantisation is not None:
        raise Unsupported("of quantised values")
    return [ops.Cast(**source.common())]


def quantize(source: Source) -> list[Operator]:
    after = source.result()
    if source.tensor(0).dtype == np.float32 and after.dtype in QUANTISED and after.quantisation is not None:
        return [ops.Quantise(**source.common())]
    need_quantised(source)
    return [ops.Quantise(**source.common())]


def dequantize(source: Source) -> list[Operator]:
    if source.tensor(0).quantisation is None or source.result().dtype != np.float32:
        raise Unsupported(f"from {source.tensor(0).dtype} to {source.result().dtype}")
    return [ops.Dequantise(**source.common())]


def arg_max(source: Source) -> list[Operator]:
    rank = len(source.tensor(0).shape)
    axis = source.integers(1, "axis")
    if len(axis) != 1:
        raise Unsupported(f"axes {axis}")
    return [ops.ArgMax(**source.common(source.inputs[:1]), axis=axis_of(source, axis[0], rank), keep=False)]
