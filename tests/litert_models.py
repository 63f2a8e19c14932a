"""Models of one operator for the LiteRT interpreter, and its reference kernels' answers."""

from dataclasses import dataclass

import numpy as np
import pytest

flatbuffers = pytest.importorskip("flatbuffers")
interpreter = pytest.importorskip("ai_edge_litert.interpreter")
schema = pytest.importorskip("ai_edge_litert.schema_py_generated")

TYPES = {
    np.dtype(np.int8): schema.TensorType.INT8,
    np.dtype(np.int16): schema.TensorType.INT16,
    np.dtype(np.int32): schema.TensorType.INT32,
    np.dtype(np.int64): schema.TensorType.INT64,
}


@dataclass
class Quantised:
    """A quantised tensor of a model; no `values`: computed or given at run time, of type `dtype`."""

    shape: tuple[int, ...]
    scale: np.ndarray
    zero_point: int = 0
    axis: int = 0
    values: np.ndarray | None = None
    dtype: type = np.int8


def build(
    operator: int, options: object, inputs: list[Quantised], output: Quantised, version: int = 5
) -> bytes:
    """A model of one operator; inputs without values are the model's."""
    buffers, tensors = [schema.BufferT()], []
    for n, each in enumerate([*inputs, output]):
        tensor, quantisation, buffer = schema.TensorT(), schema.QuantizationParametersT(), schema.BufferT()
        quantisation.scale = each.scale.tolist()
        quantisation.zeroPoint = [each.zero_point] * len(each.scale)
        quantisation.quantizedDimension = each.axis
        tensor.name, tensor.shape, tensor.quantization = f"t{n}", list(each.shape), quantisation
        tensor.type = TYPES[np.dtype(each.dtype) if each.values is None else each.values.dtype]
        if each.values is not None:
            tensor.buffer = len(buffers)
            buffer.data = np.frombuffer(each.values.tobytes(), np.uint8)
            buffers.append(buffer)
        tensors.append(tensor)
    code, op, graph, model = schema.OperatorCodeT(), schema.OperatorT(), schema.SubGraphT(), schema.ModelT()
    code.builtinCode = code.deprecatedBuiltinCode = operator
    code.version = version
    op.inputs, op.outputs = list(range(len(inputs))), [len(inputs)]
    op.builtinOptions = options
    op.builtinOptionsType = getattr(schema.BuiltinOptions, type(options).__name__.removesuffix("T"))
    graph.tensors, graph.operators, graph.outputs = tensors, [op], [len(inputs)]
    graph.inputs = [number for number, each in enumerate(inputs) if each.values is None]
    model.version, model.operatorCodes, model.subgraphs, model.buffers = 3, [code], [graph], buffers
    builder = flatbuffers.Builder(1024)
    builder.Finish(model.Pack(builder), b"TFL3")
    return bytes(builder.Output())


def run(model: bytes, ifmap: np.ndarray) -> np.ndarray:
    """The output for a model's only input."""
    return run_all(model, [ifmap])


def run_all(model: bytes, ifmaps: list[np.ndarray]) -> np.ndarray:
    """The output for all inputs, in the order of the operator's."""
    machine = interpreter.Interpreter(
        model_content=model, experimental_op_resolver_type=interpreter.OpResolverType.BUILTIN_REF
    )
    machine.allocate_tensors()
    for details, ifmap in zip(machine.get_input_details(), ifmaps, strict=True):
        machine.set_tensor(details["index"], ifmap)
    machine.invoke()
    return machine.get_tensor(machine.get_output_details()[0]["index"])
