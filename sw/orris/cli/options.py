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
