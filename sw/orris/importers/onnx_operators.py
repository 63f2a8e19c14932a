"""What each ONNX operator becomes in a graph."""

from ..graph import operators as ops
from . import onnx_arithmetic as arithmetic
from . import onnx_layers as layers
from . import onnx_moves as moves
from .onnx_builder import Builder, Node
from .onnx_node import Converter
from .unsupported import Unsupported


def resize(builder: Builder, node: Node) -> None:
    mode = node.attributes.get("mode", b"nearest")
    if mode not in (b"nearest", b"linear"):
        raise Unsupported(f"mode {mode.decode()}")
    (moves.resize_nearest if mode == b"nearest" else arithmetic.interpolate)(builder, node)


CONVERTERS: dict[str, Converter] = {
    "Add": arithmetic.binary(ops.Add),
    "ArgMax": arithmetic.arg_max,
    "AveragePool": layers.average_pool,
    "BatchNormalization": arithmetic.batch_normalization,
    "Clip": arithmetic.clamp,
    "Concat": moves.concat,
    "Conv": layers.conv,
    "ConvTranspose": layers.conv_transpose,
    "DepthToSpace": moves.depth_to_space,
    "DequantizeLinear": arithmetic.dequantize_linear,
    "Dropout": moves.identity,
    "Elu": arithmetic.activation("elu"),
    "Exp": arithmetic.activation("exp"),
    "Flatten": moves.reshape,
    "Gather": moves.gather,
    "Gemm": layers.gemm,
    "GlobalAveragePool": layers.global_average_pool,
    "GlobalMaxPool": layers.global_max_pool,
    "HardSigmoid": arithmetic.activation("hard sigmoid", 0.2, 0.5),
    "HardSwish": arithmetic.activation("hard swish"),
    "Identity": moves.identity,
    "LeakyRelu": arithmetic.leaky_relu,
    "MatMul": layers.matmul,
    "Max": arithmetic.extreme(largest=True),
    "MaxPool": layers.max_pool,
    "Min": arithmetic.extreme(largest=False),
    "Mul": arithmetic.binary(ops.Multiply),
    "PRelu": arithmetic.prelu,
    "Pad": moves.pad,
    "QGemm": layers.qgemm,
    "QLinearAdd": arithmetic.qlinear_binary(ops.Add),
    "QLinearAveragePool": layers.qlinear_average_pool,
    "QLinearConcat": moves.qlinear_concat,
    "QLinearConv": layers.qlinear_conv,
    "QLinearGlobalAveragePool": layers.qlinear_global_average_pool,
    "QLinearLeakyRelu": arithmetic.qlinear_leaky_relu,
    "QLinearMatMul": layers.qlinear_matmul,
    "QLinearMul": arithmetic.qlinear_binary(ops.Multiply),
    "QLinearSigmoid": arithmetic.qlinear_sigmoid,
    "QLinearSoftmax": arithmetic.qlinear_softmax,
    "QuantizeLinear": arithmetic.quantize_linear,
    "ReduceMax": arithmetic.reduce_extreme(largest=True),
    "ReduceMean": arithmetic.reduce_mean,
    "ReduceMin": arithmetic.reduce_extreme(largest=False),
    "Relu": arithmetic.clamp,
    "Reshape": moves.reshape,
    "Resize": resize,
    "Sigmoid": arithmetic.activation("logistic"),
    "Slice": moves.slice_,
    "Softmax": arithmetic.on_host(arithmetic.softmax),
    "SpaceToDepth": moves.space_to_depth,
    "Split": moves.split,
    "Squeeze": moves.reshape,
    "Sub": arithmetic.binary(ops.Subtract),
    "Tanh": arithmetic.activation("tanh"),
    "Transpose": moves.transpose,
    "Unsqueeze": moves.reshape,
}
