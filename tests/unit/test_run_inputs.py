"""Inputs and outputs of `orris run`, and what it says of those that do not fit."""

from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from typer.testing import CliRunner

from orris.cli import app
from orris.graph import ModelError
from orris.importers import load_model
from orris.runtime.inputs import load_inputs
from orris.runtime.outputs import check_output, gathered, save_outputs
from tflite_models import ModelWriter

SHAPE = (1, 6, 5, 3)


@pytest.fixture
def model(tmp_path: Path) -> Path:
    writer = ModelWriter()
    source, result = writer.tensor(SHAPE, np.int8, 0.1, -128), writer.tensor(SHAPE, np.int8, 0.1, -128)
    writer.operator("RELU6", [source], [result])
    path = tmp_path / "model.tflite"
    path.write_bytes(writer.write([source], [result]))
    return path


def saved(path: Path, values: np.ndarray) -> Path:
    np.save(path, values)
    return path


@pytest.mark.parametrize("shape, count", [(SHAPE, 1), ((4, *SHAPE), 4), ((4, *SHAPE[1:]), 4)])
def test_arrays(tmp_path, model, shape, count):
    values = np.random.default_rng(0).integers(-128, 128, shape).astype(np.int8)
    inputs = load_inputs(saved(tmp_path / "x.npy", values), load_model(model))
    assert len(inputs) == count
    assert np.array_equal(np.concatenate([each["t0"] for each in inputs]), values.reshape(-1, *SHAPE[1:]))


def test_images_take_the_range_of_the_input(tmp_path, model):
    pixels = np.random.default_rng(0).integers(0, 256, SHAPE[1:]).astype(np.uint8)
    Image.fromarray(pixels).save(tmp_path / "x.png")
    (inputs,) = load_inputs(tmp_path / "x.png", load_model(model))
    assert np.array_equal(inputs["t0"][0], pixels.astype(np.int64) - 128)


def test_a_directory_in_order_of_names(tmp_path, model):
    directory = tmp_path / "inputs"
    directory.mkdir()
    for number in (2, 1):
        saved(directory / f"{number}.npy", np.full(SHAPE, number, np.int8))
    (directory / "notes.txt").write_text("not an input")
    inputs = load_inputs(directory, load_model(model))
    assert [int(each["t0"][0, 0, 0, 0]) for each in inputs] == [1, 2]


@pytest.mark.parametrize(
    "values, message",
    [
        (np.zeros(SHAPE, np.float32), "is of type float32, input 't0' is int8"),
        (np.zeros((1, 6, 5, 4), np.int8), r"has shape \[1, 6, 5, 4\], input 't0' has \[1, 6, 5, 3\]"),
        (np.zeros((0, *SHAPE), np.int8), r"has shape \[0, 1, 6, 5, 3\]"),
    ],
)
def test_arrays_that_do_not_fit(tmp_path, model, values, message):
    with pytest.raises(ModelError, match=message):
        load_inputs(saved(tmp_path / "x.npy", values), load_model(model))


def test_files_that_cannot_be_read(tmp_path, model):
    graph = load_model(model)
    for name, content in (("x.npy", b"no array"), ("x.npz", b"PK"), ("x.png", b"no image")):
        (tmp_path / name).write_bytes(content)
        with pytest.raises(ModelError, match="cannot read"):
            load_inputs(tmp_path / name, graph)
    with pytest.raises(ModelError, match="there is no input"):
        load_inputs(tmp_path / "absent.npy", graph)
    with pytest.raises(ModelError, match="neither an array"):
        load_inputs(model, graph)


def test_pickles_are_not_loaded(tmp_path, model):
    np.save(tmp_path / "x.npy", np.array([{}], object), allow_pickle=True)
    with pytest.raises(ModelError, match="cannot read"):
        load_inputs(tmp_path / "x.npy", load_model(model))


def test_a_name_that_is_too_long(model):
    with pytest.raises(ModelError, match="File name too long"):
        load_inputs(Path("long" * 100 + ".npy"), load_model(model))


def test_outputs(tmp_path, model):
    graph, values = load_model(model), np.arange(180, dtype=np.int8).reshape(2, *SHAPE[1:])
    outputs = gathered(graph, [{"t1": each[None]} for each in values])
    save_outputs(tmp_path / "y.npy", outputs)
    assert np.array_equal(np.load(tmp_path / "y.npy"), values)
    with pytest.raises(ModelError, match="ends in .npy or .npz"):
        check_output(tmp_path / "y.txt", graph)
    with pytest.raises(ModelError, match="there is no such directory"):
        check_output(tmp_path / "absent" / "y.npy", graph)
    (tmp_path / "directory.npy").mkdir()
    with pytest.raises(ModelError, match="is a directory"):
        check_output(tmp_path / "directory.npy", graph)
    with pytest.raises(ModelError, match="cannot write"):
        check_output(tmp_path / ("long" * 100 + ".npy"), graph)


def test_errors_at_the_command_line_leave_no_output(tmp_path, model):
    x, y = saved(tmp_path / "x.npy", np.zeros((1, 2), np.int8)), tmp_path / "y.npy"
    result = CliRunner().invoke(app, ["run", str(model), "--input", str(x), "--output", str(y)])
    assert result.exit_code == 2 and result.stderr.startswith("error: ") and not y.exists()
    assert len(result.stderr.splitlines()) == 1
