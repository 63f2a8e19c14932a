"""Whole files with wrong contents: they run, or are refused in a clear error, and soon."""

import logging
import signal
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import onnx
import pytest

from beside_litert import one
from mutated_models import mutated_onnx, mutated_tflite
from orris.importers import load_model
from orris.network import Coverage, assign
from orris.runtime import Session
from orris_hw.config import preset
from orris_hw.errors import OrrisError
from random_onnx import RandomNetwork, quantised
from tflite_models import ModelWriter, options

CASES, SECONDS = 300, 20


@contextmanager
def time_limit() -> Iterator[None]:
    def expired(*_: object) -> None:
        raise TimeoutError(f"more than {SECONDS} s")

    before = signal.signal(signal.SIGALRM, expired)
    signal.alarm(SECONDS)
    try:
        yield
    finally:
        signal.alarm(0)
        signal.signal(signal.SIGALRM, before)


def runs(path: Path) -> bool:
    """Whether the file is a network that can be run; any other error than ours is a failure."""
    try:
        with time_limit():
            graph = load_model(path)
            Coverage(graph, tuple(assign(graph, preset("tiny")))).as_dict()
            tensors = [graph.tensors[name] for name in graph.inputs]
            Session(graph).run({each.name: np.ones(each.shape, each.dtype) for each in tensors})
    except OrrisError as error:
        assert str(error)
        return False
    return True


def layers() -> bytes:
    model = ModelWriter()
    source = model.tensor((1, 7, 6, 8), np.uint8, 0.05, 131)
    deep = model.legacy("DEPTHWISE_CONV_2D", model.legacy("CONV_2D", source, 12, 151, 1), 12, 90, 2)
    flat = model.tensor((1, 504), np.uint8, float(model._tensors[deep].quantization.scale[0]), 117)
    model.operator("RESHAPE", [deep, model.constant([1, 504])], [flat], options("ReshapeOptions"))
    return model.write([source], [model.legacy("FULLY_CONNECTED", flat, 10, 0, 3)])


def single(kind: str, before: tuple[int, ...], after: tuple[int, ...], *constants: object, **fields) -> bytes:
    made = options("".join(word.capitalize() for word in kind.split("_")) + "Options", **fields)
    return one(kind, before, after, made, constants=constants)


TFLITE = {
    "layers": layers,
    "bilinear": lambda: single("RESIZE_BILINEAR", (1, 4, 5, 3), (1, 7, 13, 3), (7, 13)),
    "slice": lambda: single("STRIDED_SLICE", (1, 6, 5), (1, 2, 5), [0, 1, 0], [1, 5, 5], [1, 2, 1]),
    "gather": lambda: single("GATHER", (1, 6, 5), (1, 3, 5), [5, 0, 2], axis=1),
    "depth": lambda: single("SPACE_TO_DEPTH", (1, 4, 6, 3), (1, 2, 3, 12), blockSize=2),
    "mirror": lambda: single("MIRROR_PAD", (1, 4, 3), (1, 7, 3), [[0, 0], [1, 2], [0, 0]]),
    "swish": lambda: single("HARD_SWISH", (1, 8), (1, 8)),
}


@pytest.mark.parametrize("made", TFLITE)
def test_tflite(tmp_path, seed, made):
    content, path, found = TFLITE[made](), tmp_path / "model.tflite", []
    for number in range(CASES // len(TFLITE)):
        print(f"seed {seed + number}")
        changed = mutated_tflite(content, seed + number)
        if changed is not None:
            path.write_bytes(changed)
            found.append(runs(path))
    assert len(found) > CASES // len(TFLITE) // 2 and True in found and False in found


@pytest.mark.parametrize("form, dimensions", [("qdq", 2), ("operators", 2), ("qdq", 1)])
def test_onnx(tmp_path, seed, form, dimensions):
    logging.getLogger().setLevel(logging.ERROR)  # the quantiser's advice
    network = RandomNetwork(seed, dimensions, transposed=form == "qdq")
    model = onnx.load(str(quantised(tmp_path, network, 6, form, "uint8", "uint8")))
    path, found = tmp_path / "model.onnx", []
    for number in range(CASES // 3):
        print(f"seed {seed + number}")
        path.write_bytes(mutated_onnx(model, seed + number))
        found.append(runs(path))
    assert False in found
