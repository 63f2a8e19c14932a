"""Random float networks in ONNX of all operators that a static quantiser meets, to be quantised by it."""

import random
from collections.abc import Callable
from pathlib import Path

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper
from onnxruntime.quantization import QuantFormat, QuantType, quantize_static

from onnx_networks import Calibration


class RandomNetwork:
    """Nodes one after the other on a tensor of known shape.

    Parameters
    ----------
    dimensions : of the image: 2, or 1 for a series. transposed : with transposed convolutions.
    """

    def __init__(self, seed: int, dimensions: int = 2, transposed: bool = True):
        self.with_transposed = transposed
        self.random, self.rng = random.Random(seed), np.random.default_rng(seed)
        self.dimensions = dimensions
        self.shape = (1, 4, *[self.random.randint(9, 13) for _ in range(dimensions)])
        self.nodes: list[onnx.NodeProto] = []
        self.weights: list[TensorProto] = []
        self.kinds: set[str] = set()
        self.first, self.name = self.shape, "x"

    def constant(self, values: np.ndarray) -> str:
        name = f"c{len(self.weights)}"
        self.weights.append(numpy_helper.from_array(np.asarray(values), name))
        return name

    def normal(self, *shape: int, scale: float = 1.0) -> str:
        return self.constant((self.rng.normal(0, 1, shape) * scale).astype(np.float32))

    def add(self, kind: str, *inputs: str, shape: tuple[int, ...] | None = None, **attributes) -> str:
        """A node on the present tensor and other inputs; its result is the next one's input."""
        output = f"t{len(self.nodes)}"
        self.nodes.append(helper.make_node(kind, [self.name, *inputs], [output], name=output, **attributes))
        self.kinds.add(kind)
        self.name, self.shape = output, self.shape if shape is None else shape
        return output

    # -- layers --------------------------------------------------------------------------------------------
    def conv(self) -> None:
        C, M = self.shape[1], self.random.choice([4, 8, 12])
        groups = self.random.choice([1, 1, C])
        M = C if groups == C else M
        taps, stride, D = (
            self.random.choice([1, 3]),
            self.random.choice([1, 1, 2]),
            self.random.choice([1, 1, 2]),
        )
        pad = (taps - 1) * D // 2
        n = self.dimensions
        weights = self.normal(M, C // groups, *[taps] * n, scale=1 / np.sqrt(C // groups * taps**n))
        size = tuple((each + 2 * pad - (taps - 1) * D - 1) // stride + 1 for each in self.shape[2:])
        fields = dict(strides=[stride] * n, pads=[pad] * 2 * n, dilations=[D] * n, group=groups)
        self.add("Conv", weights, self.normal(M, scale=0.1), shape=(1, M, *size), **fields)

    def transposed(self) -> None:
        C, M, stride = self.shape[1], 8, self.random.choice([1, 2])
        size = tuple((each - 1) * stride + 3 - 2 for each in self.shape[2:])
        weights = self.normal(C, M, 3, 3, scale=1 / np.sqrt(C * 4))
        fields = dict(strides=[stride] * 2, pads=[1] * 4)
        self.add("ConvTranspose", weights, self.normal(M, scale=0.1), shape=(1, M, *size), **fields)

    def pool(self) -> None:
        n, kind = self.dimensions, self.random.choice(["MaxPool", "AveragePool"])
        ceil = self.random.randint(0, 1)
        size = tuple((each - 2 + ceil) // 2 + 1 for each in self.shape[2:])
        fields = dict(kernel_shape=[2] * n, strides=[2] * n, ceil_mode=ceil)
        self.add(kind, shape=(*self.shape[:2], *size), **fields)

    def counted(self) -> None:
        n = self.dimensions
        fields = dict(kernel_shape=[3] * n, strides=[1] * n, pads=[1] * 2 * n, count_include_pad=1)
        self.add("AveragePool", **fields)

    def function(self) -> None:
        kind = self.random.choice(
            ["Relu", "LeakyRelu", "Sigmoid", "Tanh", "HardSwish", "HardSigmoid", "Elu", "Clip", "PRelu"]
        )
        inputs = []
        if kind == "Clip":
            inputs = [self.constant(np.float32(0)), self.constant(np.float32(6))]
        if kind == "PRelu":
            inputs = [self.normal(self.shape[1], *[1] * self.dimensions, scale=0.2)]
        self.add(kind, *inputs, **({"alpha": 0.1} if kind == "LeakyRelu" else {}))

    def binary(self) -> None:
        kind = self.random.choice(["Add", "Mul", "Sub", "Max", "Min"])
        other = self.random.choice([self.name, self.normal(1, self.shape[1], *[1] * self.dimensions)])
        self.add(kind, other)

    def norm(self) -> None:
        C = self.shape[1]
        spread = self.constant(self.rng.uniform(0.5, 2, C).astype(np.float32))
        self.add("BatchNormalization", spread, self.normal(C), self.normal(C), spread)

    def residual(self) -> None:
        before, shape = self.name, self.shape
        C, n = shape[1], self.dimensions
        self.add("Conv", self.normal(C, C, *[3] * n, scale=1 / np.sqrt(C * 3**n)), pads=[1] * 2 * n)
        self.add("Relu")
        self.add("Add", before)
        self.add("Concat", before, shape=(1, 2 * C, *shape[2:]), axis=1)

    def moves(self) -> None:
        N, C, *size = self.shape
        n = self.dimensions
        which = self.random.choice(["Split", "Pad", "Transpose", "Slice", "Gather", "Reflect"])
        if which == "Split":
            half, other = C // 2, f"t{len(self.nodes)}b"
            self.add("Split", shape=(N, half, *size), axis=1, num_outputs=2)
            self.nodes[-1].output.append(other)
            self.add("Mul", other)
        elif which in ("Pad", "Reflect"):
            pads = self.constant(np.array([0, 0, *[1] * n] * 2))
            mode = "constant" if which == "Pad" else "reflect"
            self.add("Pad", pads, shape=(N, C, *[each + 2 for each in size]), mode=mode)
        elif which == "Transpose":
            self.add("Transpose", shape=(N, C, *size[::-1]), perm=[0, 1, *list(range(2, n + 2))[::-1]])
        elif which == "Slice":
            bounds = [self.constant(np.array([each])) for each in (1, -1, 2)]
            self.add("Slice", *bounds, shape=(N, C, size[0] - 2, *size[1:]))
        else:
            indices = self.random.sample(range(C), C - 1)
            self.add("Gather", self.constant(np.array(indices)), shape=(N, C - 1, *size), axis=1)

    def resized(self) -> None:
        N, C, H, W = self.shape
        mode = self.random.choice(["nearest", "linear"])
        transform = self.random.choice(["half_pixel", "asymmetric", "align_corners"])
        size = (H * 2, W * 2) if self.random.random() < 0.5 else (H + 3, W - 2)
        sizes = self.constant(np.array([N, C, *size]))
        nodes = ["", "", sizes]
        fields = dict(mode=mode, coordinate_transformation_mode=transform)
        self.add("Resize", *nodes, shape=(N, C, *size), **fields)

    def depth(self) -> None:
        N, C, H, W = self.shape
        if C % 4 == 0:
            mode = self.random.choice(["DCR", "CRD"])
            self.add("DepthToSpace", shape=(N, C // 4, H * 2, W * 2), blocksize=2, mode=mode)
        elif not (H % 2 or W % 2):
            self.add("SpaceToDepth", shape=(N, C * 4, H // 2, W // 2), blocksize=2)

    def classifier(self) -> None:
        N, C, *size = self.shape
        which = self.random.choice(["global", "mean", "largest", "flat"])
        if which == "flat":
            features = C * int(np.prod(size))
            self.add("Flatten", shape=(N, features))
        else:
            kind = {"global": "GlobalAveragePool", "mean": "ReduceMean", "largest": "GlobalMaxPool"}[which]
            fields = dict(axes=list(range(2, len(self.shape))), keepdims=1) if which == "mean" else {}
            self.add(kind, shape=(N, C, *[1] * len(size)), **fields)
            features = C
            self.add("Reshape", self.constant(np.array([N, C])), shape=(N, C))
        if self.random.random() < 0.5:
            weights = self.normal(7, features, scale=1 / np.sqrt(features))
            self.add("Gemm", weights, self.normal(7), shape=(N, 7), transB=1)
        else:
            weights = self.normal(features, 7, scale=1 / np.sqrt(features))
            self.add("MatMul", weights, shape=(N, 7))
            self.add("Add", self.normal(7))
        if self.random.random() < 0.5:
            self.add("Softmax", axis=-1)

    def model(self, layers: int) -> onnx.ModelProto:
        steps: list[Callable[[], None]] = [
            self.conv, self.conv, self.pool, self.counted, self.function, self.function, self.binary,
            self.norm, self.residual, self.moves,
        ]  # fmt: skip
        if self.dimensions == 2:
            steps += [self.resized, self.depth] + [self.transposed] * self.with_transposed
        self.conv()
        for _ in range(layers):
            small, large = min(self.shape[2:]) < 6, max(self.shape[2:]) > 30
            chosen = self.random.choice(steps)
            if small and chosen in (self.pool, self.conv, self.moves):
                chosen = self.function
            if large and chosen in (self.resized, self.depth, self.transposed):
                chosen = self.pool
            chosen()
        self.classifier()
        graph = helper.make_graph(
            self.nodes,
            "network",
            [helper.make_tensor_value_info("x", TensorProto.FLOAT, self.first)],
            [helper.make_tensor_value_info(self.name, TensorProto.FLOAT, self.shape)],
            self.weights,
        )
        model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)])
        model.ir_version = 9
        for node in model.graph.node:  # of a later version of the format
            if node.op_type == "Split":
                del node.attribute[:]
                node.attribute.extend([helper.make_attribute("axis", 1)])
        onnx.checker.check_model(model)
        return model


FORMATS = {
    "qdq": QuantFormat.QDQ,
    "operators": QuantFormat.QOperator,
}
TYPES = {"int8": QuantType.QInt8, "uint8": QuantType.QUInt8}


def quantised(
    directory: Path,
    network: RandomNetwork,
    layers: int,
    form: str,
    activations: str,
    weights: str,
    **more: bool,
) -> Path:
    """The file of a random network, quantised."""
    source, target = directory / "float.onnx", directory / "quantised.onnx"
    onnx.save(network.model(layers), str(source))
    quantize_static(
        str(source),
        str(target),
        Calibration("x", network.first, 0),
        quant_format=FORMATS[form],
        activation_type=TYPES[activations],
        weight_type=TYPES[weights],
        **more,
    )
    return target
