"""`orris config`: a configuration, checked and written out in full."""

import json

import typer

from .options import ConfigOption, JsonFlag, PresetOption


def register(app: typer.Typer) -> None:
    app.command(name="config")(config)


def config(preset: PresetOption = None, config: ConfigOption = None, as_json: JsonFlag = False) -> None:
    """Check a configuration and print it in full, every parameter with its meaning.

    Examples:

    [bold]orris config --preset tiny > mine.toml[/]   a file to change

    [bold]orris config --config mine.toml[/]   check it, and see what the defaults add

    A file may start from a preset and hold only what differs: [bold]base = "orris-168"[/].
    """
    from orris_hw.config import resolve, to_toml

    chosen = resolve(preset=preset, config=config)
    typer.echo(json.dumps(chosen.model_dump(), indent=2) if as_json else to_toml(chosen), nl=as_json)
