"""The formats' own interpreters, and how far a network's tensors are from theirs."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from ..graph import Graph, ModelError
from .session import Session

TOLERANCE = {"tflite": 0, "onnx": 1}
"""Steps by which a value may differ: ONNX Runtime rescales in floating point and rounds half to even."""


class Reference(Protocol):
    """Runs a network, and gives every tensor that it can by name."""

    name: str

    def run(self, inputs: Mapping[str, NDArray]) -> dict[str, NDArray]: ...


@dataclass(frozen=True)
class Difference:
    """How a tensor differs from the reference's."""

    tensor: str
    operator: str
    differing: int
    values: int
    largest: float

    def __str__(self) -> str:
        return (
            f"{self.operator}, tensor '{self.tensor}': {self.differing} of {self.values} values differ, "
            f"by up to {self.largest:g}"
        )


@dataclass(frozen=True)
class Comparison:
    """Tensors of one inference beside the reference's, in the order they are made.

    `compared` tensors with `values` numbers; `differences` for those that are not equal.
    """

    compared: int
    values: int
    differences: tuple[Difference, ...]


def compare(graph: Graph, found: Mapping[str, NDArray], expected: Mapping[str, NDArray]) -> Comparison:
    """Every tensor that both have."""
    differences, compared, values = [], 0, 0
    for operator in graph.operators:
        for name in operator.outputs:
            if name not in found or name not in expected:
                continue
            ours, theirs = found[name], expected[name].reshape(found[name].shape)
            compared += 1
            values += ours.size
            wrong = int(np.count_nonzero(ours != theirs))
            if wrong:
                wide = (ours.astype(np.float64), theirs.astype(np.float64))
                largest = float(np.abs(wide[0] - wide[1]).max())
                differences.append(Difference(name, operator.name, wrong, ours.size, largest))
    return Comparison(compared, values, tuple(differences))


def open_reference(path: Path, graph: Graph) -> Reference:
    """The interpreter of the file's own format; for a built-in network, which no other has, the golden model.

    Raises
    ------
    ModelError
        It is not installed, or refuses the file.
    """
    if not path.exists():
        return _Golden(graph)
    try:
        return _LiteRT(path, graph) if graph.arithmetic == "tflite" else _OnnxRuntime(path, graph)
    except ImportError as error:
        raise ModelError(
            f"the reference interpreter is not installed ({error}): pip install 'orris[check]'"
        ) from error
    except (RuntimeError, ValueError) as error:
        raise ModelError(f"the reference interpreter refuses {path}: {error}") from error


class _Golden:
    """The golden model of everything."""

    name = "the golden model"

    def __init__(self, graph: Graph):
        self._session = Session(graph)

    def run(self, inputs: Mapping[str, NDArray]) -> dict[str, NDArray]:
        return self._session.run(inputs)


class _LiteRT:
    """LiteRT with its reference kernels."""

    name = "LiteRT reference kernels"

    def __init__(self, path: Path, graph: Graph):
        from ai_edge_litert.interpreter import Interpreter, OpResolverType

        self._graph = graph
        self._machine: Any = Interpreter(
            model_path=str(path),
            experimental_op_resolver_type=OpResolverType.BUILTIN_REF,
            experimental_preserve_all_tensors=True,
        )
        self._machine.allocate_tensors()
        self._index: dict[str, int] = {}
        for detail in sorted(self._machine.get_tensor_details(), key=lambda each: each["index"]):
            name = detail["name"] or f"tensor {detail['index']}"
            self._index[f"{name} #{detail['index']}" if name in self._index else name] = detail["index"]

    def run(self, inputs: Mapping[str, NDArray]) -> dict[str, NDArray]:
        for name, values in inputs.items():
            self._machine.set_tensor(self._index[name], values)
        self._machine.invoke()
        names = [name for operator in self._graph.operators for name in operator.outputs]
        return {name: self._machine.get_tensor(self._index[name]) for name in names if name in self._index}


class _OnnxRuntime:
    """ONNX Runtime on the CPU, with the network's quantised tensors as further outputs."""

    name = "ONNX Runtime"

    def __init__(self, path: Path, graph: Graph):
        import onnx
        import onnxruntime

        model = onnx.load(str(path))
        known = {output.name for output in model.graph.output}
        made = {name for node in model.graph.node for name in node.output}
        names = [name for operator in graph.operators for name in operator.outputs if name in made]
        for name in names:
            if name not in known:
                tensor = graph.tensors[name]
                kind = onnx.helper.np_dtype_to_tensor_dtype(tensor.dtype)
                model.graph.output.append(onnx.helper.make_tensor_value_info(name, kind, None))
        options = onnxruntime.SessionOptions()
        options.log_severity_level = 3
        self._names = names
        self._session: Any = onnxruntime.InferenceSession(
            model.SerializeToString(), options, providers=["CPUExecutionProvider"]
        )

    def run(self, inputs: Mapping[str, NDArray]) -> dict[str, NDArray]:
        results = self._session.run(self._names, dict(inputs))
        return dict(zip(self._names, results, strict=True))
