"""Files that are damaged, strange or beyond what is supported: one clear error each."""

import os
from pathlib import Path

import numpy as np
import pytest
from typer.testing import CliRunner

from orris.cli import app
from orris.graph import ModelError
from orris.importers import load_model
from orris.network import Coverage, assign
from orris_hw.config import resolve
from orris_hw.errors import OrrisError
from tflite_models import ModelWriter, options

MODELS = Path(__file__).parents[3] / "shared" / "models"
PUBLISHED = ("kws_ref_model", "pretrainedResnet_quant")


def small_model(scale: float = 0.05, shape: tuple[int, ...] = (1, 4, 4, 8), kind: str = "RELU") -> bytes:
    model = ModelWriter()
    source, result = model.tensor(shape, np.int8, scale, 3), model.tensor(shape, np.int8, 0.05, 3)
    model.operator(kind, [source], [result])
    return model.write([source], [result])


def error_of(tmp_path: Path, content: bytes, name: str = "model.tflite") -> str:
    path = tmp_path / name
    path.write_bytes(content)
    with pytest.raises(ModelError) as caught:
        load_model(path)
    return str(caught.value)


def damaged(content: bytes, seed: int) -> bytes:
    """A variant of a file: cut off, bits or bytes changed, lengths and numbers at their extremes."""
    rng = np.random.default_rng(seed)
    changed, size = bytearray(content), len(content)
    match seed % 5:
        case 0:
            return bytes(changed[: rng.integers(0, size)])
        case 1:
            for _ in range(rng.integers(1, 9)):
                changed[rng.integers(0, size)] = rng.integers(0, 256)
        case 2:  # offsets and tables are at the ends
            for _ in range(20):
                changed[rng.integers(max(0, size - 16000), size)] = rng.integers(0, 256)
        case 3:
            at = int(rng.integers(0, size - 4))
            extremes = [b"\xff\xff\xff\xff", b"\xff\xff\xff\x7f", b"\0\0\0\0", b"\0\0\xc0\x7f"]
            changed[at : at + 4] = extremes[rng.integers(4)]
        case _:
            changed[rng.integers(0, min(3000, size))] ^= 1 << rng.integers(0, 8)
            changed[rng.integers(size - min(20000, size), size)] ^= 1 << rng.integers(0, 8)
    return bytes(changed)


@pytest.mark.parametrize("name", PUBLISHED)
def test_damaged_files_give_an_error_or_a_network(tmp_path, name):
    original = MODELS / f"{name}.tflite"
    if not original.exists():
        pytest.skip(f"{original.name} is not beside the project")
    content, config, refused = original.read_bytes(), resolve(preset="tiny", config=None), 0
    path = tmp_path / "damaged.tflite"
    for seed in range(150):
        print(f"seed {seed}")
        path.write_bytes(damaged(content, seed))
        try:
            graph = load_model(path)
            Coverage(graph, tuple(assign(graph, config))).as_dict()
        except OrrisError as error:
            assert str(error)
            refused += 1
    assert refused > 50


def test_damaged_files_at_the_command_line(tmp_path):
    content, path = small_model(), tmp_path / "damaged.tflite"
    statuses = set()
    for seed in range(60):
        print(f"seed {seed}")
        path.write_bytes(damaged(content, seed))
        result = CliRunner().invoke(app, ["inspect", str(path)])
        statuses.add(result.exit_code)
        assert result.exit_code in (0, 2), result.output
        assert (result.exit_code == 2) == result.stderr.startswith("error: ")
    assert 2 in statuses


def test_every_unsupported_operator_is_named(tmp_path):
    model = ModelWriter()
    first, second, third = (model.tensor((1, 8), np.int8, 0.1, name=f"t{n}") for n in range(3))
    model.operator("LSTM", [first], [second])
    model.operator("TOPK_V2", [second], [third])
    message = error_of(tmp_path, model.write([first], [third]))
    assert "2 of 2 operators are not supported" in message
    assert "operator LSTM, node 'LSTM 0', output 't1'" in message
    assert "operator TOPK_V2, node 'TOPK_V2 1', output 't2'" in message


def test_a_network_of_real_numbers_is_no_quantised_one(tmp_path):
    model = ModelWriter()
    source, result = model.tensor((1, 4, 4, 8), np.float32), model.tensor((1, 2, 2, 8), np.float32)
    made = options("Pool2DOptions", filterHeight=2, filterWidth=2, strideH=2, strideW=2)
    model.operator("MAX_POOL_2D", [source], [result], made)
    assert "type float32, not quantised" in error_of(tmp_path, model.write([source], [result]))


@pytest.mark.parametrize("scale", [float("nan"), float("inf"), 0.0, -1.0])
def test_scales_are_positive_numbers(tmp_path, scale):
    assert "expected a positive finite number" in error_of(tmp_path, small_model(scale=scale))


def test_a_huge_tensor_is_refused_before_memory_is_taken(tmp_path):
    shape = (1, 1 << 20, 1 << 20, 8)
    assert f"claims the shape {list(shape)}" in error_of(tmp_path, small_model(shape=shape))


def test_shapes_must_fit_their_operators(tmp_path):
    model = ModelWriter()
    source, result = model.tensor((1, 8), np.int8, 0.1), model.tensor((1, 9), np.int8, 0.1)
    model.operator("RELU", [source], [result])
    assert "makes [1, 8], the file claims [1, 9]" in error_of(tmp_path, model.write([source], [result]))


def test_tensors_are_made_before_they_are_used(tmp_path):
    model = ModelWriter()
    source, middle, result = (model.tensor((1, 8), np.int8, 0.1) for _ in range(3))
    model.operator("RELU", [middle], [result])
    model.operator("RELU", [source], [middle])
    assert "needs 't1' before it is made" in error_of(tmp_path, model.write([source], [result]))


def test_files_that_are_no_models(tmp_path):
    assert "is empty" in error_of(tmp_path, b"")
    assert "neither a TFLite file" in error_of(tmp_path, b"hello, world")
    assert "no ONNX model" in error_of(tmp_path, b"hello, world", "model.onnx")
    os.mkfifo(tmp_path / "pipe.tflite")
    with pytest.raises(ModelError, match="no regular file"):
        load_model(tmp_path / "pipe.tflite")
    with pytest.raises(ModelError, match="No such file"):
        load_model(tmp_path / "absent.tflite")
