"""What each TFLite operator becomes in a graph."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import tflite
from numpy.typing import NDArray

from ..graph import Quantisation, Tensor
from ..graph import operators as ops
from ..graph.operators import Operator
from ..layers import Padding, same_padding
from .unsupported import Unsupported

Bounds = tuple[float | None, float | None]
ACTIVATIONS: dict[int, Bounds] = {
    tflite.ActivationFunctionType.NONE: (None, None),
    tflite.ActivationFunctionType.RELU: (0.0, None),
    tflite.ActivationFunctionType.RELU_N1_TO_1: (-1.0, 1.0),
    tflite.ActivationFunctionType.RELU6: (0.0, 6.0),
}
QUANTISED = (np.dtype(np.int8), np.dtype(np.uint8), np.dtype(np.int16))


@dataclass(frozen=True)
class Source:
    """An operator of the file.

    Parameters
    ----------
    inputs, outputs : names of tensors; an input that is left out is "".
    tensors : of the graph; a converter may add constants in another layout.
    handles : the variable that each handle stands for.
    options : gives the options in the class that it is called with an object of.
    """

    kind: str
    name: str
    inputs: list[str]
    outputs: list[str]
    tensors: dict[str, Tensor]
    handles: dict[str, str]
    options: Callable[[Any], Any]

    def tensor(self, index: int) -> Tensor:
        """Input `index`."""
        if index >= len(self.inputs) or self.inputs[index] not in self.tensors:
            raise Unsupported(f"input {index} is missing")
        return self.tensors[self.inputs[index]]

    def result(self) -> Tensor:
        """The first output."""
        return self.tensors[self.outputs[0]]

    def constant(self, index: int, what: str) -> NDArray:
        """The values of input `index`."""
        values = self.tensor(index).values
        if values is None:
            raise Unsupported(f"its {what} is not constant")
        return values

    def integers(self, index: int, what: str) -> list[int]:
        return [int(value) for value in self.constant(index, what).reshape(-1)]

    def common(self, inputs: list[str] | None = None) -> dict[str, Any]:
        """What all operators have."""
        return {
            "kind": self.kind,
            "name": self.name,
            "inputs": tuple(self.inputs if inputs is None else inputs),
            "outputs": tuple(self.outputs),
        }

    def derived(self, tensor: Tensor, values: NDArray, note: str, axis: int = 0) -> str:
        """A constant with other axes, whose scales count along `axis`; its name."""
        name, old = f"{tensor.name} ({note})", tensor.quantisation
        quantisation = None if old is None else Quantisation(old.scale, old.zero_point, axis)
        self.tensors[name] = Tensor(
            name, values.shape, values.dtype, quantisation, np.ascontiguousarray(values)
        )
        return name


def _activation(number: int) -> Bounds:
    if number not in ACTIVATIONS:
        raise Unsupported(f"activation function {number}")
    return ACTIVATIONS[number]


def _need_quantised(source: Source, inputs: int = 1) -> None:
    for tensor in (*(source.tensor(index) for index in range(inputs)), source.result()):
        if tensor.dtype not in QUANTISED:
            raise Unsupported(f"tensor '{tensor.name}' is of type {tensor.dtype}, not quantised")
        if tensor.quantisation is None:
            raise Unsupported(f"tensor '{tensor.name}' has no scale")


def _need_bytes(source: Source) -> None:
    """What goes through tables or fixed point has 8 bits."""
    _need_quantised(source)
    for tensor in (source.tensor(0), source.result()):
        if tensor.dtype.itemsize != 1:
            raise Unsupported(f"tensor '{tensor.name}' is {tensor.dtype}, it takes values of 8 bits")


def _image(tensor: Tensor) -> tuple[int, int]:
    if len(tensor.shape) != 4:
        raise Unsupported(f"tensor '{tensor.name}' {list(tensor.shape)} is no image")
    return tensor.shape[1], tensor.shape[2]


def _padding(source: Source, scheme: int, taps: tuple[int, int], stride: tuple[int, int], D: int) -> Padding:
    if scheme == tflite.Padding.VALID:
        return Padding()
    if scheme != tflite.Padding.SAME:
        raise Unsupported(f"padding scheme {scheme}")
    height, width = _image(source.tensor(0))
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
        bounds=_activation(options.FusedActivationFunction()),
        rounding=_rounding(source, "double"),
    )


def _rounding(source: Source, eight_bit: Any) -> Any:
    """16-bit activations are always rounded once."""
    return "single" if source.tensor(0).dtype == np.int16 else eight_bit


def conv_2d(source: Source) -> list[Operator]:
    _need_quantised(source)
    values = _weights(source, 4)  # M, R, S, C
    _, R, S, C = values.shape
    channels = source.tensor(0).shape[-1]
    if C == 0 or channels % C:
        raise Unsupported(f"{channels} channels of the ifmap with filters of {C} channels")
    weights = source.derived(source.tensor(1), values.transpose(0, 3, 1, 2), "M, C, R, S")
    options = source.options(tflite.Conv2DOptions())
    return [_convolution(source, options, weights, (R, S), channels // C)]


def depthwise_conv_2d(source: Source) -> list[Operator]:
    _need_quantised(source)
    values = _weights(source, 4)  # 1, R, S, M
    first, R, S, M = values.shape
    channels = source.tensor(0).shape[-1]
    if first != 1 or channels == 0 or M % channels:
        raise Unsupported(f"{channels} channels of the ifmap with a filter of shape {list(values.shape)}")
    weights = source.derived(source.tensor(1), values.transpose(3, 0, 1, 2), "M, C, R, S")
    options = source.options(tflite.DepthwiseConv2DOptions())
    return [_convolution(source, options, weights, (R, S), channels)]


def fully_connected(source: Source) -> list[Operator]:
    _need_quantised(source)
    _weights(source, 2)
    options = source.options(tflite.FullyConnectedOptions())
    if options.WeightsFormat() != tflite.FullyConnectedOptionsWeightsFormat.DEFAULT:
        raise Unsupported("its filter is shuffled")
    return [
        ops.FullyConnected(
            **source.common([*source.inputs[:2], *_bias(source)]),
            bounds=_activation(options.FusedActivationFunction()),
        )
    ]


def _pool(largest: bool) -> Callable[[Source], list[Operator]]:
    def pool(source: Source) -> list[Operator]:
        _need_quantised(source)
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
                bounds=_activation(options.FusedActivationFunction()),
            )
        ]

    return pool


def add(source: Source) -> list[Operator]:
    _need_quantised(source, 2)
    options = source.options(tflite.AddOptions())
    if source.tensor(0).dtype == np.int16 and options.PotScaleInt16():
        _need_general_scale(source)
    return [ops.Add(**source.common(), bounds=_activation(options.FusedActivationFunction()))]


def _need_general_scale(source: Source) -> None:
    """With scales that are all powers of two the format's own implementation shifts instead."""
    for tensor in (source.tensor(0), source.tensor(1), source.result()):
        if np.log2(tensor.scale) % 1:
            return
    raise Unsupported("16-bit sums whose scales are powers of two")


def multiply(source: Source) -> list[Operator]:
    _need_quantised(source, 2)
    if source.result().dtype == np.int16:
        raise Unsupported("of 16-bit values")
    options = source.options(tflite.MulOptions())
    return [ops.Multiply(**source.common(), bounds=_activation(options.FusedActivationFunction()))]


def _clamp(bounds: Bounds) -> Callable[[Source], list[Operator]]:
    def clamp(source: Source) -> list[Operator]:
        _need_quantised(source)
        return [ops.Clamp(**source.common(), bounds=bounds)]

    return clamp


def _axis(source: Source, axis: int, rank: int) -> int:
    if not -rank <= axis < rank:
        raise Unsupported(f"axis {axis} of a tensor of rank {rank}")
    return axis % rank


def concatenation(source: Source) -> list[Operator]:
    options = source.options(tflite.ConcatenationOptions())
    if _activation(options.FusedActivationFunction()) != (None, None):
        raise Unsupported("with an activation function")
    for index in range(len(source.inputs)):
        if source.tensor(index).quantisation != source.result().quantisation:
            raise Unsupported("its inputs have another scale than its output")
    return [
        ops.Concatenate(**source.common(), axis=_axis(source, options.Axis(), len(source.result().shape)))
    ]


def mean(source: Source) -> list[Operator]:
    _need_quantised(source)
    before, after = source.tensor(0), source.result()
    if before.dtype == np.uint8 and before.quantisation == after.quantisation:
        raise Unsupported("of uint8 values without a change of scale")
    rank = len(source.tensor(0).shape)
    axes = {_axis(source, axis, rank) for axis in source.integers(1, "list of axes")}
    keep = bool(source.options(tflite.ReducerOptions()).KeepDims())
    return [ops.Mean(**source.common(source.inputs[:1]), axes=tuple(sorted(axes)), keep=keep)]


def pad(source: Source) -> list[Operator]:
    amounts = source.constant(1, "amount").reshape(-1, 2).tolist()
    if len(amounts) != len(source.tensor(0).shape) or any(min(pair) < 0 for pair in amounts):
        raise Unsupported(f"amounts {amounts}")
    if len(source.inputs) > 2:
        fill = source.constant(2, "filling").reshape(-1)
        quantisation = source.tensor(0).quantisation
        zero = 0 if quantisation is None else int(quantisation.zero_point[0])
        if fill.tolist() != [zero]:
            raise Unsupported("it fills with another value than zero")
    pairs = tuple((int(before), int(after)) for before, after in amounts)
    return [ops.Pad(**source.common(source.inputs[:1]), amounts=pairs)]


def reshape(source: Source) -> list[Operator]:
    return [ops.Reshape(**source.common(source.inputs[:1]))]


def shape(source: Source) -> list[Operator]:
    """The shape of every tensor is known: a constant."""
    result = source.result()
    values = np.array(source.tensor(0).shape, result.dtype)
    source.tensors[result.name] = Tensor(result.name, values.shape, values.dtype, None, values)
    return []


def pack(source: Source) -> list[Operator]:
    """Each input with one more axis, then all together along it."""
    axis = _axis(source, source.options(tflite.PackOptions()).Axis(), len(source.result().shape))
    parts, operators = [], []
    for number, name in enumerate(source.inputs):
        tensor = source.tensor(number)
        part = f"{source.outputs[0]} (part {number})"
        sizes = (*tensor.shape[:axis], 1, *tensor.shape[axis:])
        source.tensors[part] = Tensor(part, sizes, tensor.dtype, tensor.quantisation)
        common = {"kind": source.kind, "name": f"{source.name}, part {number}"}
        operators.append(ops.Reshape(**common, inputs=(name,), outputs=(part,)))
        parts.append(part)
    return [*operators, ops.Concatenate(**source.common(parts), axis=axis)]


def transpose(source: Source) -> list[Operator]:
    axes = tuple(source.integers(1, "order of axes"))
    if sorted(axes) != list(range(len(source.tensor(0).shape))):
        raise Unsupported(f"order of axes {list(axes)}")
    return [ops.Transpose(**source.common(source.inputs[:1]), axes=axes)]


def resize_nearest(source: Source) -> list[Operator]:
    options = source.options(tflite.ResizeNearestNeighborOptions())
    before, after = _image(source.tensor(0)), tuple(source.integers(1, "size"))
    if len(after) != 2 or any(new < 1 or new % old for old, new in zip(before, after, strict=True)):
        raise Unsupported(f"from {list(before)} to {list(after)}: not by whole factors")
    if options.AlignCorners():
        raise Unsupported("with aligned corners")
    factors = after[0] // before[0], after[1] // before[1]
    return [ops.Resize(**source.common(source.inputs[:1]), factors=factors)]


def softmax(source: Source) -> list[Operator]:
    _need_bytes(source)
    after = source.result()
    least = np.iinfo(after.dtype).min
    if abs(after.scale * 256 - 1) > 1e-3 or after.zero_point != least:
        raise Unsupported(
            f"its output has scale {after.scale:g} and zero point {after.zero_point}, not 1/256 and {least}"
        )
    beta = float(source.options(tflite.SoftmaxOptions()).Beta())
    return [ops.Softmax(**source.common(), axis=len(source.tensor(0).shape) - 1, beta=beta)]


def logistic(source: Source) -> list[Operator]:
    _need_bytes(source)
    return [ops.Logistic(**source.common())]


def quantize(source: Source) -> list[Operator]:
    if source.tensor(0).dtype == np.float32 and source.result().quantisation is not None:
        return [ops.Quantise(**source.common())]
    _need_quantised(source)
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
    return [ops.ArgMax(**source.common(source.inputs[:1]), axis=_axis(source, axis[0], rank), keep=False)]


def strided_slice(source: Source) -> list[Operator]:
    options = source.options(tflite.StridedSliceOptions())
    if options.EllipsisMask() or options.NewAxisMask() or options.Offset():
        raise Unsupported("with an ellipsis, a new axis or offsets")
    begin, end, step = (source.integers(index, "range") for index in (1, 2, 3))
    if not len(begin) == len(end) == len(step) == len(source.tensor(0).shape) or 0 in step:
        raise Unsupported(f"ranges {begin}, {end}, {step}")
    shrink = options.ShrinkAxisMask()

    def bound(values: list[int], mask: int, axis: int) -> int | None:
        return None if mask >> axis & 1 else values[axis]

    begins = [bound(begin, options.BeginMask() & ~shrink, axis) for axis in range(len(begin))]
    ends = [bound(end, options.EndMask(), axis) for axis in range(len(end))]
    for axis in range(len(begin)):
        if shrink >> axis & 1:  # one index, counted from the end where negative
            ends[axis], step[axis] = begin[axis] + 1 or None, 1
    return [
        ops.Slice(**source.common(source.inputs[:1]), begin=tuple(begins), end=tuple(ends), step=tuple(step))
    ]


def slice_(source: Source) -> list[Operator]:
    begin, size = source.integers(1, "begin"), source.integers(2, "size")
    if len(begin) != len(source.tensor(0).shape) or len(size) != len(begin) or min(begin, default=0) < 0:
        raise Unsupported(f"from {begin}, sizes {size}")
    ends = tuple(None if count == -1 else first + count for first, count in zip(begin, size, strict=True))
    return [
        ops.Slice(**source.common(source.inputs[:1]), begin=tuple(begin), end=ends, step=(1,) * len(begin))
    ]


def _split(data: int, axis_input: int) -> Callable[[Source], list[Operator]]:
    def split(source: Source) -> list[Operator]:
        rank = len(source.tensor(data).shape)
        axis = source.integers(axis_input, "axis")
        if len(axis) != 1:
            raise Unsupported(f"axes {axis}")
        return [ops.Split(**source.common([source.inputs[data]]), axis=_axis(source, axis[0], rank))]

    return split


def var_handle(source: Source) -> list[Operator]:
    options = source.options(tflite.VarHandleOptions())
    name = (options.SharedName() or b"").decode("utf-8", "replace")
    source.handles[source.outputs[0]] = name
    return []


def _variable(source: Source) -> str:
    if source.inputs[0] not in source.handles:
        raise Unsupported("it has no variable")
    return source.handles[source.inputs[0]]


def read_variable(source: Source) -> list[Operator]:
    return [ops.ReadVariable(**source.common([]), variable=_variable(source))]


def assign_variable(source: Source) -> list[Operator]:
    return [ops.AssignVariable(**source.common(source.inputs[1:]), variable=_variable(source))]


CONVERTERS: dict[str, Callable[[Source], list[Operator]]] = {
    "ADD": add,
    "ARG_MAX": arg_max,
    "ASSIGN_VARIABLE": assign_variable,
    "AVERAGE_POOL_2D": _pool(largest=False),
    "CONCATENATION": concatenation,
    "CONV_2D": conv_2d,
    "DEPTHWISE_CONV_2D": depthwise_conv_2d,
    "DEQUANTIZE": dequantize,
    "EXPAND_DIMS": reshape,
    "FULLY_CONNECTED": fully_connected,
    "LOGISTIC": logistic,
    "MAX_POOL_2D": _pool(largest=True),
    "MEAN": mean,
    "MUL": multiply,
    "PACK": pack,
    "PAD": pad,
    "PADV2": pad,
    "QUANTIZE": quantize,
    "READ_VARIABLE": read_variable,
    "RELU": _clamp((0.0, None)),
    "RELU6": _clamp((0.0, 6.0)),
    "RELU_N1_TO_1": _clamp((-1.0, 1.0)),
    "RESHAPE": reshape,
    "RESIZE_NEAREST_NEIGHBOR": resize_nearest,
    "SHAPE": shape,
    "SLICE": slice_,
    "SOFTMAX": softmax,
    "SPLIT": _split(data=1, axis_input=0),
    "SPLIT_V": _split(data=0, axis_input=2),
    "SQUEEZE": reshape,
    "STRIDED_SLICE": strided_slice,
    "TRANSPOSE": transpose,
    "VAR_HANDLE": var_handle,
}
