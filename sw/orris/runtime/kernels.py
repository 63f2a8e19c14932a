"""Which kernel computes an operator on the host."""

from collections.abc import Callable
from typing import Any

from numpy.typing import NDArray

from ..golden import conv2d
from ..graph import Arithmetic, Graph
from ..graph import operators as ops
from ..graph.quantised import from_signed, quantised_convolution, quantised_rows, to_signed
from ..graph.shapes import file_shape
from . import detection, images, layout_kernels, onnx_kernels, tflite_functions, tflite_kernels

Kernel = Callable[[Graph, Any, list[NDArray]], list[NDArray]]


def convolution(graph: Graph, operator: ops.Convolution, inputs: list[NDArray]) -> list[NDArray]:
    """By the golden model of the accelerator."""
    quantised = quantised_convolution(graph, operator)
    ifmap = to_signed(inputs[0])
    ifmap = ifmap if graph.layout == "NCHW" else ifmap.transpose(0, 3, 1, 2)
    ofmap = conv2d(quantised.layer, ifmap, quantised.weights, quantised.requant, quantised.psum_width)
    ofmap = ofmap if graph.layout == "NCHW" else ofmap.transpose(0, 2, 3, 1)
    tensor = graph.tensors[operator.output]
    return [from_signed(ofmap, tensor).reshape(file_shape(quantised.layer.ofmap_shape, graph.layout))]


def fully_connected(graph: Graph, operator: ops.FullyConnected, inputs: list[NDArray]) -> list[NDArray]:
    """By the golden model of the accelerator: rows are the pixels of an image of one row."""
    quantised = quantised_rows(graph, operator)
    layer = quantised.layer
    ifmap = to_signed(inputs[0]).reshape(layer.W, layer.C).T.reshape(layer.ifmap_shape)
    ofmap = conv2d(layer, ifmap, quantised.weights, quantised.requant, quantised.psum_width)
    tensor = graph.tensors[operator.output]
    return [from_signed(ofmap.reshape(layer.M, layer.W).T, tensor).reshape(tensor.shape)]


_ANY_ARITHMETIC: dict[type[ops.Operator], Kernel] = {
    ops.Convolution: convolution,
    ops.FullyConnected: fully_connected,
    ops.Concatenate: layout_kernels.concatenate,
    ops.Split: layout_kernels.split,
    ops.Slice: layout_kernels.slice_,
    ops.Pad: layout_kernels.pad,
    ops.Reshape: layout_kernels.reshape,
    ops.Transpose: layout_kernels.transpose,
    ops.Resize: layout_kernels.resize,
    ops.ArgMax: layout_kernels.arg_max,
    ops.Spread: layout_kernels.spread,
    ops.Gather: layout_kernels.gather,
    ops.ExtremeOver: layout_kernels.extreme_over,
    ops.Cast: layout_kernels.cast,
}
_TFLITE: dict[type[ops.Operator], Kernel] = {
    ops.Pool: images.vector_kernel,
    ops.Add: images.addition,
    ops.Multiply: tflite_kernels.multiply,
    ops.Mean: tflite_kernels.mean,
    ops.Clamp: tflite_kernels.clamp,
    ops.Softmax: tflite_kernels.softmax,
    ops.Subtract: tflite_kernels.subtract,
    ops.Detections: detection.detections,
    ops.Extreme: tflite_kernels.extreme,
    ops.Slope: tflite_kernels.slope,
    ops.Interpolate: tflite_kernels.interpolate,
    ops.Activation: tflite_functions.activation,
    ops.Quantise: tflite_kernels.quantise,
    ops.Dequantise: tflite_kernels.dequantise,
}
_ONNX: dict[type[ops.Operator], Kernel] = {
    ops.Pool: onnx_kernels.pool,
    ops.Add: onnx_kernels.add,
    ops.Multiply: onnx_kernels.multiply,
    ops.Mean: onnx_kernels.mean,
    ops.Clamp: onnx_kernels.clamp,
    ops.Softmax: onnx_kernels.softmax,
    ops.Subtract: onnx_kernels.subtract,
    ops.Extreme: onnx_kernels.extreme,
    ops.Slope: onnx_kernels.slope,
    ops.Activation: onnx_kernels.activation,
    ops.Interpolate: onnx_kernels.interpolate,
    ops.Quantise: onnx_kernels.quantise,
    ops.Dequantise: onnx_kernels.dequantise,
}
KERNELS: dict[Arithmetic, dict[type[ops.Operator], Kernel]] = {
    "tflite": _ANY_ARITHMETIC | _TFLITE,
    "onnx": _ANY_ARITHMETIC | _ONNX,
}


def compute(graph: Graph, operator: ops.Operator, inputs: list[NDArray]) -> list[NDArray]:
    """The outputs of an operator, in its graph's arithmetic.

    Raises
    ------
    OrrisError
        Types or scales that the operator has no arithmetic for.
    """
    return KERNELS[graph.arithmetic][type(operator)](graph, operator, inputs)
