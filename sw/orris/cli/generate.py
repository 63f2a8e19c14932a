"""`orris generate`: a configuration as Verilog, with JSON beside it."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Annotated

import typer

from .options import ConfigOption, PresetOption
from .progress import progress_bars


def register(app: typer.Typer) -> None:
    app.command(name="generate")(generate)


def generate(
    output: Annotated[
        Path, typer.Option("--output", "-o", metavar="DIR", help="Where to write; made if missing.")
    ],
    preset: PresetOption = None,
    config: ConfigOption = None,
    name: Annotated[
        str | None,
        typer.Option(
            "--name", help="Name of the top module and of the files; by default the configuration's own."
        ),
    ] = None,
) -> None:
    """Write an accelerator as Verilog, and JSON that describes it to programs.

    Examples:

    [bold]orris generate --preset tiny -o build[/]   build/tiny.v and build/tiny.json

    [bold]orris generate --config mine.toml -o build --name accelerator[/]

    The JSON holds ports, geometry, register map, command formats and the configuration. The same
    configuration gives the same bytes; files that would not change are left alone.
    """
    from orris_hw.config import resolve
    from orris_hw.emission.product import write_product

    chosen = resolve(preset=preset, config=config)
    with progress_bars() as bars:
        bars.add_task("generating the Verilog", total=None)
        verilog, description = write_product(chosen, output, name)
    typer.echo(f"{verilog}  {summary(verilog)}")
    typer.echo(f"{description}  ports, geometry, registers, command formats")


def summary(verilog: Path) -> str:
    """Lines and modules of a Verilog file, in words."""
    text = verilog.read_text(encoding="utf-8")
    modules = len(re.findall(r"^module ", text, re.MULTILINE))
    return f"{text.count(chr(10)):,} lines, {modules} modules"
