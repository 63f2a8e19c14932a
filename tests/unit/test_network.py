"""The network compiler without RTL: memory plan, order of steps, what runs where, programs."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from orris.golden import AddParameters, add
from orris.graph import operators as ops
from orris.graph.vector import VectorWork
from orris.graph.views import from_view, to_view, view_shape
from orris.importers import load_model
from orris.layers import AddLayer
from orris.network import (
    AliasStep,
    ConvolutionStep,
    Coverage,
    FusedStep,
    HostStep,
    VectorStep,
    assign,
    compile_network,
    report,
)
from orris.network.fuse import pairs, with_first_operand
from orris.network.memory import Interval, plan_memory
from orris_hw.commands import FORMATS
from orris_hw.config import AcceleratorConfig, preset

MODELS = Path(__file__).parents[3] / "shared" / "models"
DIGITS = Path(__file__).parents[2] / "examples" / "digits" / "digits.onnx"


def published(name: str) -> Path:
    path = MODELS / f"{name}.tflite"
    if not path.exists():
        pytest.skip(f"{path.name} is not beside the project")
    return path


@pytest.mark.parametrize("seed", range(20))
def test_areas_that_live_together_lie_apart(seed):
    print(f"seed {seed}")
    rng = np.random.default_rng(seed)
    intervals = []
    for number in range(30):
        begin = int(rng.integers(0, 40))
        size = 64 * int(rng.integers(1, 50))
        intervals.append(Interval(f"t{number}", size, begin, begin + int(rng.integers(0, 10))))
    plan = plan_memory(intervals)
    for index, first in enumerate(intervals):
        low = plan.addresses[first.name]
        assert 0 <= low and low + first.size <= plan.size
        for second in intervals[:index]:
            if first.begin <= second.end and second.begin <= first.end:
                other = plan.addresses[second.name]
                assert low + first.size <= other or other + second.size <= low
    assert plan.least <= plan.size <= plan.apart == sum(each.size for each in intervals)
    assert plan.size < 0.6 * plan.apart


def test_a_chain_of_tensors_takes_the_room_of_two():
    chain = [Interval(f"t{n}", 128, n, n + 1) for n in range(10)]
    assert plan_memory(chain).size == 256


def config_without_vector_unit() -> AcceleratorConfig:
    config = preset("tiny")
    return config.model_copy(update={"vector": config.vector.model_copy(update={"lanes": 0})})


def test_what_runs_where():
    graph = load_model(published("pretrainedResnet_quant"))
    coverage = Coverage(graph, tuple(assign(graph, preset("tiny"))))
    assert coverage.operators("array") == 10 and coverage.operators("vector") == 4
    assert coverage.operators("host") == 1 and coverage.operators("nowhere") == 1
    assert coverage.share == 1 and coverage.macs == 12_501_632
    assert coverage.sentence().startswith("15 of 16 operators and 100.0% of 12,501,632 MACs")
    described = coverage.as_dict()
    assert described["operators"]["all"] == len(described["nodes"]) == 16
    host = [node for node in described["nodes"] if node["where"] == "host"]
    assert [node["operator"] for node in host] == ["SOFTMAX"] and host[0]["why"]


def test_without_a_vector_unit_the_host_pools_and_adds():
    graph = load_model(published("pretrainedResnet_quant"))
    found = [each for each in assign(graph, config_without_vector_unit()) if each.where == "host"]
    kinds = [type(each.operator) for each in found]
    assert kinds.count(ops.Add) == 3 and kinds.count(ops.Pool) == 1
    assert found[0].why == "tiny has no vector unit"


def test_one_program_from_the_first_layer_to_the_last():
    graph = load_model(published("pretrainedResnet_quant"))
    network = compile_network(graph, preset("tiny"), keep=True)
    (segment,) = network.segments
    kinds = [type(step) for step in network.steps]
    assert kinds.count(ConvolutionStep) == 10 and kinds.count(VectorStep) == 4
    assert kinds.count(HostStep) == 1 and kinds.count(AliasStep) == 1
    assert segment.packed == graph.inputs and len(segment.fetched) == 15
    words = np.frombuffer(segment.program.content, "<u8").reshape(-1, 8)
    opcodes = (words[:, 0] & 0xFF).tolist()
    assert opcodes.count(FORMATS["BARRIER"].opcode) == 13
    assert opcodes.count(FORMATS["END"].opcode) == 1 and opcodes[-1] == FORMATS["END"].opcode


def test_additions_are_fused_where_that_saves_memory_traffic():
    graph = load_model(published("pretrainedResnet_quant"))
    config = preset("orris-168")
    network = compile_network(graph, config)
    fused = {step.operator.name: step.into for step in network.steps if isinstance(step, FusedStep)}
    assert fused == {"ADD 3": "CONV_2D 2", "ADD 7": "CONV_2D 5", "ADD 11": "CONV_2D 9"}
    names = [step.operator.name for step in network.array_steps]
    assert names.index("CONV_2D 6") < names.index("CONV_2D 5")  # the other operand comes first
    kinds = [type(step) for step in network.steps]
    assert kinds.count(ConvolutionStep) == 10 and kinds.count(VectorStep) == 1
    made = {step.output for step in network.array_steps}
    for step in network.steps:
        if isinstance(step, FusedStep):  # its result has a place, what it was made of has none
            assert step.operator.output in made and step.operator.output in network.tensors
            assert sum(name in network.tensors for name in step.operator.inputs) == 1
    layers = report(network, Coverage(graph, tuple(assign(graph, config)))).layers
    rows = {layer.name: layer.where for layer in layers}
    assert rows["ADD 3"] == "fused: into CONV_2D 2" and len(rows) == len(graph.operators)


def test_an_ofmap_that_somebody_else_reads_is_not_fused():
    graph = load_model(published("pretrainedResnet_quant"))
    conv = next(each for each in graph.operators if each.name == "CONV_2D 2")
    watched = replace(graph, outputs=(*graph.outputs, conv.output))
    found = assign(watched, preset("tiny"))
    names = [found[pair.convolution].operator.name for pair in pairs(watched, found)]
    assert names == ["CONV_2D 5", "CONV_2D 9"]


def test_an_addition_with_its_operands_changed_over_is_the_same():
    first = AddParameters.from_scales(np.int8, (0.5, 1), (0.25, -3), (0.6, 7))
    layer = AddLayer(C=3, H=4, W=5)
    work = with_first_operand(VectorWork(layer, first, ("a", "b"), "sum"), "b")
    rng = np.random.default_rng(0)
    a, b = rng.integers(-128, 128, (2, 1, 3, 4, 5)).astype(np.int8)
    assert work.ifmaps == ("b", "a") and work.parameters is not None
    assert np.array_equal(add(layer, a, b, first), add(layer, b, a, work.parameters))


@pytest.mark.parametrize("keep", [True, False])
def test_memory_of_a_network(keep):
    graph = load_model(published("pretrainedResnet_quant"))
    network = compile_network(graph, preset("tiny"), keep=keep)
    plan = network.plan
    all_kept = compile_network(graph, preset("tiny"), keep=True).plan
    assert all_kept.size == all_kept.apart >= plan.apart
    assert plan.size == plan.apart if keep else plan.size < 0.5 * all_kept.size
    areas = [(address, address + len(content)) for address, content in network.constants]
    for low, high in areas:  # constants lie behind the activations, apart, once
        assert low >= plan.size and high <= network.memory_size
    assert all(high <= low for (_, high), (low, _) in zip(areas, areas[1:], strict=False))
    (segment,) = network.segments
    assert segment.program.write_window == (0, plan.size)


def test_digits_network_splits_at_the_host_only_at_its_borders():
    network = compile_network(load_model(DIGITS), preset("tiny"))
    assert len(network.segments) == 1
    assert [step.operator.kind for step in network.steps if isinstance(step, HostStep)] == [
        "QuantizeLinear",
        "DequantizeLinear",
    ]


@pytest.mark.parametrize("layout", ["NHWC", "NCHW"])
@pytest.mark.parametrize("shape", [(2, 3, 4, 5), (3, 4, 5), (6, 7), (5,)])
@pytest.mark.parametrize("dtype", [np.int8, np.uint8, np.int16])
def test_views(shape, layout, dtype):
    from orris.graph import Quantisation, Tensor

    info = np.iinfo(dtype)
    values = np.random.default_rng(0).integers(info.min, info.max + 1, shape).astype(dtype)
    tensor = Tensor("t", shape, np.dtype(dtype), Quantisation.of(0.1))
    view = to_view(values, tensor, layout)
    assert view.shape == view_shape(tensor, layout) and view.dtype.kind == "i"
    assert np.array_equal(from_view(view, tensor, layout), values)
