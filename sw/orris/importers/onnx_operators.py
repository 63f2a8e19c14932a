"""What each ONNX operator becomes in a graph."""

from ..graph import operators as ops
from . import onnx_arithmetic as arithmetic
from . import onnx_layers as layers
from . import onnx_moves as moves
from .onnx_node import Converter

CONVERTERS: dict[str, Converter] = {
    "Add": arithmetic.binary(ops.Add),
    "ArgMax": arithmetic.arg_max,
    "AveragePool": layers.average_pool,
    "Clip": arithmetic.clamp,
    "Concat": moves.concat,
    "Conv": layers.conv,
    "DequantizeLinear": arithmetic.dequantize_linear,
    "Dropout": moves.identity,
    "Flatten": moves.reshape,
    "Gemm": layers.gemm,
    "GlobalAveragePool": layers.global_average_pool,
    "Identity": moves.identity,
    "MatMul": layers.matmul,
    "MaxPool": layers.max_pool,
    "Mul": arithmetic.binary(ops.Multiply),
    "Pad": moves.pad,
    "QGemm": layers.qgemm,
    "QLinearAdd": arithmetic.qlinear_binary(ops.Add),
    "QLinearAveragePool": layers.qlinear_average_pool,
    "QLinearConcat": moves.qlinear_concat,
    "QLinearConv": layers.qlinear_conv,
    "QLinearGlobalAveragePool": layers.qlinear_global_average_pool,
    "QLinearMatMul": layers.qlinear_matmul,
    "QLinearMul": arithmetic.qlinear_binary(ops.Multiply),
    "QLinearSigmoid": arithmetic.qlinear_sigmoid,
    "QLinearSoftmax": arithmetic.qlinear_softmax,
    "QuantizeLinear": arithmetic.quantize_linear,
    "ReduceMean": layers.reduce_mean,
    "Relu": arithmetic.clamp,
    "Reshape": moves.reshape,
    "Resize": moves.resize,
    "Sigmoid": arithmetic.on_host(
        lambda builder, node, common: ops.Activation(**common, function="logistic")
    ),
    "Softmax": arithmetic.on_host(arithmetic.softmax),
    "Squeeze": moves.reshape,
    "Transpose": moves.transpose,
    "Unsqueeze": moves.reshape,
}
