"""`orris simulate`: what it refuses, and what it says when a layer is wrong. No simulation here."""

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner

import orris_sim.layer_run
from orris.cli import app
from orris.cli.shape import chosen_layers
from orris.layers import ConvLayer, Padding, find_layer, find_network
from orris.report import LayerReport
from orris_sim.layer_run import LayerRun

SHAPE = ("--M", "4", "--C", "4", "--H", "8", "--R", "3")


def orris(*words: str):
    return CliRunner().invoke(app, ["simulate", "--preset", "tiny", *words], prog_name="orris")


@pytest.mark.parametrize(
    "words, complaint",
    [
        ((), "nothing to simulate: give --layer NAME, or a shape"),
        (("--layer", "alexnet.conv9"), "layer 'alexnet.conv9' is not in the built-in tables"),
        (("--layer", "vgg"), "network 'vgg' is not in the built-in tables; the nearest name is 'vgg16'"),
        (("--layer", "alexnet.conv2", "--M", "4"), "give --layer or a shape, not both"),
        (("--M", "4", "--H", "8"), "the shape lacks --C, --R: M, C, H and R are needed"),
        ((*SHAPE, "--pad", "1,2"), "--pad 1,2: expected one number, four"),
        ((*SHAPE, "--U", "13"), "U = 13: the vertical stride may be up to 12"),
        ((*SHAPE, "--format", "int16x8"), "number_format = int16x8: "),
        ((*SHAPE, "--format", "int4"), "number_format is 'int4', expected one of int8, int16x8, fixed16"),
        ((*SHAPE, "--H", "2"), "the filter spans"),
        (("--layer", "alexnet", "--vcd", "wave.vcd"), "--vcd takes one layer, not 5"),
        ((*SHAPE, "--json", "no/such/folder.json"), "--json no/such/folder.json: there is no such directory"),
    ],
)
def test_wrong_input_is_a_sentence_and_status_2(words, complaint):
    result = orris(*words)
    assert (result.exit_code, result.stdout) == (2, "")
    assert result.stderr.startswith("error: ") and complaint in result.stderr
    assert len(result.stderr.splitlines()) == 1


def test_layers_by_name():
    assert chosen_layers(["alexnet.conv2", "resnet18"], {}, None) == [
        find_layer("alexnet.conv2"),
        *find_network("resnet18").layers,
    ]


@pytest.mark.parametrize(
    "pad, padding",
    [
        (None, Padding()),
        ("1", Padding.all(1)),
        ("0,1,2,1", Padding(0, 1, 2, 1)),
        ("same", Padding(0, 0, 1, 1)),
    ],
)
def test_layer_by_shape(pad, padding):
    letters = dict(M=4, C=2, H=8, W=None, R=3, S=None, U=2, V=None, D=None, G=None, N=None)
    expected = ConvLayer(name="layer", M=4, C=2, H=8, W=8, R=3, S=3, U=2, padding=padding)
    assert chosen_layers([], letters, pad) == [expected]


@pytest.fixture
def fake_run(monkeypatch):
    """Layers that end at once, with the given changes to their reports."""

    def use(**changes):
        def run_layer(layer, config, *, mapping, **_):
            counters = {"cycles": 1000, "mac_done": layer.macs, "glb_ifmap_read": 1}
            given = {"counters": counters, "predicted": {"cycles": 1}, "mismatches": 0} | changes
            return LayerRun(None, None, LayerReport(layer, config, mapping, **given))  # type: ignore[arg-type]

        monkeypatch.setattr(orris_sim.layer_run, "run_layer", run_layer)

    return use


def test_a_right_layer(fake_run, tmp_path: Path):
    fake_run()
    result = orris(*SHAPE, "--json", str(tmp_path / "out.json"))
    assert (result.exit_code, result.stderr) == (0, "")
    assert "bit-exact" in result.stdout and "global buffer" in result.stdout
    assert json.loads((tmp_path / "out.json").read_text())["bit_exact"] is True


def test_a_wrong_layer_is_status_1(fake_run):
    fake_run(mismatches=3)
    result = orris(*SHAPE, "--json", "-")
    assert result.exit_code == 1
    assert result.stderr == "error: layer: 3 of 144 ofmap values differ from the golden model\n"
    assert json.loads(result.stdout)["bit_exact"] is False


def test_a_program_that_stops_is_status_1(fake_run):
    fake_run(counters={}, problem="the program stopped at command 3: GLB_RANGE")
    result = orris(*SHAPE)
    assert result.exit_code == 1
    assert result.stderr == "error: layer: the program stopped at command 3: GLB_RANGE\n"
    assert "bit-exact:" not in result.stdout


def test_several_layers_are_one_table(fake_run):
    fake_run()
    result = orris("--layer", "alexnet.conv3", "--layer", "alexnet.conv4", "--json", "-")
    described = json.loads(result.stdout)
    assert [layer["layer"] for layer in described["layers"]] == ["alexnet.conv3", "alexnet.conv4"]
