"""Writes small TFLite models for tests, with the schema that comes with LiteRT."""

from collections.abc import Sequence

import numpy as np
import pytest

flatbuffers = pytest.importorskip("flatbuffers")
schema = pytest.importorskip("ai_edge_litert.schema_py_generated")

Types = schema.TensorType
TYPES = {
    np.dtype(np.int8): Types.INT8,
    np.dtype(np.uint8): Types.UINT8,
    np.dtype(np.int16): Types.INT16,
    np.dtype(np.int32): Types.INT32,
    np.dtype(np.int64): Types.INT64,
    np.dtype(np.float32): Types.FLOAT32,
}


class ModelWriter:
    """Tensors and operators of one graph; `write` gives the bytes of the file."""

    def __init__(self) -> None:
        self._buffers, self._tensors, self._operators, self._codes = [schema.BufferT()], [], [], []

    def tensor(
        self,
        shape: Sequence[int],
        dtype: type | np.dtype = np.int8,
        scale: float | Sequence[float] | np.ndarray | None = None,
        zero_point: int = 0,
        *,
        axis: int = 0,
        values: np.ndarray | None = None,
        name: str | None = None,
    ) -> int:
        """A tensor's index; without `values` it is computed or given at run time."""
        tensor = schema.TensorT()
        tensor.name = name or f"t{len(self._tensors)}"
        tensor.shape, tensor.type = list(shape), TYPES[np.dtype(dtype)]
        if scale is not None:
            scales = np.atleast_1d(np.float32(scale)).tolist()
            quantisation = schema.QuantizationParametersT()
            quantisation.scale, quantisation.zeroPoint = scales, [zero_point] * len(scales)
            quantisation.quantizedDimension = axis
            tensor.quantization = quantisation
        if values is not None:
            buffer = schema.BufferT()
            buffer.data = np.frombuffer(np.ascontiguousarray(values, dtype).tobytes(), np.uint8)
            tensor.buffer = len(self._buffers)
            self._buffers.append(buffer)
        self._tensors.append(tensor)
        return len(self._tensors) - 1

    def constant(self, values: object, dtype: type = np.int32) -> int:
        """A constant without a scale."""
        array = np.asarray(values, dtype)
        return self.tensor(array.shape, dtype, values=array)

    def operator(
        self,
        kind: str,
        inputs: Sequence[int],
        outputs: Sequence[int],
        options: object = None,
        custom: tuple[str, bytes] | None = None,
    ) -> None:
        """An operator by the format's name; `options` is an object of the schema.

        `custom` is the name and the options of one that is not the format's own, of kind "CUSTOM".
        """
        code = schema.OperatorCodeT()
        code.builtinCode = getattr(schema.BuiltinOperator, kind)
        code.deprecatedBuiltinCode = min(code.builtinCode, 127)
        code.version = 1
        node = schema.OperatorT()
        node.opcodeIndex = len(self._codes)
        node.inputs, node.outputs = list(inputs), list(outputs)
        if custom is not None:
            code.customCode, node.customOptions = custom[0], list(custom[1])
        if options is not None:
            node.builtinOptions = options
            name = type(options).__name__.removesuffix("T")
            node.builtinOptionsType = getattr(schema.BuiltinOptions, name)
        self._codes.append(code)
        self._operators.append(node)

    def handle(self, variable: str) -> int:
        """The index of a tensor that stands for a variable."""
        tensor = schema.TensorT()
        tensor.name, tensor.shape, tensor.type = f"handle{len(self._tensors)}", [], Types.RESOURCE
        self._tensors.append(tensor)
        made = options("VarHandleOptions", sharedName=variable, container="")
        self.operator("VAR_HANDLE", [], [len(self._tensors) - 1], made)
        return len(self._tensors) - 1

    def dense(self, source: int, channels: int, filters: int, seed: int, relu: bool = True) -> int:
        """A fully connected layer with random weights, of scales that use its range; its output's index."""
        rng = np.random.default_rng(seed)
        scale = float(self._tensors[source].quantization.scale[0])
        weights = rng.integers(-127, 128, (filters, channels)).astype(np.int8)
        inputs = [source, self.tensor(weights.shape, np.int8, 0.01, values=weights)]
        bias = rng.integers(-5000, 5000, filters)
        inputs.append(self.tensor((filters,), np.int32, scale * 0.01, values=bias))
        step = scale * 0.01 * 74 * 73 * float(np.sqrt(channels)) / 40
        result = self.tensor((1, filters), np.int8, step, -128 if relu else 3)
        made = options("FullyConnectedOptions", fusedActivationFunction=int(relu))
        self.operator("FULLY_CONNECTED", inputs, [result], made)
        return result

    def conv(self, source: int, filters: int, taps: tuple[int, int], seed: int) -> int:
        """A convolution of stride 1, padding SAME, with random weights; its output's index."""
        rng = np.random.default_rng(seed)
        shape, scale = self._tensors[source].shape, float(self._tensors[source].quantization.scale[0])
        weights = rng.integers(-127, 128, (filters, *taps, shape[3])).astype(np.int8)
        scales = rng.uniform(0.005, 0.02, filters)
        inputs = [source, self.tensor(weights.shape, np.int8, scales, values=weights)]
        inputs.append(
            self.tensor((filters,), np.int32, scales * scale, values=rng.integers(-999, 999, filters))
        )
        step = scale * 0.01 * 74 * 73 * float(np.sqrt(np.prod(weights.shape[1:]))) / 40
        result = self.tensor((*shape[:3], filters), np.int8, step, -9)
        self.operator("CONV_2D", inputs, [result], options("Conv2DOptions", strideH=1, strideW=1))
        return result

    def max_pool(self, source: int, window: tuple[int, int], stride: tuple[int, int]) -> int:
        """Padding SAME; its output's index."""
        before = self._tensors[source]
        N, H, W, C = before.shape
        shape = N, -(-H // stride[0]), -(-W // stride[1]), C
        scale, zero_point = before.quantization.scale[0], before.quantization.zeroPoint[0]
        result = self.tensor(shape, np.int8, scale, zero_point)
        made = options(
            "Pool2DOptions",
            filterHeight=window[0], filterWidth=window[1], strideH=stride[0], strideW=stride[1],
        )  # fmt: skip
        self.operator("MAX_POOL_2D", [source], [result], made)
        return result

    def add(self, a: int, b: int) -> int:
        """The sum of two tensors of one shape; its output's index."""
        scale = self._tensors[a].quantization.scale[0] + self._tensors[b].quantization.scale[0]
        result = self.tensor(self._tensors[a].shape, np.int8, scale, 5)
        self.operator("ADD", [a, b], [result], options("AddOptions"))
        return result

    def legacy(self, kind: str, source: int, filters: int, zero_point: int, seed: int) -> int:
        """A layer of uint8 filters with a zero point, of 3 x 3 taps if it is a convolution; its output."""
        rng = np.random.default_rng(seed)
        before = self._tensors[source]
        channels, scale = before.shape[-1], float(before.quantization.scale[0])
        shape = {
            "CONV_2D": (filters, 3, 3, channels),
            "DEPTHWISE_CONV_2D": (1, 3, 3, filters),
            "FULLY_CONNECTED": (filters, channels),
        }[kind]
        values = rng.integers(0, 256, shape)
        values.flat[:2] = 0, 255
        bias = rng.integers(-3000, 3000, filters)
        inputs = [
            source,
            self.tensor(shape, np.uint8, 0.01, zero_point, values=values),
            self.tensor((filters,), np.int32, scale * 0.01, values=bias),
        ]
        taps = values.size // filters
        step = scale * 0.01 * 74 * (74 + abs(zero_point - 128)) * float(np.sqrt(taps)) / 40
        result = self.tensor((*before.shape[:-1], filters), np.uint8, step, 117)
        made = {
            "CONV_2D": lambda: options("Conv2DOptions", strideH=1, strideW=1),
            "DEPTHWISE_CONV_2D": lambda: options(
                "DepthwiseConv2DOptions", depthMultiplier=filters // channels, strideH=1, strideW=1
            ),
            "FULLY_CONNECTED": lambda: options("FullyConnectedOptions"),
        }[kind]()
        self.operator(kind, inputs, [result], made)
        return result

    def write(
        self, inputs: Sequence[int], outputs: Sequence[int], setup: "ModelWriter | None" = None
    ) -> bytes:
        """The file's bytes. `setup` is a graph that runs once before, of the operators of this one's file."""
        graph, model = schema.SubGraphT(), schema.ModelT()
        graph.tensors, graph.operators = self._tensors, self._operators
        graph.inputs, graph.outputs = list(inputs), list(outputs)
        model.version, model.operatorCodes = 3, self._codes
        model.subgraphs, model.buffers = [graph], self._buffers
        if setup is not None:
            model.subgraphs.append(self._adopted(setup))
        builder = flatbuffers.Builder(1024)
        builder.Finish(model.Pack(builder), b"TFL3")
        return bytes(builder.Output())

    def _adopted(self, other: "ModelWriter") -> object:
        """Another writer's graph with the buffers and operator codes of this one."""
        for tensor in other._tensors:
            tensor.buffer += len(self._buffers) if tensor.buffer else 0
        for node in other._operators:
            node.opcodeIndex += len(self._codes)
        self._buffers += other._buffers
        self._codes += other._codes
        graph = schema.SubGraphT()
        graph.tensors, graph.operators, graph.inputs, graph.outputs = other._tensors, other._operators, [], []
        return graph


def options(name: str, **fields: object) -> object:
    """Options such as `options("Pool2DOptions", strideH=2)`."""
    made = getattr(schema, f"{name}T")()
    for field, value in fields.items():
        assert hasattr(made, field), field
        setattr(made, field, value)
    return made
