"""The `orris` application: its commands, in the order the help lists them."""

from importlib.metadata import version
from typing import Annotated

import typer

from . import (
    bench,
    board,
    compile,
    config,
    demo,
    doctor,
    fpga,
    generate,
    inspect,
    map,
    presets,
    run,
    simulate,
)
from .errors import ErrorReportingGroup

COMMANDS = (doctor, presets, config, demo, generate, simulate, map, bench, inspect, compile, run, board, fpga)

app = typer.Typer(
    cls=ErrorReportingGroup,
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,  # a programming error shows Python's own traceback
    rich_markup_mode="rich",
    epilog="Every command explains itself: [bold]orris COMMAND --help[/]. Exit status: 0 done, 1 failed, "
    "2 wrong use or input.",
)


def _print_version(wanted: bool) -> None:
    if wanted:
        typer.echo(f"orris {version('orris')}")
        raise typer.Exit


@app.callback()
def orris(
    version: Annotated[
        bool,
        typer.Option("--version", callback=_print_version, is_eager=True, help="Print the version and exit."),
    ] = False,
) -> None:
    """Generates row-stationary CNN accelerators, and runs networks on them.

    First steps:

    [bold]orris doctor[/]   is everything here that the tools need?

    [bold]orris demo[/]   a photograph through the whole accelerator

    [bold]orris presets[/]   the accelerators that come by name

    [bold]orris config --preset tiny[/]   one of them as a file to change
    """


for command in COMMANDS:
    command.register(app)
