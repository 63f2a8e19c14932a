"""`orris simulate`: layers on the accelerator's RTL, compared with the golden model."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from .layer_options import Layers, takes_layers
from .options import MEMORY_PANEL, ConfigOption, LatencyOption, MemoryBytesOption, PresetOption
from .progress import progress_bars

if TYPE_CHECKING:
    from rich.console import Console

    from orris.layers import ConvLayer
    from orris.report import LayerReport

NOT_EXACT = 1
"""Exit status when a layer's ofmap is not the golden model's."""


def register(app: typer.Typer) -> None:
    app.command(name="simulate")(simulate)


@takes_layers
def simulate(
    layers: Layers,
    preset: PresetOption = None,
    config: ConfigOption = None,
    seed: Annotated[int, typer.Option("--seed", min=0, help="Of the random data.")] = 0,
    zeros: Annotated[
        float | None,
        typer.Option(
            "--zeros", min=0, max=1, help="Fraction of zero ifmap values; by default the layer's own."
        ),
    ] = None,
    json_file: Annotated[
        str | None,
        typer.Option("--json", metavar="FILE", help="Write all figures as JSON; - for standard output."),
    ] = None,
    vcd: Annotated[
        Path | None, typer.Option("--vcd", metavar="FILE", help="Write a waveform (one layer; slower).")
    ] = None,
    memory_bytes: MemoryBytesOption = None,
    latency: LatencyOption = 100,
    stalls: Annotated[
        float,
        typer.Option(
            "--stalls",
            min=0,
            max=0.95,
            help="Chance of a random pause, on every channel in every cycle.",
            rich_help_panel=MEMORY_PANEL,
        ),
    ] = 0.0,
    number_format: Annotated[
        str | None,
        typer.Option(
            "--format",
            metavar="NAME",
            help="Number format: int8, int16x8 or fixed16; by default that of the configuration.",
        ),
    ] = None,
) -> None:
    """Run layers in RTL simulation, with random data, and compare them with the golden model.

    Examples:

    [bold]orris simulate --layer alexnet.conv2[/]   on the flagship

    [bold]orris simulate --preset tiny --M 8 --C 4 --H 16 --R 3 --pad same[/]   any shape

    [bold]orris simulate --layer alexnet --json alexnet.json[/]   a whole network, all counters

    Exit status: 0 when every layer is bit-exact, 1 when one is not, 2 for wrong input.
    """
    from rich.console import Console

    from orris.cost import within_port
    from orris.mapper import map_layer
    from orris_hw.config import resolve
    from orris_sim.layer_run import MemoryModel, run_layer

    from .shape import in_format
    from .watching import watcher

    accelerator = resolve(preset=preset, config=config)
    layers = [in_format(each, number_format) for each in layers]
    mappings = [map_layer(each, accelerator) for each in layers]  # a layer that does not map is known at once
    _check_files(json_file, vcd, layers)
    memory = MemoryModel(latency, within_port(accelerator, memory_bytes), stalls)
    reports: list[LayerReport] = []
    with progress_bars() as bars:
        for each, mapping in zip(layers, mappings, strict=True):
            done = run_layer(
                each,
                accelerator,
                seed=seed,
                zeros=zeros,
                mapping=mapping,
                memory=memory,
                trace=vcd,
                watcher=watcher(bars, each.name),
            )
            reports.append(done.report)
    if json_file is not None:
        write_json(json_file, reports)
    if json_file != "-":
        print_tables(Console(), reports)
        if all(report.bit_exact for report in reports):
            Console().print("[green]bit-exact[/]: every ofmap value is the golden model's")
    for report in reports:
        if not report.bit_exact:
            typer.secho(f"error: {complaint(report)}", fg=typer.colors.RED, err=True)
    if not all(report.bit_exact for report in reports):
        raise typer.Exit(NOT_EXACT)


def complaint(report: LayerReport) -> str:
    """What is wrong with a layer, in a sentence."""
    if report.problem is not None:
        return f"{report.layer.name}: {report.problem}"
    values = report.layer.ofmap_values
    return f"{report.layer.name}: {report.mismatches} of {values} ofmap values differ from the golden model"


def _check_files(json_file: str | None, vcd: Path | None, layers: list[ConvLayer]) -> None:
    from orris_hw.errors import OrrisError

    if vcd is not None and len(layers) > 1:
        raise OrrisError(f"--vcd takes one layer, not {len(layers)}: each would overwrite the one before")
    for option, path in (("--json", json_file), ("--vcd", vcd)):
        if path not in (None, "-") and not Path(path).absolute().parent.is_dir():
            raise OrrisError(f"{option} {path}: there is no such directory")


def write_json(file: str, reports: list[LayerReport]) -> None:
    """Every figure of the layers as JSON, to a file or (`-`) to standard output."""
    import json

    from orris.report import run_as_dict
    from orris_hw.errors import OrrisError

    text = json.dumps(run_as_dict(reports), indent=2)
    if file == "-":
        typer.echo(text)
        return
    try:
        Path(file).write_text(text + "\n", encoding="utf-8")
    except OSError as error:
        raise OrrisError(f"cannot write {file}: {error.strerror}") from error


def print_tables(console: Console, reports: list[LayerReport]) -> None:
    """One layer in detail, or a line for each of several; nothing of one that did not end."""
    from orris.report import layer_tables, summary_table

    if len(reports) == 1 and reports[0].problem is not None:
        return
    for table in layer_tables(reports[0]) if len(reports) == 1 else (summary_table(reports),):
        console.print(table)
