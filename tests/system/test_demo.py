"""`orris demo` and `orris simulate` from end to end, on a small accelerator."""

import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from typer.testing import CliRunner

from orris.cli import app
from orris.cli import demo as demo_command
from orris.demo_images import load_photograph
from orris_hw.register_map import COUNTERS


def orris(*words: str):
    return CliRunner().invoke(app, list(words), prog_name="orris")


@pytest.fixture
def small_photograph(monkeypatch):
    monkeypatch.setattr(demo_command, "HEIGHT", 24)
    monkeypatch.setattr(demo_command, "WIDTH", 18)


def test_demo(small_photograph, tmp_path: Path):
    result = orris("demo", "--preset", "tiny", "-o", str(tmp_path / "demo"))
    assert (result.exit_code, result.stderr) == (0, "")
    for words in ("8 filters 3 x 3 on 3 x 24 x 18", "cycles", "utilisation", "global buffer", "DRAM"):
        assert words in result.stdout
    assert result.stdout.splitlines()[-1].startswith("bit-exact: all 3,456 values")
    written = {path.name: path for path in (tmp_path / "demo").iterdir()}
    assert written.keys() == {"tiny.v", "tiny.json", "report.json", "photograph.png"}
    assert "module tiny(" in written["tiny.v"].read_text()
    assert json.loads(written["tiny.json"].read_text())["geometry"]["pes"] == 12
    report = json.loads(written["report.json"].read_text())
    assert report["bit_exact"] is True
    assert report["counters"]["mac_done"] + report["counters"]["mac_gated"] >= report["macs"] > 0
    with Image.open(written["photograph.png"]) as picture:
        assert min(picture.size) > 300
        assert len(np.unique(np.asarray(picture.convert("L")))) > 100  # not blank


def test_demo_shows_a_difference(small_photograph, tmp_path: Path, monkeypatch):
    """One wrong value of the golden model, and the demonstration says so and fails."""
    import orris_sim.layer_run as layer_run

    golden = layer_run.golden_ofmap

    def wrong(*arguments):
        ofmap = golden(*arguments).copy()
        ofmap[0, 3, 5, 7] ^= 1
        return ofmap

    monkeypatch.setattr(layer_run, "golden_ofmap", wrong)
    result = orris("demo", "--preset", "tiny", "-o", str(tmp_path))
    assert result.exit_code == 1
    assert result.stderr == "error: photograph: 1 of 3456 ofmap values differ from the golden model\n"
    assert "bit-exact:" not in result.stdout


def test_demo_refuses_the_chips_arithmetic(tmp_path: Path):
    result = orris("demo", "--preset", "eyeriss-v1", "-o", str(tmp_path / "demo"))
    assert (result.exit_code, result.stdout) == (2, "")
    assert result.stderr.startswith("error: the demonstration has int8 data: eyeriss-v1 with 16-bit")
    assert not (tmp_path / "demo").exists()


def test_the_photograph_is_one():
    values = load_photograph(24, 18)
    assert len(np.unique(values)) > 100


def test_simulate(tmp_path: Path):
    shape = ("--M", "6", "--C", "3", "--H", "9", "--W", "11", "--R", "3", "--U", "2", "--pad", "same")
    memory = ("--latency", "20", "--bandwidth", "4", "--stalls", "0.2")
    file = tmp_path / "out.json"
    result = orris("simulate", "--preset", "tiny", *shape, *memory, "--seed", "7", "--json", str(file))
    assert (result.exit_code, result.stderr) == (0, "")
    assert "bit-exact: every ofmap value is the golden model's" in result.stdout
    figures = json.loads(file.read_text())
    assert (figures["layer"], figures["preset"], figures["bit_exact"]) == ("layer", "tiny", True)
    assert figures["macs"] == 6 * 3 * 9 * 5 * 6
    assert figures["utilization"] == figures["macs"] / (12 * figures["cycles"])
    assert figures["counters"].keys() == {counter.name for counter in COUNTERS}
    assert figures["counters"]["cycles"] == figures["cycles"]
    assert figures["predicted"]["glb_ofmap_write"] == figures["counters"]["glb_ofmap_write"]
    assert figures["conditions"] == {
        "seed": 7, "zeros": None, "memory": {"latency": 20, "bandwidth": 4.0, "stalls": 0.2},
    }  # fmt: skip


def test_simulate_writes_a_waveform(tmp_path: Path):
    wave = tmp_path / "wave.vcd"
    shape = ("--M", "2", "--C", "2", "--H", "5", "--R", "3")
    result = orris("simulate", "--preset", "tiny", *shape, "--vcd", str(wave))
    assert (result.exit_code, result.stderr) == (0, "")
    text = wave.read_text()
    assert "$enddefinitions" in text and "m_axi_araddr" in text
