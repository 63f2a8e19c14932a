"""Runs small models beside LiteRT's reference kernels."""

from pathlib import Path

import numpy as np

from orris.importers.load import load_model
from orris.runtime import Session
from orris.runtime.reference import compare, open_reference
from tflite_models import ModelWriter


def check(tmp_path: Path, content: bytes, runs: int = 3, values: np.ndarray | None = None) -> None:
    """Every computed tensor is the reference's."""
    path = tmp_path / "model.tflite"
    path.write_bytes(content)
    graph = load_model(path)
    session, reference = Session(graph), open_reference(path, graph)
    for seed in range(runs):
        inputs = {}
        for name in graph.inputs:
            tensor = graph.tensors[name]
            rng = np.random.default_rng(seed)
            if values is not None:
                inputs[name] = values
            elif tensor.dtype.kind == "f":
                inputs[name] = rng.normal(0, 3, tensor.shape).astype(tensor.dtype)
            else:
                info = np.iinfo(tensor.dtype)
                inputs[name] = rng.integers(info.min, info.max + 1, tensor.shape).astype(tensor.dtype)
        comparison = compare(graph, session.run(inputs), reference.run(inputs))
        assert comparison.compared >= 1
        assert not comparison.differences, [str(each) for each in comparison.differences]


def one(
    kind: str,
    shape_in: tuple[int, ...],
    shape_out: tuple[int, ...],
    made: object = None,
    *,
    dtype: type = np.int8,
    dtype_out: type | None = None,
    scales: tuple[float, float] = (0.05, 0.05),
    zeros: tuple[int, int] = (3, 3),
    constants: tuple[object, ...] = (),
    first: bool = False,
) -> bytes:
    """A model of one operator with one computed input; `first`: constants come before it."""
    model = ModelWriter()
    source = model.tensor(shape_in, dtype, scales[0], zeros[0])
    rest = [model.constant(each) for each in constants]
    result = model.tensor(shape_out, dtype_out or dtype, scales[1], zeros[1])
    model.operator(kind, [*rest, source] if first else [source, *rest], [result], made)
    return model.write([source], [result])
