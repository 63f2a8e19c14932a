"""`orris fpga`: bitstreams for boards."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from .options import ConfigOption, JsonFlag, PresetOption
from .progress import progress_bars

if TYPE_CHECKING:
    from orris_fpga.build_report import BuildReport

TOO_SLOW = 1
"""Exit status when the bitstream is made but a clock is too fast for it."""

app = typer.Typer(no_args_is_help=True, help="Build bitstreams and write them to boards.")

BoardArgument = Annotated[
    str, typer.Argument(metavar="BOARD", help="A board; `orris fpga boards` lists them.")
]
DirectoryOption = Annotated[
    Path | None, typer.Option("--directory", "-d", metavar="DIR", help="Build directory; build/BOARD.")
]


def register(parent: typer.Typer) -> None:
    parent.add_typer(app, name="fpga")


@app.command()
def boards(as_json: JsonFlag = False) -> None:
    """The boards there are."""
    from orris_fpga.boards import BOARDS

    facts = [
        {
            "name": board.name,
            "title": board.title,
            "preset": board.preset,
            "clock_hz": board.clock_hz,
            "memory_bytes": board.memory.bytes,
            "baud": board.baud,
        }
        for board in BOARDS.values()
    ]
    if as_json:
        typer.echo(json.dumps(facts, indent=2))
        return
    from rich.console import Console
    from rich.table import Table

    table = Table()
    for heading in ("\nboard", "", "\npreset", "clock,\nMHz", "memory,\nkB", "line,\nMbaud"):
        table.add_column(heading, no_wrap=True)
    for board in BOARDS.values():
        table.add_row(
            board.name, board.title, board.preset or "none fits", f"{board.clock_hz / 1e6:g}",
            f"{board.memory.bytes >> 10:,}", f"{board.baud / 1e6:g}",
        )  # fmt: skip
    Console().print(table)


@app.command()
def build(
    board: BoardArgument,
    preset: PresetOption = None,
    config: ConfigOption = None,
    directory: DirectoryOption = None,
    seed: Annotated[int, typer.Option("--seed", min=1, help="Of placement.")] = 1,
    as_json: JsonFlag = False,
) -> None:
    """Build a bitstream, from the board's own preset unless another configuration is named.

    Example:

    [bold]orris fpga build icebreaker[/]

    Exit status: 0 when every clock is met, 1 when one is not, 2 for wrong input or a design that does not
    fit.
    """
    from orris_fpga.boards import find_board
    from orris_fpga.build import build_bitstream
    from orris_hw.config import resolve

    target = find_board(board)
    wanted = resolve(preset=preset, config=config) if preset or config else None
    with progress_bars() as bars:
        task = bars.add_task(board, total=None)
        report = build_bitstream(
            target, directory or Path("build") / board, wanted, seed=seed,
            progress=lambda text: bars.update(task, description=f"{board}: {text}"),
        )  # fmt: skip
    if as_json:
        typer.echo(json.dumps(report.as_dict(), indent=2))
    else:
        print_report(report)
    for name, (achieved, wanted_mhz) in report.clocks.items():
        if achieved < wanted_mhz:
            message = f"error: {name} reaches {achieved:.1f} MHz, not {wanted_mhz:.1f}: try another --seed"
            typer.secho(message, fg=typer.colors.RED, err=True)
    if not report.meets_timing:
        raise typer.Exit(TOO_SLOW)


def print_report(report: BuildReport) -> None:
    from rich.console import Console
    from rich.table import Table

    resources = Table(title=f"{report.config} on {report.board}")
    for heading in ("resource", "used", "available", ""):
        resources.add_column(heading, justify="left" if heading == "resource" else "right")
    for name, (used, available) in report.resources.items():
        share = f"{used / available:.0%}" if available else ""
        resources.add_row(name, f"{used:,}", f"{available:,}", share)
    clocks = Table()
    for heading in ("clock", "reached, MHz", "wanted, MHz"):
        clocks.add_column(heading, justify="left" if heading == "clock" else "right")
    for name, (achieved, wanted) in report.clocks.items():
        clocks.add_row(name, f"{achieved:.1f}", f"{wanted:.1f}")
    path = Table(title="critical path")
    for heading in ("through", "logic, ns", "routing, ns"):
        path.add_column(heading, justify="left" if heading == "through" else "right", overflow="fold")
    for step in report.critical_path:
        path.add_row(step.name, f"{step.logic:.2f}", f"{step.routing:.2f}")
    console = Console()
    for table in (resources, clocks, *([path] if report.critical_path else [])):
        console.print(table)
    console.print(f"bitstream: {report.bitstream}", soft_wrap=True)


@app.command()
def flash(
    board: BoardArgument,
    directory: DirectoryOption = None,
    permanent: Annotated[
        bool, typer.Option("--permanent", help="Into the board's flash; else it is gone without power.")
    ] = False,
) -> None:
    """Write a built bitstream to a board.

    Example:

    [bold]orris fpga flash icebreaker[/]
    """
    from orris_fpga.boards import find_board
    from orris_fpga.flash import flash_bitstream

    target = find_board(board)
    written = flash_bitstream(target, directory or Path("build") / board, permanent=permanent)
    typer.echo(f"{written} is on the {target.title}")
