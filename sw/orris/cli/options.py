"""Options that several commands share."""

from pathlib import Path
from typing import Annotated

import typer

PresetOption = Annotated[
    str | None,
    typer.Option(
        "--preset", "-p", metavar="NAME", help="A named configuration (`orris presets` lists them)."
    ),
]
ConfigOption = Annotated[
    Path | None,
    typer.Option("--config", "-c", metavar="FILE", help="A configuration in TOML, instead of a preset."),
]
JsonFlag = Annotated[bool, typer.Option("--json", help="Print JSON, for programs.")]
AimOption = Annotated[
    str, typer.Option("--aim", help="time, energy, or a weight of time from 0 (energy) to 1 (time).")
]
EnergyOption = Annotated[
    str,
    typer.Option("--energy", metavar="TABLE", help="What accesses cost: isca2016, eyeriss-pj, or a file."),
]
MemoryBytesOption = Annotated[
    float, typer.Option("--memory-bytes", min=0.01, help="Bytes per cycle of the memory.")
]
LatencyOption = Annotated[int, typer.Option("--latency", min=0, help="Cycles to the memory's first data.")]
