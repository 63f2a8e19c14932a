"""Operators of imported networks beside LiteRT's reference kernels, element for element."""

from pathlib import Path

import numpy as np
import pytest

from beside_litert import check, one
from orris.importers.load import load_model
from orris.runtime import Session
from orris.runtime.reference import compare, open_reference
from tflite_models import ModelWriter, options

SAME, VALID = 0, 1
RELU, RELU6 = 1, 3
MODELS = Path(__file__).parents[3] / "shared" / "models"


@pytest.mark.parametrize("classes", [2, 33, 250])
@pytest.mark.parametrize("beta", [1.0, 0.3])
@pytest.mark.parametrize("scale", [0.003, 0.07, 0.2, 1.3])
def test_softmax(tmp_path, scale, beta, classes):
    made, shape = options("SoftmaxOptions", beta=beta), (400, classes)
    check(tmp_path, one("SOFTMAX", shape, shape, made, scales=(scale, 1 / 256), zeros=(5, -128)), 5)


@pytest.mark.parametrize("scale", [0.004, 0.03, 0.2])
def test_logistic(tmp_path, scale):
    content = one("LOGISTIC", (1, 256), (1, 256), scales=(scale, 1 / 256), zeros=(-11, -128))
    check(tmp_path, content, 1, np.arange(-128, 128).astype(np.int8).reshape(1, 256))


@pytest.mark.parametrize("dtype", [np.int8, np.uint8, np.int16])
@pytest.mark.parametrize("keep", [True, False])
@pytest.mark.parametrize("same_scale", [True, False])
@pytest.mark.parametrize(
    "shape, axes", [((1, 7, 5, 12), (1, 2)), ((1, 8, 8, 3), (2,)), ((2, 4, 4, 6), (1, 2))]
)
def test_mean(tmp_path, shape, axes, same_scale, keep, dtype):
    reduced = tuple(1 if axis in axes else size for axis, size in enumerate(shape))
    result = reduced if keep else tuple(size for axis, size in enumerate(shape) if axis not in axes)
    zero = {np.int8: -5, np.uint8: 100, np.int16: 0}[dtype]
    scales, zeros = ((0.04, 0.04), (zero, zero)) if same_scale else ((0.04, 0.013), (zero, zero and 9))
    made = options("ReducerOptions", keepDims=keep)
    fields = dict(scales=scales, zeros=zeros, constants=(axes,), dtype=dtype)
    check(tmp_path, one("MEAN", shape, result, made, **fields))


@pytest.mark.parametrize("dtype", [np.int8, np.uint8])
@pytest.mark.parametrize("kind", ["AVERAGE_POOL_2D", "MAX_POOL_2D"])
@pytest.mark.parametrize("padding, size", [(SAME, (5, 4)), (VALID, (4, 4))])
def test_pool(tmp_path, kind, dtype, padding, size):
    fields = dict(
        filterHeight=3, filterWidth=2, strideH=2, strideW=2, padding=padding, fusedActivationFunction=RELU
    )
    zeros = (100, 100) if dtype == np.uint8 else (-9, -9)
    made = options("Pool2DOptions", **fields)
    check(tmp_path, one(kind, (2, 9, 8, 5), (2, *size, 5), made, dtype=dtype, zeros=zeros))


@pytest.mark.parametrize("dtype", [np.int8, np.int16])
@pytest.mark.parametrize("kind", ["ADD", "MUL"])
@pytest.mark.parametrize("shapes", [((1, 4, 5, 6), (1, 4, 5, 6)), ((1, 4, 5, 6), (1, 1, 1, 6))])
def test_binary(tmp_path, kind, shapes, dtype):
    model = ModelWriter()
    zeros = (0, 0, 0) if dtype == np.int16 else (4, -17, 30)
    operands = [
        model.tensor(shape, dtype, scale, zero)
        for shape, scale, zero in zip(shapes, (0.021, 0.4), zeros, strict=False)
    ]
    result = model.tensor(shapes[0], dtype, 0.33, zeros[2])
    made = options(f"{kind.capitalize()}Options", fusedActivationFunction=RELU6)
    model.operator(kind, operands, [result], made)
    check(tmp_path, model.write(operands, [result]))


@pytest.mark.parametrize("dtype, dtype_out", [(np.int8, np.uint8), (np.uint8, np.int8), (np.int8, np.int8)])
def test_requantise(tmp_path, dtype, dtype_out):
    zeros = (128 if dtype == np.uint8 else 0, 128 if dtype_out == np.uint8 else 7)
    scales = (0.02, 0.02 if dtype != dtype_out else 0.031)
    content = one(
        "QUANTIZE", (1, 256), (1, 256), dtype=dtype, dtype_out=dtype_out, scales=scales, zeros=zeros
    )
    check(tmp_path, content)


def test_quantise_and_dequantise(tmp_path):
    model = ModelWriter()
    source = model.tensor((1, 500), np.float32)
    middle = model.tensor((1, 500), np.int8, 0.037, -12)
    result = model.tensor((1, 500), np.float32)
    model.operator("QUANTIZE", [source], [middle], options("QuantizeOptions"))
    model.operator("DEQUANTIZE", [middle], [result], options("DequantizeOptions"))
    check(tmp_path, model.write([source], [result]))


@pytest.mark.parametrize("kind", ["RELU", "RELU6"])
def test_relu(tmp_path, kind):
    check(tmp_path, one(kind, (1, 256), (1, 256), scales=(0.06, 0.023), zeros=(10, -128)))
    check(tmp_path, one(kind, (1, 256), (1, 256), scales=(0.06, 0.06), zeros=(10, 10)))


MOVES = {
    "pad": ("PAD", (1, 3, 4, 5), (1, 6, 4, 7), options("PadOptions"), ([[0, 0], [1, 2], [0, 0], [2, 0]],)),
    "reshape": ("RESHAPE", (1, 3, 4, 5), (1, 60), options("ReshapeOptions"), ([1, 60],)),
    "transpose": ("TRANSPOSE", (1, 3, 4, 5), (1, 4, 5, 3), options("TransposeOptions"), ([0, 2, 3, 1],)),
    "resize": (
        "RESIZE_NEAREST_NEIGHBOR",
        (1, 3, 4, 5),
        (1, 6, 12, 5),
        options("ResizeNearestNeighborOptions"),
        ([6, 12],),
    ),
    "strided slice": (
        "STRIDED_SLICE",
        (1, 6, 7, 5),
        (1, 2, 3, 5),
        options("StridedSliceOptions", beginMask=9, endMask=9),
        ([0, 1, 6, 1], [0, 5, 0, 0], [1, 2, -2, 1]),
    ),
    "shrinking slice": (
        "STRIDED_SLICE",
        (1, 6, 7, 5),
        (6, 5),
        options("StridedSliceOptions", beginMask=10, endMask=10, shrinkAxisMask=5),
        ([0, 0, -1, 0], [1, 0, 0, 5], [1, 1, 1, 1]),
    ),
    "slice": ("SLICE", (1, 6, 7, 5), (1, 3, 7, 2), options("SliceOptions"), ([0, 2, 0, 1], [1, 3, -1, 2])),
    "expand": ("EXPAND_DIMS", (1, 6, 5), (1, 6, 1, 5), options("ExpandDimsOptions"), ([2],)),
    "squeeze": ("SQUEEZE", (1, 6, 1, 5), (6, 5), options("SqueezeOptions", squeezeDims=[0, 2]), ()),
}


@pytest.mark.parametrize("case", MOVES)
def test_moves(tmp_path, case):
    kind, before, after, made, constants = MOVES[case]
    check(tmp_path, one(kind, before, after, made, constants=constants))


def test_split_and_concatenation(tmp_path):
    model = ModelWriter()
    source = model.tensor((1, 4, 3, 10), np.int8, 0.1, 5)
    parts = [model.tensor((1, 4, 3, size), np.int8, 0.1, 5) for size in (3, 3, 4)]
    sizes, axis = model.constant([3, 3, -1]), model.constant(3)
    model.operator("SPLIT_V", [source, sizes, axis], parts, options("SplitVOptions", numSplits=3))
    joined = model.tensor((1, 4, 3, 10), np.int8, 0.1, 5)
    model.operator("CONCATENATION", parts[::-1], [joined], options("ConcatenationOptions", axis=-1))
    check(tmp_path, model.write([source], [joined]))


def test_flattening_by_a_computed_shape(tmp_path):
    """What Keras writes for a flattening whose batch was open: shape, slice, pack, reshape."""
    model = ModelWriter()
    source = model.tensor((1, 4, 3, 5), np.int8, 0.1, 5)
    sizes, batch, packed = (model.tensor(shape, np.int32) for shape in ((4,), (), (2,)))
    result = model.tensor((1, 60), np.int8, 0.1, 5)
    model.operator("SHAPE", [source], [sizes], options("ShapeOptions", outType=2))
    bounds = [model.constant([value]) for value in (0, 1, 1)]
    model.operator(
        "STRIDED_SLICE", [sizes, *bounds], [batch], options("StridedSliceOptions", shrinkAxisMask=1)
    )
    model.operator("PACK", [batch, model.constant(60)], [packed], options("PackOptions", valuesCount=2))
    model.operator("RESHAPE", [source, packed], [result], options("ReshapeOptions"))
    content = model.write([source], [result])
    check(tmp_path, content)
    assert [each.kind for each in load_model(tmp_path / "model.tflite").operators] == ["RESHAPE"]


def conv_model(
    *,
    dtype: type = np.int8,
    bias: bool = True,
    groups_kind: str = "CONV_2D",
    dilation: int = 1,
    per_channel: bool = True,
) -> bytes:
    rng, model = np.random.default_rng(1), ModelWriter()
    wide = dtype == np.int16
    zeros = (0, 0) if wide else (-7, 11)
    source = model.tensor((1, 9, 8, 6), dtype, 0.02 if not wide else 0.0004, zeros[0])
    depthwise = groups_kind == "DEPTHWISE_CONV_2D"
    shape, axis = ((1, 3, 2, 12), 3) if depthwise else ((12, 3, 2, 6), 0)
    scales = rng.uniform(0.005, 0.02, 12 if per_channel else 1)
    filters = rng.integers(-127, 128, shape).astype(np.int8)
    weights = model.tensor(shape, np.int8, scales, axis=axis, values=filters)
    inputs = [source, weights]
    if bias:
        numbers = rng.integers(-3000, 3000, 12)
        kind = np.int64 if wide else np.int32
        inputs.append(model.tensor((12,), kind, scales * 0.02, values=numbers))
    result = model.tensor((1, 9, 4, 12), dtype, 0.05 if not wide else 0.001, zeros[1])
    fields = dict(padding=SAME, strideH=1, strideW=2, dilationHFactor=dilation, dilationWFactor=dilation)
    if dilation > 1:
        fields["strideW"] = 1
        model._tensors[result].shape = [1, 9, 8, 12]
    if depthwise:
        made = options("DepthwiseConv2DOptions", depthMultiplier=2, fusedActivationFunction=RELU, **fields)
    else:
        made = options("Conv2DOptions", **fields)
    model.operator(groups_kind, inputs, [result], made)
    return model.write([source], [result])


@pytest.mark.parametrize("per_channel", [True, False])
@pytest.mark.parametrize("dilation", [1, 2])
@pytest.mark.parametrize("kind", ["CONV_2D", "DEPTHWISE_CONV_2D"])
def test_convolution(tmp_path, kind, dilation, per_channel):
    check(tmp_path, conv_model(groups_kind=kind, dilation=dilation, per_channel=per_channel))


@pytest.mark.parametrize("kind", ["CONV_2D", "DEPTHWISE_CONV_2D"])
def test_convolution_of_16_bit_values(tmp_path, kind):
    check(tmp_path, conv_model(groups_kind=kind, dtype=np.int16))


@pytest.mark.parametrize("bias", [True, False])
@pytest.mark.parametrize("keep", [True, False])
def test_fully_connected(tmp_path, keep, bias):
    rng, model = np.random.default_rng(2), ModelWriter()
    source = model.tensor((1, 3, 20), np.int8, 0.03, 6)
    filters = rng.integers(-127, 128, (7, 20)).astype(np.int8)
    inputs = [source, model.tensor((7, 20), np.int8, 0.01, values=filters)]
    if bias:
        inputs.append(model.tensor((7,), np.int32, 0.0003, values=rng.integers(-999, 999, 7)))
    result = model.tensor((1, 3, 7) if keep else (3, 7), np.int8, 0.07, -3)
    model.operator("FULLY_CONNECTED", inputs, [result], options("FullyConnectedOptions", keepNumDims=keep))
    check(tmp_path, model.write([source], [result]))


@pytest.mark.parametrize("name", ["kws_ref_model", "pretrainedResnet_quant"])
def test_published_networks(name):
    path = MODELS / f"{name}.tflite"
    if not path.exists():
        pytest.skip(f"{path.name} is not beside the project")
    graph = load_model(path)
    session, reference = Session(graph), open_reference(path, graph)
    for seed in range(10):
        rng = np.random.default_rng(seed)
        shape = graph.tensors[graph.inputs[0]].shape
        inputs = {graph.inputs[0]: rng.integers(-128, 128, shape).astype(np.int8)}
        comparison = compare(graph, session.run(inputs), reference.run(inputs))
        assert comparison.compared == len(graph.operators) and not comparison.differences
