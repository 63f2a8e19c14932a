"""TFLite files: tensors, operators and variables as a graph."""

from math import prod
from typing import Any

import numpy as np
import tflite
from numpy.typing import NDArray

from ..graph import ELEMENTS_LIMIT, Graph, ModelError, Quantisation, Tensor
from ..graph.operators import Operator
from .flatbuffer import entries, numbers, reading
from .tflite_operators import CONVERTERS
from .tflite_source import Source
from .unsupported import Refusals, Unsupported

DTYPES: dict[int, np.dtype] = {
    tflite.TensorType.FLOAT32: np.dtype(np.float32),
    tflite.TensorType.INT32: np.dtype(np.int32),
    tflite.TensorType.UINT8: np.dtype(np.uint8),
    tflite.TensorType.INT64: np.dtype(np.int64),
    tflite.TensorType.INT16: np.dtype(np.int16),
    tflite.TensorType.INT8: np.dtype(np.int8),
    tflite.TensorType.BOOL: np.dtype(np.bool_),
}
TYPE_NAMES = {value: name for name, value in vars(tflite.TensorType).items() if isinstance(value, int)}
KINDS = {value: name for name, value in vars(tflite.BuiltinOperator).items() if isinstance(value, int)}
OPAQUE = {tflite.TensorType.RESOURCE}
"""Types of handles, which carry no numbers."""


def read_tflite(content: bytes, name: str) -> Graph:
    """The network in the bytes of a TFLite file.

    Raises
    ------
    ModelError
        The file is damaged, or holds operators or types that are not supported.
    """
    with reading(name):
        return _File(content, name).graph()


class _File:
    def __init__(self, content: bytes, name: str):
        self._name, self._size = name, len(content)
        self._model = tflite.Model.GetRootAs(content, 0)
        model = self._model
        self._buffers = entries(model.BuffersLength(), model.Buffers, self._size, "buffers")
        self._codes = entries(model.OperatorCodesLength(), model.OperatorCodes, self._size, "operator codes")
        self._graphs = entries(model.SubgraphsLength(), model.Subgraphs, self._size, "subgraphs")
        if not self._graphs:
            raise ModelError(f"{name} is damaged: it holds no network")

    def graph(self) -> Graph:
        main = _Subgraph(self, self._graphs[0])
        refusals, operators, variables = Refusals(self._name), [], {}
        nodes = main.nodes()
        for number, node in enumerate(nodes):
            kind = self.kind(node.OpcodeIndex())
            source = None
            try:
                if kind == "CALL_ONCE":
                    variables |= self._first_values(main.options(node, tflite.CallOnceOptions()))
                    continue
                source = main.source(node, kind, number)
                operators += _converted(source)
            except Unsupported as why:
                outputs = [main.name_of(index) for index in numbers(node.OutputsAsNumpy()).tolist()]
                refusals.add(kind, f"{kind} {number}", outputs, str(why))
        refusals.raise_if_any(len(nodes))
        return Graph(
            name=self._name,
            layout="NHWC",
            arithmetic="tflite",
            tensors=main.tensors,
            operators=tuple(operators),
            inputs=tuple(main.names(numbers(main.subgraph.InputsAsNumpy()))),
            outputs=tuple(main.names(numbers(main.subgraph.OutputsAsNumpy()))),
            variables=variables,
        )

    def kind(self, index: int) -> str:
        """What an operator does, in the format's word."""
        code = self._codes[index]
        number = max(code.BuiltinCode(), code.DeprecatedBuiltinCode())
        if number == tflite.BuiltinOperator.CUSTOM:
            return f"CUSTOM {(code.CustomCode() or b'').decode(errors='replace')}"
        return KINDS.get(number, f"number {number}")

    def buffer(self, index: int) -> NDArray[np.uint8]:
        """Bytes of a buffer; empty if it has none."""
        return numbers(self._buffers[index].DataAsNumpy()).astype(np.uint8, copy=False)

    def _first_values(self, options: Any) -> dict[str, NDArray]:
        """What the initialising subgraph gives the variables."""
        setup, variables = _Subgraph(self, self._graphs[options.InitSubgraphIndex()]), {}
        for number, node in enumerate(setup.nodes()):
            kind = self.kind(node.OpcodeIndex())
            source = setup.source(node, kind, number)
            if kind == "ASSIGN_VARIABLE":
                handle, value = source.inputs
                constant = setup.tensors[value].values
                if constant is None:
                    raise Unsupported("a variable's first value is computed")
                variables[source.handles[handle]] = constant
            elif kind != "VAR_HANDLE":
                raise Unsupported(f"{kind} in the network's initialisation")
            else:
                _converted(source)
        return variables


def _converted(source: Source) -> list[Operator]:
    if source.kind not in CONVERTERS:
        raise Unsupported("")
    return CONVERTERS[source.kind](source)


class _Subgraph:
    """One subgraph: its tensors by name, its operators as sources for the converters."""

    def __init__(self, file: _File, subgraph: Any):
        self._file, self.subgraph, self._size = file, subgraph, file._size
        self._flat = entries(subgraph.TensorsLength(), subgraph.Tensors, self._size, "tensors")
        self._names: list[str] = []
        self.tensors: dict[str, Tensor] = {}
        self._strange: dict[str, str] = {}  # tensors of types that no operator here works on
        self._handles: dict[str, str] = {}
        for index, flat in enumerate(self._flat):
            self._add(index, flat)

    def _add(self, index: int, flat: Any) -> None:
        name = (flat.Name() or b"").decode("utf-8", "replace") or f"tensor {index}"
        if name in self.tensors or name in self._strange:
            name = f"{name} #{index}"
        self._names.append(name)
        if flat.Type() not in DTYPES:
            self._strange[name] = "" if flat.Type() in OPAQUE else TYPE_NAMES.get(flat.Type(), "unknown")
            return
        shape = tuple(numbers(flat.ShapeAsNumpy()).tolist())
        dtype = DTYPES[flat.Type()]
        if any(size < 0 for size in shape) or prod(shape) > ELEMENTS_LIMIT:
            Tensor(name, shape, dtype)  # says what is wrong, before any memory is taken
        values = None
        content = self._file.buffer(flat.Buffer())
        if len(content):
            if len(content) != prod(shape) * dtype.itemsize:
                raise ModelError(
                    f"{self._file._name} is damaged: tensor '{name}' {list(shape)} of {dtype} takes "
                    f"{prod(shape) * dtype.itemsize} bytes, the file has {len(content)}"
                )
            values = content.view(dtype.newbyteorder("<")).astype(dtype).reshape(shape)
        self.tensors[name] = Tensor(name, shape, dtype, _quantisation(name, flat), values)

    def name_of(self, index: int) -> str:
        if not 0 <= index < len(self._names):
            raise ModelError(f"{self._file._name} is damaged: tensor {index} of {len(self._names)} is named")
        return self._names[index]

    def names(self, indices: NDArray) -> list[str]:
        return [self.name_of(index) for index in indices.tolist()]

    def nodes(self) -> list[Any]:
        return entries(self.subgraph.OperatorsLength(), self.subgraph.Operators, self._size, "operators")

    def options(self, node: Any, kind: Any) -> Any:
        """The options of a node in its own type; the defaults of the format where the file has none."""
        table = node.BuiltinOptions()
        if table is None:
            raise Unsupported("its options are missing")
        kind.Init(table.Bytes, table.Pos)
        return kind

    def source(self, node: Any, kind: str, number: int) -> Source:
        """An operator for its converter; Unsupported if a tensor is of a type that nothing here works on."""
        inputs = numbers(node.InputsAsNumpy()).tolist()
        outputs = self.names(numbers(node.OutputsAsNumpy()))
        names = ["" if index == -1 else self.name_of(index) for index in inputs]
        for name in (*names, *outputs):
            if self._strange.get(name):
                raise Unsupported(f"tensor '{name}' is of type {self._strange[name]}")
        return Source(
            kind=kind,
            name=f"{kind} {number}",
            inputs=names,
            outputs=outputs,
            tensors=self.tensors,
            handles=self._handles,
            options=lambda table: self.options(node, table),
            custom=numbers(node.CustomOptionsAsNumpy()).astype(np.uint8).tobytes(),
        )


def _quantisation(name: str, flat: Any) -> Quantisation | None:
    parameters = flat.Quantization()
    if parameters is None or parameters.ScaleLength() == 0:
        return None
    zero_points = numbers(parameters.ZeroPointAsNumpy())
    with np.errstate(invalid="ignore"):  # a NaN is refused below
        scales = numbers(parameters.ScaleAsNumpy()).astype(np.float64)
    try:
        return Quantisation(
            scales,
            zero_points if len(zero_points) else np.zeros(1, np.int64),
            parameters.QuantizedDimension(),
        )
    except ModelError as error:
        raise ModelError(f"tensor '{name}': {error}") from None
