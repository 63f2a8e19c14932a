"""Whole networks in RTL, every tensor beside the reference interpreter's."""

import csv
import json
from pathlib import Path

import numpy as np
import pytest
from typer.testing import CliRunner

from campaign import PLACES
from onnx_networks import quantised_network
from orris.cli import app
from orris.graph import Graph
from orris.importers import load_model
from orris.network import AliasStep, FusedStep, NetworkRunner, compile_network
from orris.runtime import Session
from orris.runtime.reference import compare, open_reference
from orris_hw.config import preset
from orris_sim.network_run import network_simulation
from random_onnx import RandomNetwork, quantised
from tflite_models import ModelWriter, options

MODELS = Path(__file__).parents[3] / "shared" / "models"
DIGITS = Path(__file__).parents[2] / "examples" / "digits"
PUBLISHED = ("kws_ref_model", "pretrainedResnet_quant")


def orris(*words: str):
    return CliRunner().invoke(app, [*words], prog_name="orris")


def published(name: str) -> Path:
    path = MODELS / f"{name}.tflite"
    if not path.exists():
        pytest.skip(f"{path.name} is not beside the project")
    return path


def random_inputs(graph: Graph, seed: int) -> dict[str, np.ndarray]:
    print(f"seed {seed}")
    rng, made = np.random.default_rng(seed), {}
    for name in graph.inputs:
        tensor = graph.tensors[name]
        if tensor.dtype.kind == "f":
            made[name] = rng.normal(0, 1, tensor.shape).astype(tensor.dtype)
        else:
            info = np.iinfo(tensor.dtype)
            made[name] = rng.integers(info.min, info.max + 1, tensor.shape).astype(tensor.dtype)
    return made


def compare_runs(runner: NetworkRunner, path: Path, seeds: range, compared: int, tolerance: int = 0) -> None:
    """Every tensor of every layer is the reference's."""
    graph = runner.network.graph
    reference = open_reference(path, graph)
    for seed in seeds:
        inputs = random_inputs(graph, seed)
        result = compare(graph, runner.run(inputs).tensors, reference.run(inputs))
        assert result.compared == compared
        for difference in result.differences:
            assert difference.largest <= tolerance, str(difference)


@pytest.mark.parametrize("name", PUBLISHED)
def test_every_tensor_of_a_published_network(name):
    path = published(name)
    graph = load_model(path)
    with network_simulation(compile_network(graph, preset("tiny"), keep=True)) as runner:
        compare_runs(runner, path, range(1), len(graph.operators))


@pytest.mark.long
@pytest.mark.parametrize("accelerator", ["tiny", "orris-168"])
@pytest.mark.parametrize("name", PUBLISHED)
def test_every_tensor_of_a_published_network_on_ten_inputs(name, accelerator):
    path = published(name)
    graph = load_model(path)
    with network_simulation(compile_network(graph, preset(accelerator), keep=True)) as runner:
        compare_runs(runner, path, range(10), len(graph.operators))


def test_places_in_memory_are_shared():
    """The same outputs where dead tensors' places are used again, and layer by layer."""
    path = published("kws_ref_model")
    graph = load_model(path)
    network = compile_network(graph, preset("tiny"))
    assert network.plan.size < network.plan.apart
    reference, inputs = open_reference(path, graph), random_inputs(graph, 5)
    expected = reference.run(inputs)
    with network_simulation(network) as runner:
        for one_by_one in (False, True):
            result = runner.run(inputs, one_by_one=one_by_one)
            assert not compare(graph, result.tensors, expected).differences
            assert set(result.tensors) >= set(graph.outputs)
        assert set(result.layers) == {step.operator.name for step in network.array_steps}
        assert result.counters["cycles"] == sum(each["cycles"] for each in result.layers.values())


@pytest.mark.parametrize("qdq, per_channel, activations", [(True, True, "int8"), (False, False, "uint8")])
def test_a_network_quantised_by_onnx_runtime(tmp_path, qdq, per_channel, activations):
    path = quantised_network(tmp_path, 3, qdq=qdq, per_channel=per_channel, activations=activations)
    graph = load_model(path)
    with network_simulation(compile_network(graph, preset("tiny"), keep=True)) as runner:
        compare_runs(runner, path, range(3), 15, tolerance=1)


def pooled() -> bytes:
    """Convolutions that are pooled, and one that is added to its own input."""
    model = ModelWriter()
    source = model.tensor((1, 23, 21, 5), np.int8, 0.05, 4)
    first = model.conv(source, 12, (3, 3), 1)
    half = model.max_pool(first, (3, 3), (2, 2))
    total = model.add(model.conv(half, 12, (3, 3), 2), half)
    return model.write([source], [model.max_pool(model.conv(total, 10, (1, 3), 3), (2, 2), (2, 2))])


@pytest.mark.parametrize("accelerator", ["tiny", "orris-168"])
def test_layers_fused_to_convolutions(tmp_path, accelerator):
    """The same outputs, whole and layer by layer, from fewer words of memory and in fewer cycles."""
    path = tmp_path / "model.tflite"
    path.write_bytes(pooled())
    graph = load_model(path)
    inputs = random_inputs(graph, 7)
    expected, counters = open_reference(path, graph).run(inputs), []
    for keep in (True, False):
        network = compile_network(graph, preset(accelerator), keep=keep)
        fused = [step.operator.kind for step in network.steps if isinstance(step, FusedStep)]
        assert fused == ([] if keep else ["MAX_POOL_2D", "ADD", "MAX_POOL_2D"])
        with network_simulation(network) as runner:
            for one_by_one in (True, False):
                result = runner.run(inputs, one_by_one=one_by_one)
                compared = compare(graph, result.tensors, expected)
                assert compared.compared == (6 if keep else 1) and not compared.differences
        counters.append(result.counters)
    words = [each["dram_read_words"] + each["dram_write_words"] for each in counters]
    assert words[1] < words[0] and counters[1]["cycles"] < counters[0]["cycles"]


@pytest.mark.parametrize("dimensions, form, number", [(1, "qdq", 3), (2, "qdq", 10), (2, "operators", 5)])
def test_random_networks_quantised_by_onnx_runtime(tmp_path, dimensions, form, number):
    """Series and images, transposed convolutions, host operators in between: as the golden model has it."""
    network = RandomNetwork(number, dimensions, transposed=form == "qdq")
    graph = load_model(quantised(tmp_path, network, 6, form, "uint8", "uint8"))
    inputs = random_inputs(graph, 0)
    expected = Session(graph).run(inputs)
    for keep in (True, False):
        with network_simulation(compile_network(graph, preset("tiny"), keep=keep)) as runner:
            found = runner.run(inputs).tensors
        assert set(graph.outputs) <= found.keys() <= expected.keys()
        for name, values in found.items():
            assert np.array_equal(values, expected[name]), name


def autoencoder() -> bytes:
    """Fully connected layers only, with a narrow middle."""
    model = ModelWriter()
    value = source = model.tensor((1, 640), np.int8, 0.05, 4)
    sizes = (640, 128, 128, 8, 128, 640)
    for number, (channels, filters) in enumerate(zip(sizes, sizes[1:], strict=False)):
        value = model.dense(value, channels, filters, number, relu=number < len(sizes) - 2)
    return model.write([source], [value])


def classifier() -> bytes:
    """A fully connected layer over a flattened image of several pixels."""
    model = ModelWriter()
    source = model.tensor((1, 7, 6, 5), np.int8, 0.05, 4)
    image = model.conv(source, 10, (3, 3), 1)
    scale = float(model._tensors[image].quantization.scale[0])
    flat = model.tensor((1, 420), np.int8, scale, -9)
    model.operator("RESHAPE", [image, model.constant([1, 420])], [flat], options("ReshapeOptions"))
    return model.write([source], [model.dense(flat, 420, 12, 2, relu=False)])


def joined_in_place() -> bytes:
    """A concatenation of whole blocks of channels, one part of which is read by itself, too."""
    model = ModelWriter()
    source = model.tensor((1, 7, 6, 5), np.int8, 0.05, 4)
    first, second = model.conv(source, 16, (3, 3), 1), model.conv(source, 12, (1, 3), 2)
    for each in (first, second):
        model._tensors[each].quantization = model._tensors[source].quantization
    joined = model.tensor((1, 7, 6, 28), np.int8, 0.05, 4)
    model.operator("CONCATENATION", [first, second], [joined], options("ConcatenationOptions", axis=3))
    both, one = model.conv(joined, 9, (3, 3), 3), model.conv(first, 8, (3, 3), 4)
    return model.write([source], [both, one])


def streaming() -> bytes:
    """A convolution over a window of rows that are kept from one inference to the next."""
    model, setup = ModelWriter(), ModelWriter()
    source, kept = (
        model.tensor((1, rows, 1, 16), np.int8, 0.05, -7, name=name)
        for rows, name in ((1, "new"), (4, "old"))
    )
    window, rest = (model.tensor((1, rows, 1, 16), np.int8, 0.05, -7) for rows in (5, 4))
    model.operator("CALL_ONCE", [], [], options("CallOnceOptions", initSubgraphIndex=1))
    variable = model.handle("rows")
    model.operator("READ_VARIABLE", [variable], [kept], options("ReadVariableOptions"))
    model.operator("CONCATENATION", [kept, source], [window], options("ConcatenationOptions", axis=1))
    ranges = [model.constant(values) for values in ([0, 1, 0, 0], [0, 5, 0, 0], [1, 1, 1, 1])]
    made = options("StridedSliceOptions", beginMask=13, endMask=13)
    model.operator("STRIDED_SLICE", [window, *ranges], [rest], made)
    model.operator("ASSIGN_VARIABLE", [variable, rest], [], options("AssignVariableOptions"))
    result = model.conv(window, 8, (5, 1), 1)
    first = setup.tensor((1, 4, 1, 16), np.int8, 0.05, -7, values=np.full((1, 4, 1, 16), -7))
    setup.operator("ASSIGN_VARIABLE", [setup.handle("rows"), first], [], options("AssignVariableOptions"))
    return model.write([source], [result], setup)


def legacy() -> bytes:
    """uint8 throughout, filters with a zero point: their values take more than 8 bits, and are sums."""
    model = ModelWriter()
    source = model.tensor((1, 7, 6, 8), np.uint8, 0.05, 131)
    wide = model.legacy("CONV_2D", source, 12, 151, 1)
    deep = model.legacy("DEPTHWISE_CONV_2D", wide, 12, 90, 2)
    flat = model.tensor((1, 504), np.uint8, float(model._tensors[deep].quantization.scale[0]), 117)
    model.operator("RESHAPE", [deep, model.constant([1, 504])], [flat], options("ReshapeOptions"))
    return model.write([source], [model.legacy("FULLY_CONNECTED", flat, 10, 0, 3)])


@pytest.mark.parametrize(
    "made, compared", [(autoencoder, 5), (classifier, 2), (joined_in_place, 5), (streaming, 4), (legacy, 3)]
)
def test_networks_of_other_kinds(tmp_path, made, compared):
    path = tmp_path / "model.tflite"
    path.write_bytes(made())
    graph = load_model(path)
    network = compile_network(graph, preset("tiny"), keep=True)
    with network_simulation(network) as runner:
        compare_runs(runner, path, range(3), compared)
    if made is joined_in_place:
        assert [step.operator.kind for step in network.steps if isinstance(step, AliasStep)] == [
            "CONCATENATION"
        ]


def sixteen_bits() -> bytes:
    """16-bit activations, 8-bit filters, 64-bit bias: convolutions, an addition, pooling, a dense layer."""
    model, rng = ModelWriter(), np.random.default_rng(1)

    def layer(kind, source, shape, made, out, step):
        scale = float(model._tensors[source].quantization.scale[0])
        filters = shape[3] if kind == "DEPTHWISE_CONV_2D" else shape[0]
        scales, axis = rng.uniform(0.005, 0.02, filters), 3 if kind == "DEPTHWISE_CONV_2D" else 0
        if kind == "FULLY_CONNECTED":
            scales = scales[:1]
        weights = rng.integers(-127, 128, shape)
        bias = model.tensor((filters,), np.int64, scales * scale, values=rng.integers(-99999, 99999, filters))
        result = model.tensor(out, np.int16, step)
        weights = model.tensor(shape, np.int8, scales, axis=axis, values=weights)
        model.operator(kind, [source, weights, bias], [result], made)
        return result

    stride = {"strideH": 1, "strideW": 1}
    source = model.tensor((1, 9, 8, 5), np.int16, 0.001)
    conv = options("Conv2DOptions", **stride)
    first = layer("CONV_2D", source, (12, 3, 3, 5), conv, (1, 9, 8, 12), 0.01)
    deep = options("DepthwiseConv2DOptions", depthMultiplier=1, **stride)
    second = layer("DEPTHWISE_CONV_2D", first, (1, 3, 3, 12), deep, (1, 9, 8, 12), 0.02)
    total, half = model.tensor((1, 9, 8, 12), np.int16, 0.03), model.tensor((1, 4, 4, 12), np.int16, 0.03)
    model.operator("ADD", [first, second], [total], options("AddOptions"))
    made = options("Pool2DOptions", filterHeight=2, filterWidth=2, strideH=2, strideW=2, padding=1)
    model.operator("MAX_POOL_2D", [total], [half], made)
    flat = model.tensor((1, 192), np.int16, 0.03)
    model.operator("RESHAPE", [half, model.constant([1, 192])], [flat], options("ReshapeOptions"))
    made = options("FullyConnectedOptions")
    scores = layer("FULLY_CONNECTED", flat, (10, 192), made, (1, 10), 0.005)
    result = model.tensor((1, 10), np.int16, 1 / 32768)
    model.operator("SOFTMAX", [scores], [result], options("SoftmaxOptions", beta=1.0))
    return model.write([source], [result])


def test_a_network_of_16_bit_activations(tmp_path):
    """On the configuration of random layers that has such data; one of 8 bits says what it lacks."""
    path = tmp_path / "model.tflite"
    path.write_bytes(sixteen_bits())
    graph = load_model(path)
    config = PLACES["sixteen-bits"].config
    with network_simulation(compile_network(graph, config, keep=True)) as runner:
        compare_runs(runner, path, range(3), 6)
    np.save(tmp_path / "x.npy", np.zeros((1, 9, 8, 5), np.int16))
    result = orris("run", str(path), "--input", str(tmp_path / "x.npy"), "--preset", "tiny")
    assert result.exit_code == 2 and "16" in result.stderr, result.stderr


def test_variables_of_a_run_are_those_of_its_inputs(tmp_path):
    """The first inference runs twice, once to be measured; only one of them counts."""
    (tmp_path / "model.tflite").write_bytes(streaming())
    rows = np.random.default_rng(0).integers(-128, 128, (6, 1, 1, 1, 16)).astype(np.int8)
    np.save(tmp_path / "rows.npy", rows)
    words = [str(tmp_path / "model.tflite"), "--input", str(tmp_path / "rows.npy"), "--preset", "tiny"]
    result = orris("run", *words, "--check", "--json")
    assert result.exit_code == 0, result.stderr
    assert json.loads(result.stdout)["check"] | {"tensors": 0, "values": 0} == {
        "reference": "LiteRT reference kernels",
        "passed": True,
        "tolerance": 0,
        "inferences": 6,
        "tensors": 0,
        "values": 0,
        "differing": 0,
        "largest": 0,
        "not_compared": 0,
        "first_difference": None,
    }


def test_digits_are_classified_as_by_onnx_runtime():
    graph = load_model(DIGITS / "digits.onnx")
    reference = open_reference(DIGITS / "digits.onnx", graph)
    with np.load(DIGITS / "digits.npz") as data:
        images, labels = data["images"][:10], data["labels"][:10]
    right = 0
    with network_simulation(compile_network(graph, preset("tiny"))) as runner:
        for image, label in zip(images, labels, strict=True):
            inputs = {"image": image[None].astype(np.float32) / 16}
            scores = runner.run(inputs).tensors["scores"]
            assert np.array_equal(scores, reference.run(inputs)["scores"])
            right += int(scores.argmax() == label)
    assert right >= 9


def test_run_at_the_command_line(tmp_path):
    model, graph = published("kws_ref_model"), load_model(published("kws_ref_model"))
    values = np.concatenate([random_inputs(graph, seed)[graph.inputs[0]] for seed in range(2)])
    np.save(tmp_path / "x.npy", values)
    files = {"output": tmp_path / "y.npy", "csv": tmp_path / "layers.csv", "plots": tmp_path / "plots"}
    words = [word for name, path in files.items() for word in (f"--{name}", str(path))]
    result = orris(
        "run",
        str(model),
        "--input",
        str(tmp_path / "x.npy"),
        "--preset",
        "tiny",
        "--json",
        "--check",
        *words,
    )
    assert result.exit_code == 0, result.stderr
    report = json.loads(result.stdout)
    assert report["check"]["passed"] and report["check"]["differing"] == 0 and report["inferences"] == 2
    assert report["coverage"]["share_of_macs_on_array"] == 1
    assert len(report["layers"]) == len(graph.operators)
    totals = report["totals"]
    assert totals["cycles"] > 0 and totals["inferences_per_second"] == 200e6 / totals["cycles"]
    assert totals["energy_per_inference"]["total"] > totals["dram_bytes_per_inference"] > 0
    first = report["layers"][0]
    assert first["where"] == "array" and first["cycles"] == first["counters"]["cycles"]
    assert abs(first["predicted_cycles"] / first["cycles"] - 1) < 0.1
    reference = open_reference(model, graph)
    expected = [reference.run({graph.inputs[0]: each[None]})[graph.outputs[0]] for each in values]
    assert np.array_equal(np.load(files["output"]), np.concatenate(expected))
    with files["csv"].open(encoding="utf-8") as file:
        assert [row["layer"] for row in csv.DictReader(file)] == [each.name for each in graph.operators]
    assert {path.name for path in files["plots"].iterdir()} == {"roofline.png", "layers.png"}


def test_the_first_layer_that_differs_is_named(tmp_path, monkeypatch):
    """A reference that is wrong from one layer on."""
    from orris.runtime import isolated as module

    model, graph = published("kws_ref_model"), load_model(published("kws_ref_model"))
    np.save(tmp_path / "x.npy", random_inputs(graph, 0)[graph.inputs[0]])
    names = [each.output for each in graph.operators]
    right = module.IsolatedReference.run

    def wrong(self, inputs):
        return {name: values + (names.index(name) >= 4) for name, values in right(self, inputs).items()}

    monkeypatch.setattr(module.IsolatedReference, "run", wrong)
    result = orris("run", str(model), "--input", str(tmp_path / "x.npy"), "--preset", "tiny", "--check")
    assert result.exit_code == 1
    assert (
        f"the first layer that differs from LiteRT reference kernels is {graph.operators[4].name}"
        in result.stderr
    )


@pytest.mark.long
@pytest.mark.parametrize("name", ["alexnet", "vgg16", "resnet18", "mobilenetv1"])
def test_large_networks_compile(name):
    network = compile_network(load_model(name), preset("orris-168"))
    assert network.plan.least <= network.plan.size < network.plan.apart
    assert network.predicted_cycles > sum(step.macs for step in network.array_steps) / 168
    assert len(network.segments) == 1


@pytest.mark.long
def test_alexnet_whole():
    graph = load_model("alexnet")
    with network_simulation(compile_network(graph, preset("orris-168"), keep=True)) as runner:
        compare_runs(runner, Path("alexnet"), range(1), len(runner.network.steps))
