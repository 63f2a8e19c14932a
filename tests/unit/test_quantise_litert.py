"""Whole quantised layers, bit for bit, against the reference kernels of the LiteRT interpreter.

Models of one operator are written here, from random data; two published networks are run layer by layer
where they are at hand.
"""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest

from litert_models import Quantised, build, interpreter, run, schema
from orris.golden import Requant, conv2d
from orris.layers import ConvLayer, Padding, same_padding

MODELS = Path(__file__).parents[3] / "shared" / "models"


@dataclass
class Case:
    """Random data of one layer, and its scales as the model holds them: single precision."""

    layer: ConvLayer
    ifmap: np.ndarray
    weights: np.ndarray
    bias: np.ndarray
    scale_in: np.float32
    scale_w: np.ndarray
    scale_out: np.float32
    zp_in: int
    zp_out: int
    act_min: int
    act_max: int

    @classmethod
    def random(
        cls, layer: ConvLayer, seed: int, per_channel: bool, act: tuple[int, int] = (-128, 127)
    ) -> "Case":
        rng = np.random.default_rng(seed)
        print(f"seed {seed}: {layer}")
        scale_w = np.float32(np.exp2(rng.uniform(-9, -6, layer.M if per_channel else 1)))
        if per_channel and layer.M > 3:
            scale_w[0] = 1e-10  # so small that the multiplier is 0
            scale_w[1] *= 1 << 15  # so large that the shift is positive
        deviation = 74 * 90 * np.sqrt(layer.taps)
        scale_in = np.float32(rng.uniform(0.01, 0.1))
        return cls(
            layer,
            rng.integers(-128, 128, layer.ifmap_shape).astype(np.int8),
            rng.integers(-127, 128, layer.weights_shape).astype(np.int8),
            np.round(rng.normal(0, deviation / 2, layer.M)).astype(np.int32),
            scale_in,
            scale_w,
            np.float32(scale_in * np.median(scale_w) * deviation / 40),
            *(int(zp) for zp in rng.integers(-128, 128, 2)),
            *act,
        )

    def ours(self, rounding: str, scales: np.ndarray) -> np.ndarray:
        """The golden ofmap, (N, M, E, F)."""
        requant = Requant.from_scales(
            self.bias,
            np.broadcast_to(scales, self.layer.M),
            rounding,  # type: ignore[arg-type]
            zp_in=self.zp_in,
            zp_out=self.zp_out,
            act_min=self.act_min,
            act_max=self.act_max,
        )
        return conv2d(self.layer, self.ifmap, self.weights, requant)

    def scales(self) -> np.ndarray:
        """s_in * s_w / s_out in double precision, as the convolution kernels compute it."""
        return np.float64(self.scale_in) * np.float64(self.scale_w) / np.float64(self.scale_out)

    def tensors(self, x_shape: tuple, y_shape: tuple, weights: np.ndarray, axis: int) -> tuple:
        bias_scale = self.scale_in * self.scale_w
        return (
            [
                Quantised(x_shape, np.atleast_1d(self.scale_in), self.zp_in),
                Quantised(weights.shape, self.scale_w, axis=axis, values=weights),
                Quantised(self.bias.shape, bias_scale, values=self.bias),
            ],
            Quantised(y_shape, np.atleast_1d(self.scale_out), self.zp_out),
        )


def nhwc(shape: tuple[int, int, int, int]) -> tuple[int, int, int, int]:
    return shape[0], shape[2], shape[3], shape[1]


def spatial_options(options: object, layer: ConvLayer, relu: bool) -> object:
    options.padding = schema.Padding.SAME if any(layer.padding) else schema.Padding.VALID
    options.strideH, options.strideW = layer.U, layer.V
    options.dilationHFactor = options.dilationWFactor = layer.D
    options.fusedActivationFunction = (
        schema.ActivationFunctionType.RELU if relu else schema.ActivationFunctionType.NONE
    )
    return options


CONVOLUTIONS = {
    "3x3 same": ConvLayer(M=16, C=8, H=14, W=13, R=3, S=3, padding=same_padding(14, 13, 3, 3)),
    "3x3 stride 2": ConvLayer(M=8, C=5, H=16, W=16, R=3, S=3, U=2, padding=same_padding(16, 16, 3, 3, 2)),
    "uneven": ConvLayer(M=6, C=3, H=15, W=20, R=5, S=2, U=3, V=2, padding=same_padding(15, 20, 5, 2, 3, 2)),
    "11x11 stride 4": ConvLayer(M=12, C=3, H=43, W=43, R=11, S=11, U=4),
    "1x1": ConvLayer(N=2, M=24, C=40, H=9, W=9, R=1, S=1),
    "two groups": ConvLayer(G=2, M=12, C=6, H=10, W=10, R=3, S=3, padding=same_padding(10, 10, 3, 3)),
    "dilated": ConvLayer(M=8, C=4, H=12, W=12, R=3, S=3, D=2, padding=same_padding(12, 12, 3, 3, D=2)),
}


@pytest.mark.parametrize("relu", [False, True])
@pytest.mark.parametrize("shape", CONVOLUTIONS)
def test_convolution(shape: str, relu: bool):
    layer = CONVOLUTIONS[shape]
    case = Case.random(layer, seed=len(shape), per_channel=True)
    if relu:
        case.act_min = case.zp_out
    weights = np.ascontiguousarray(case.weights.transpose(0, 2, 3, 1))
    inputs, output = case.tensors(nhwc(layer.ifmap_shape), nhwc(layer.ofmap_shape), weights, axis=0)
    model = build(
        schema.BuiltinOperator.CONV_2D, spatial_options(schema.Conv2DOptionsT(), layer, relu), inputs, output
    )
    theirs = run(model, case.ifmap.transpose(0, 2, 3, 1)).transpose(0, 3, 1, 2)
    np.testing.assert_array_equal(case.ours("double", case.scales()), theirs)


@pytest.mark.parametrize("filters_per_channel", [1, 2])
@pytest.mark.parametrize("U", [1, 2])
def test_depthwise(filters_per_channel: int, U: int):
    G = 12
    layer = ConvLayer(
        G=G, M=G * filters_per_channel, C=1, H=20, W=20, R=3, S=3, U=U, padding=same_padding(20, 20, 3, 3, U)
    )
    case = Case.random(layer, seed=10 * U + filters_per_channel, per_channel=True)
    weights = np.ascontiguousarray(case.weights.transpose(1, 2, 3, 0))
    inputs, output = case.tensors(nhwc(layer.ifmap_shape), nhwc(layer.ofmap_shape), weights, axis=3)
    options = spatial_options(schema.DepthwiseConv2DOptionsT(), layer, relu=False)
    options.depthMultiplier = filters_per_channel
    model = build(schema.BuiltinOperator.DEPTHWISE_CONV_2D, options, inputs, output)
    theirs = run(model, case.ifmap.transpose(0, 2, 3, 1)).transpose(0, 3, 1, 2)
    np.testing.assert_array_equal(case.ours("double", case.scales()), theirs)


def fully_connected_case() -> tuple[Case, np.ndarray]:
    layer = ConvLayer(N=400, M=64, C=128, H=1, W=1, R=1, S=1)
    case = Case.random(layer, seed=4, per_channel=False)
    weights = case.weights.reshape(layer.M, layer.C)
    inputs, output = case.tensors((layer.N, layer.C), (layer.N, layer.M), weights, axis=0)
    model = build(schema.BuiltinOperator.FULLY_CONNECTED, schema.FullyConnectedOptionsT(), inputs, output)
    return case, run(model, case.ifmap.reshape(layer.N, layer.C)).reshape(layer.ofmap_shape)


def fully_connected_scale(case: Case) -> np.ndarray:
    """This kernel multiplies the two scales of one tensor in single precision."""
    return np.float64(case.scale_in * case.scale_w) / np.float64(case.scale_out)


def test_fully_connected_rounds_once():
    case, theirs = fully_connected_case()
    np.testing.assert_array_equal(case.ours("single", fully_connected_scale(case)), theirs)


def test_swapped_rounding_modes_are_seen():
    """The data above tells the modes apart: each kernel disagrees with the other mode somewhere."""
    case, theirs = fully_connected_case()
    assert np.count_nonzero(case.ours("double", fully_connected_scale(case)) != theirs) > 0
    conv = Case.random(CONVOLUTIONS["3x3 same"], seed=8, per_channel=True)
    assert np.count_nonzero(conv.ours("single", conv.scales()) != conv.ours("double", conv.scales())) > 0


@pytest.mark.parametrize("name", ["kws_ref_model", "pretrainedResnet_quant"])
def test_published_network(name: str):
    """Every convolution of a network that others trained and quantised, on its own intermediate tensors."""
    path = MODELS / f"{name}.tflite"
    if not path.exists():
        pytest.skip(f"{path.name} is not in the folder shared/models beside the project")
    machine = interpreter.Interpreter(
        model_path=str(path),
        experimental_op_resolver_type=interpreter.OpResolverType.BUILTIN_REF,
        experimental_preserve_all_tensors=True,
    )
    machine.allocate_tensors()
    (entry,) = machine.get_input_details()
    rng = np.random.default_rng(0)
    machine.set_tensor(entry["index"], rng.integers(-128, 128, entry["shape"]).astype(np.int8))
    machine.invoke()

    model = schema.ModelT.InitFromPackedBuf(path.read_bytes(), 0)
    details = {detail["index"]: detail for detail in machine.get_tensor_details()}
    checked = 0
    for op in model.subgraphs[0].operators:
        code = model.operatorCodes[op.opcodeIndex]
        operator = max(code.builtinCode, code.deprecatedBuiltinCode)
        if operator not in (schema.BuiltinOperator.CONV_2D, schema.BuiltinOperator.DEPTHWISE_CONV_2D):
            continue
        x, w, b = (machine.get_tensor(index) for index in op.inputs)
        y = machine.get_tensor(op.outputs[0])
        depthwise = operator == schema.BuiltinOperator.DEPTHWISE_CONV_2D
        weights = w.transpose(3, 0, 1, 2) if depthwise else w.transpose(0, 3, 1, 2)
        M, C, R, S = weights.shape
        H, W = x.shape[1:3]
        options = op.builtinOptions
        same = options.padding == schema.Padding.SAME
        U, V = options.strideH, options.strideW
        layer = ConvLayer(
            M=M, C=C, G=x.shape[3] // C, H=H, W=W, R=R, S=S, U=U, V=V,
            padding=same_padding(H, W, R, S, U, V) if same else Padding(),
        )  # fmt: skip
        (s_in, s_w, s_out), (zp_in, _, zp_out) = (
            [details[i]["quantization_parameters"][part] for i in (*op.inputs[:2], op.outputs[0])]
            for part in ("scales", "zero_points")
        )
        relu = options.fusedActivationFunction == schema.ActivationFunctionType.RELU
        requant = Requant.from_scales(
            b,
            s_in.astype(np.float64) * s_w.astype(np.float64) / s_out.astype(np.float64),
            "double",
            zp_in=int(zp_in[0]),
            zp_out=int(zp_out[0]),
            act_min=int(zp_out[0]) if relu else -128,
            act_max=127,
        )
        ours = conv2d(layer, x.transpose(0, 3, 1, 2), weights, requant)
        np.testing.assert_array_equal(ours, y.transpose(0, 3, 1, 2), err_msg=str(layer))
        checked += 1
    assert checked == {"kws_ref_model": 9, "pretrainedResnet_quant": 9}[name]
