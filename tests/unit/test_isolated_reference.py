"""The reference interpreter in a process of its own, which its checks may end."""

import numpy as np
import pytest

from beside_litert import one
from orris.graph import ModelError
from orris.importers import load_model
from orris.runtime import Session
from orris.runtime.checking import CheckResult
from orris.runtime.isolated import IsolatedReference
from tflite_models import options

CLASSES = 1001


def test_an_abort_ends_a_comparison_and_not_the_run(tmp_path):
    """Over many equal values a check of LiteRT's softmax fails; the inputs before and after are compared."""
    path, shape = tmp_path / "model.tflite", (1, CLASSES)
    made = options("SoftmaxOptions", beta=1.0)
    path.write_bytes(one("SOFTMAX", shape, shape, made, scales=(0.1, 1 / 256), zeros=(0, -128)))
    graph = load_model(path)
    random = np.random.default_rng(0).integers(-128, 128, shape).astype(np.int8)
    session = Session(graph)
    with IsolatedReference(path, graph) as reference:
        check = CheckResult(graph, reference)
        for values in (random, np.full(shape, 3, np.int8), random):
            check.add({graph.inputs[0]: values}, session.run({graph.inputs[0]: values}))
    assert [each.compared for each in check.comparisons] == [1, 0, 1]
    assert not any(each.differences for each in check.comparisons)
    assert not check.passed and check.as_dict()["not_compared"] == 1
    assert check.complaint() == (
        "input 1: LiteRT reference kernels: the process ended (SIGABRT), nothing to compare with"
    )
    assert "1 tensors of 1 inferences" not in check.sentence() and "of 2 inferences" in check.sentence()


def test_a_refused_file(tmp_path):
    """What the interpreter says comes back from its process."""
    path, shape = tmp_path / "model.tflite", (1, 8)
    path.write_bytes(one("RELU", shape, shape))
    graph = load_model(path)
    path.write_bytes(path.read_bytes()[:200])
    with pytest.raises(ModelError, match="the reference interpreter refuses"):
        IsolatedReference(path, graph)
