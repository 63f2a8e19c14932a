"""Random networks quantised by ONNX Runtime's static quantiser, beside ONNX Runtime."""

import logging

import numpy as np
import pytest

from orris.graph import Graph
from orris.importers import load_model
from orris.runtime import Session
from orris.runtime.reference import Reference, open_reference
from random_onnx import RandomNetwork, quantised

ROUNDED_OTHERWISE = {"Resize"}
"""Whose results often lie half way between two steps, and then depend on the last bit of a sum."""


def operator_by_operator(
    graph: Graph, reference: Reference, inputs: dict[str, np.ndarray]
) -> tuple[int, int]:
    """Each operator on the reference's own tensors: values that differ (by one step), and all values."""
    expected, session = reference.run(inputs), Session(graph)
    values = {name: tensor.values for name, tensor in graph.tensors.items() if tensor.values is not None}
    values |= inputs
    differing = compared = 0
    for operator in graph.operators:
        results = session.step(operator, [values[name] for name in operator.inputs])
        for name, ours in zip(operator.outputs, results, strict=True):
            values[name] = ours
            if name not in expected:
                continue
            theirs = values[name] = expected[name].reshape(ours.shape)
            assert ours.dtype == theirs.dtype, operator
            if ours.dtype.kind == "f":
                np.testing.assert_allclose(ours, theirs, rtol=1e-4, atol=1e-5)
                continue
            distance = np.abs(ours.astype(int) - theirs)
            assert distance.max() <= 1, operator
            if operator.kind not in ROUNDED_OTHERWISE:
                differing += int(np.count_nonzero(distance))
            compared += ours.size
    return differing, compared


@pytest.mark.parametrize("number", range(16))
@pytest.mark.parametrize("dimensions", [2, 1])
def test_random_networks(tmp_path, seed, dimensions, number):
    logging.getLogger().setLevel(logging.ERROR)  # the quantiser's advice
    form = ("qdq", "operators")[number % 2]
    activations = ("int8", "uint8")[number // 2 % 2]
    weights = ("int8", activations)[number // 4 % 2]  # int8 with uint8 filters the quantiser does not know
    network = RandomNetwork(seed + number, dimensions, transposed=form == "qdq")
    more = dict(per_channel=bool(number // 8), reduce_range=bool(number % 3 == 0))
    path = quantised(tmp_path, network, 6, form, activations, weights, **more)
    graph = load_model(path)
    reference = open_reference(path, graph)
    differing = compared = 0
    for run in range(2):
        values = np.random.default_rng(run).normal(0, 1, network.first).astype(np.float32)
        found = operator_by_operator(graph, reference, {"x": values})
        differing, compared = differing + found[0], compared + found[1]
    print(f"{sorted(network.kinds)}: {differing} of {compared} values differ by one step")
    assert differing <= compared // 500
