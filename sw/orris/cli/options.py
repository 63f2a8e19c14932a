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
MappingOption = Annotated[
    str | None,
    typer.Option(
        "--mapping",
        metavar="NAME|FILE",
        help="Mappings to keep to, in TOML, or published: those of the Eyeriss chip. What they leave open "
        "is searched.",
    ),
]
EnergyOption = Annotated[
    str,
    typer.Option("--energy", metavar="TABLE", help="What accesses cost: isca2016, eyeriss-pj, or a file."),
]
MEMORY_PANEL = "Memory behind the accelerator"
MemoryBytesOption = Annotated[
    float | None,
    typer.Option(
        "--memory-bytes",
        "--bandwidth",
        min=0.01,
        help="Bytes per cycle, up to what the memory port moves, its default.",
        rich_help_panel=MEMORY_PANEL,
    ),
]
LatencyOption = Annotated[
    int, typer.Option("--latency", min=0, help="Cycles to the first data.", rich_help_panel=MEMORY_PANEL)
]
