"""Host operators of imported TFLite networks beside LiteRT's reference kernels, element for element."""

import numpy as np
import pytest

from beside_litert import check, one
from single_precision import SCALES, telling_model
from tflite_models import ModelWriter, options

TYPES = {np.int8: (4, -17, 30), np.uint8: (100, 140, 90), np.int16: (0, 0, 0)}
"""Zero points of two operands and a result, by type."""
BYTES = [np.int8, np.uint8]


def every_value(dtype: type) -> np.ndarray:
    info = np.iinfo(dtype)
    return np.arange(info.min, info.max + 1).astype(dtype)[None]


@pytest.mark.parametrize("scale", [1 / 4096, 1 / 32768, 2 / 4096, 0.0003, 0.0011])
@pytest.mark.parametrize("kind", ["LOGISTIC", "TANH"])
def test_functions_of_16_bit_values(tmp_path, kind, scale):
    shape = (1, 1 << 16)
    content = one(kind, shape, shape, dtype=np.int16, scales=(scale, 1 / 32768), zeros=(0, 0))
    check(tmp_path, content, 1, every_value(np.int16))


@pytest.mark.parametrize("classes", [2, 10, 300])
@pytest.mark.parametrize("scale", [0.00003, 0.0001, 0.0008])
def test_softmax_of_16_bit_values(tmp_path, scale, classes):
    made, shape = options("SoftmaxOptions", beta=1.0), (100, classes)
    content = one("SOFTMAX", shape, shape, made, dtype=np.int16, scales=(scale, 1 / 32768), zeros=(0, 0))
    check(tmp_path, content)


FUNCTIONS = {
    "TANH": (None, 1 / 128, 0),
    "LOGISTIC": (None, 1 / 256, -128),
    "EXP": (options("ExpOptions"), 0.1, -128),
    "HARD_SWISH": (options("HardSwishOptions"), 0.02, -100),
    "RELU_0_TO_1": (None, 0.01, -128),
    "RELU_N1_TO_1": (None, 0.01, -28),
}
"""Options, and scale and zero point of the result."""


@pytest.mark.parametrize("scale, zero", [(0.03, -10), (0.1, 7), (0.005, 0)])
@pytest.mark.parametrize("kind", FUNCTIONS)
def test_functions(tmp_path, kind, scale, zero):
    made, scale_out, zero_out = FUNCTIONS[kind]
    content = one(kind, (1, 256), (1, 256), made, scales=(scale, scale_out), zeros=(zero, zero_out))
    check(tmp_path, content, 1, every_value(np.int8))


@pytest.mark.parametrize("kind", ["TANH", "LOGISTIC", "HARD_SWISH", "RELU_N1_TO_1"])
def test_functions_of_unsigned_values(tmp_path, kind):
    made, scale, zero = FUNCTIONS[kind]
    zeros = (100, zero + 128)
    content = one(kind, (1, 256), (1, 256), made, dtype=np.uint8, scales=(0.05, scale), zeros=zeros)
    check(tmp_path, content, 1, every_value(np.uint8))


@pytest.mark.parametrize("dtype", TYPES)
def test_leaky_relu(tmp_path, dtype):
    made, zeros = options("LeakyReluOptions", alpha=0.13), TYPES[dtype][:2]
    shape = (1, 1 << 8 * np.dtype(dtype).itemsize)
    content = one("LEAKY_RELU", shape, shape, made, dtype=dtype, scales=(0.05, 0.033), zeros=zeros)
    check(tmp_path, content, 1, every_value(dtype))


@pytest.mark.parametrize("second", [(1, 4, 5, 6), (1, 1, 1, 6), (6,)])
@pytest.mark.parametrize("dtype", TYPES)
@pytest.mark.parametrize("kind", ["SUB", "MUL", "MAXIMUM", "MINIMUM"])
def test_two_operands(tmp_path, kind, dtype, second):
    model, zeros = ModelWriter(), TYPES[dtype]
    made = {"SUB": options("SubOptions", potScaleInt16=False), "MUL": options("MulOptions")}.get(kind)
    chosen = options("MaximumMinimumOptions") if made is None else made
    scales = (0.021, 0.4, 0.33) if made else (0.021,) * 3
    zeros = zeros if made else zeros[:1] * 3
    shapes = ((1, 4, 5, 6), second, (1, 4, 5, 6))
    *operands, result = (
        model.tensor(shape, dtype, scale, zero)
        for shape, scale, zero in zip(shapes, scales, zeros, strict=True)
    )
    model.operator(kind, operands, [result], chosen)
    check(tmp_path, model.write(operands, [result]))


@pytest.mark.parametrize("dtype", BYTES)
def test_prelu(tmp_path, dtype):
    model, zeros = ModelWriter(), TYPES[dtype]
    slopes = np.random.default_rng(0).integers(0, 100, (1, 1, 6))
    source = model.tensor((1, 4, 5, 6), dtype, 0.021, zeros[0])
    factors = model.tensor(slopes.shape, dtype, 0.004, zeros[1], values=slopes)
    result = model.tensor((1, 4, 5, 6), dtype, 0.033, zeros[2])
    model.operator("PRELU", [source, factors], [result])
    check(tmp_path, model.write([source], [result]))


@pytest.mark.parametrize("number", range(2))
@pytest.mark.parametrize("kind", SCALES)
def test_multipliers_of_single_precision(tmp_path, kind, number):
    """Scales whose ratio is rounded to another value in double precision, and values where that shows."""
    content, values = telling_model(kind, number)
    check(tmp_path, content, 1, values)


@pytest.mark.parametrize("axes", [(1, 2), (3,), (1,), (2,)])
@pytest.mark.parametrize("kind", ["REDUCE_MAX", "REDUCE_MIN"])
@pytest.mark.parametrize("dtype", TYPES)
def test_extremes(tmp_path, dtype, kind, axes):
    shape, zero = (1, 4, 6, 5), TYPES[dtype][0]
    reduced = tuple(1 if axis in axes else size for axis, size in enumerate(shape))
    made = options("ReducerOptions", keepDims=True)
    content = one(kind, shape, reduced, made, dtype=dtype, zeros=(zero, zero), constants=(axes,))
    check(tmp_path, content)


@pytest.mark.parametrize("after", [(8, 10), (7, 13), (3, 4), (1, 1)])
@pytest.mark.parametrize("corners, centred", [(False, False), (True, False), (False, True)])
@pytest.mark.parametrize("kind", ["Bilinear", "NearestNeighbor"])
@pytest.mark.parametrize("dtype", TYPES)
def test_resize(tmp_path, dtype, kind, corners, centred, after):
    made = options(f"Resize{kind}Options", alignCorners=corners, halfPixelCenters=centred)
    name = "RESIZE_BILINEAR" if kind == "Bilinear" else "RESIZE_NEAREST_NEIGHBOR"
    zero = TYPES[dtype][0]
    fields = dict(dtype=dtype, zeros=(zero, zero), constants=(after,))
    check(tmp_path, one(name, (1, 4, 5, 3), (1, *after, 3), made, **fields))


ROUND = [[0, 0], [1, 2], [0, 1], [0, 0]]
MOVES = {
    "reflect": ("MIRROR_PAD", (1, 4, 5, 3), (1, 7, 6, 3), options("MirrorPadOptions", mode=0), (ROUND,)),
    "symmetric": ("MIRROR_PAD", (1, 4, 5, 3), (1, 7, 6, 3), options("MirrorPadOptions", mode=1), (ROUND,)),
    "to depth": ("SPACE_TO_DEPTH", (1, 4, 6, 3), (1, 2, 3, 12), options("SpaceToDepthOptions", blockSize=2)),
    "to space": ("DEPTH_TO_SPACE", (1, 4, 6, 12), (1, 8, 12, 3), options("DepthToSpaceOptions", blockSize=2)),
    "to batch": (
        "SPACE_TO_BATCH_ND",
        (1, 4, 5, 3),
        (4, 3, 3, 3),
        options("SpaceToBatchNDOptions"),
        ([2, 2], [[1, 1], [1, 0]]),
    ),
    "from batch": (
        "BATCH_TO_SPACE_ND",
        (4, 3, 3, 3),
        (1, 4, 5, 3),
        options("BatchToSpaceNDOptions"),
        ([2, 2], [[1, 1], [1, 0]]),
    ),
    "gather": ("GATHER", (1, 6, 5), (1, 3, 5), options("GatherOptions", axis=1), ([5, 0, 2],)),
}


@pytest.mark.parametrize("dtype", BYTES)
@pytest.mark.parametrize("case", MOVES)
def test_moves(tmp_path, case, dtype):
    kind, before, after, made, *constants = MOVES[case]
    zero = TYPES[dtype][0]
    given = constants[0] if constants else ()
    check(tmp_path, one(kind, before, after, made, dtype=dtype, zeros=(zero, zero), constants=given))


def test_unpack_and_cast(tmp_path):
    model = ModelWriter()
    source = model.tensor((1, 3, 4), np.int8, 0.1, 5)
    parts = [model.tensor((1, 4), np.int8, 0.1, 5) for _ in range(3)]
    model.operator("UNPACK", [source], parts, options("UnpackOptions", num=3, axis=1))
    index = model.tensor((1,), np.int32)
    model.operator("ARG_MAX", [parts[1], model.constant(1)], [index], options("ArgMaxOptions", outputType=2))
    wide = model.tensor((1,), np.int64)
    model.operator("CAST", [index], [wide], options("CastOptions"))
    check(tmp_path, model.write([source], [*parts, wide]))


@pytest.mark.parametrize("dtype", BYTES)
def test_filling(tmp_path, dtype):
    """Another value than zero, which no convolution can take over."""
    model, zero = ModelWriter(), TYPES[dtype][0]
    source = model.tensor((1, 3, 4), dtype, 0.1, zero)
    amounts = model.constant([[0, 0], [1, 1], [0, 2]])
    fill = model.tensor((1,), dtype, 0.1, zero, values=np.array([zero + 7]))
    result = model.tensor((1, 5, 6), dtype, 0.1, zero)
    model.operator("PADV2", [source, amounts, fill], [result], options("PadV2Options"))
    check(tmp_path, model.write([source], [result]))


@pytest.mark.parametrize("bias", [True, False])
@pytest.mark.parametrize(
    "padding, stride, size", [(0, 2, (10, 8)), (1, 2, (11, 9)), (0, 1, (5, 4)), (0, 3, (15, 12))]
)
def test_transposed_convolution(tmp_path, padding, stride, size, bias):
    rng, model = np.random.default_rng(1), ModelWriter()
    source = model.tensor((1, 5, 4, 6), np.int8, 0.05, 4)
    scales, filters = rng.uniform(0.005, 0.02, 8), rng.integers(-127, 128, (8, 3, 3, 6))
    weights = model.tensor(filters.shape, np.int8, scales, values=filters)
    inputs = [model.constant((1, *size, 8)), weights, source]
    if bias:
        inputs.append(model.tensor((8,), np.int32, scales * 0.05, values=rng.integers(-999, 999, 8)))
    result = model.tensor((1, *size, 8), np.int8, 0.4, -9)
    made = options("TransposeConvOptions", padding=padding, strideH=stride, strideW=stride)
    model.operator("TRANSPOSE_CONV", inputs, [result], made)
    check(tmp_path, model.write([source], [result]))


@pytest.mark.parametrize("axis", [1, 3])
def test_concatenation_of_other_scales(tmp_path, axis):
    """Which unsigned values may have."""
    model = ModelWriter()
    parts = [model.tensor((1, 4, 3, 8), np.uint8, scale, zero) for scale, zero in ((0.1, 5), (0.03, 90))]
    shape = [1, 4, 3, 8]
    shape[axis] *= 2
    joined = model.tensor(shape, np.uint8, 0.1, 5)
    model.operator("CONCATENATION", parts, [joined], options("ConcatenationOptions", axis=axis))
    check(tmp_path, model.write(parts, [joined]))


@pytest.mark.parametrize("taps, dilation", [((1, 3), (1, 4)), ((3, 1), (2, 1)), ((1, 1), (1, 3))])
@pytest.mark.parametrize("kind", ["CONV_2D", "DEPTHWISE_CONV_2D"])
def test_dilation_of_a_series(tmp_path, kind, taps, dilation):
    """Which files give along the one axis that has taps."""
    rng, model = np.random.default_rng(1), ModelWriter()
    source = model.tensor((1, 9, 12, 6), np.int8, 0.05, 4)
    shape, axis = ((1, *taps, 6), 3) if kind.startswith("DEPTH") else ((6, *taps, 6), 0)
    scales = rng.uniform(0.005, 0.02, 6)
    weights = model.tensor(shape, np.int8, scales, axis=axis, values=rng.integers(-127, 128, shape))
    bias = model.tensor((6,), np.int32, scales * 0.05, values=rng.integers(-999, 999, 6))
    result = model.tensor((1, 9, 12, 6), np.int8, 0.2, -9)
    fields = dict(strideH=1, strideW=1, dilationHFactor=dilation[0], dilationWFactor=dilation[1])
    if kind.startswith("DEPTH"):
        made = options("DepthwiseConv2DOptions", depthMultiplier=1, **fields)
    else:
        made = options("Conv2DOptions", **fields)
    model.operator(kind, [source, weights, bias], [result], made)
    check(tmp_path, model.write([source], [result]))
