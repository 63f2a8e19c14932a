"""`orris run`: a whole network on the accelerator's RTL."""

from __future__ import annotations

import time
from collections.abc import Callable
from contextlib import ExitStack
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from .board import BaudOption, TimeoutOption
from .compile import compiled
from .inspect import ModelArgument
from .options import ConfigOption, JsonFlag, PresetOption
from .progress import progress_bars

if TYPE_CHECKING:
    from orris.graph import Graph
    from orris.network import Inference, NetworkReport, NetworkRunner
    from orris.runtime.checking import CheckResult
    from orris.runtime.inputs import Inputs

NOT_EXACT = 1
"""Exit status when a tensor is not the reference's."""


def register(app: typer.Typer) -> None:
    app.command(name="run")(run)


def run(
    model: ModelArgument,
    input: Annotated[
        Path,
        typer.Option(
            "--input",
            "-i",
            metavar="FILE|DIR",
            help="An array (.npy, .npz) in the input's shape and type, or several along one more axis; "
            "an image; or a directory of these.",
        ),
    ],
    output: Annotated[
        Path | None, typer.Option("--output", "-o", metavar="FILE", help="Where results go: .npy or .npz.")
    ] = None,
    preset: PresetOption = None,
    config: ConfigOption = None,
    check: Annotated[
        bool,
        typer.Option("--check", help="Compare every layer's tensor with the format's reference interpreter."),
    ] = False,
    json: JsonFlag = False,
    csv: Annotated[
        Path | None, typer.Option("--csv", metavar="FILE", help="Write a line for each layer as CSV.")
    ] = None,
    plots: Annotated[
        Path | None,
        typer.Option("--plots", metavar="DIR", help="Draw roofline, time and energy of each layer there."),
    ] = None,
    clock: Annotated[
        float, typer.Option("--clock", min=0.001, metavar="MHZ", help="Clock that times are given at.")
    ] = 200.0,
    energy: Annotated[
        str, typer.Option("--energy", metavar="TABLE", help="Energies: a name, or a TOML file.")
    ] = "isca2016",
    port: Annotated[
        str | None,
        typer.Option(
            "--port", metavar="PORT", help="Run on the board at this serial port, at its own clock, instead."
        ),
    ] = None,
    baud: BaudOption = None,
    timeout: TimeoutOption = 0.5,
) -> None:
    """Run a network from its file on the accelerator in RTL simulation, and show what each layer costs.

    Examples:

    [bold]orris run kws.tflite --input words.npy --output classes.npy[/]

    [bold]orris run resnet.tflite --input photographs/ --check[/]   every tensor beside the reference

    [bold]orris run kws.tflite --input words.npy --port /dev/ttyUSB0[/]   on a board

    Variables of a streaming network are kept from one input to the next.

    Exit status: 0; 1 when a tensor differs from the reference, or the reference fails on an
    input (`--check`); 2 for wrong input.
    """
    from rich.console import Console

    from orris.cost import energy_table
    from orris.importers import load_model
    from orris.network import Coverage, assign
    from orris.network import report as make_report
    from orris.network.tables import network_tables
    from orris.runtime.inputs import load_inputs
    from orris.runtime.outputs import check_output, gathered, save_outputs
    from orris_fpga.link.connection import board_device, connect
    from orris_fpga.network_run import network_on_board
    from orris_hw.config import resolve
    from orris_sim.network_run import network_simulation

    from .watching import watcher

    runs: Any = network_simulation
    if port is None:
        accelerator = resolve(preset=preset, config=config)
    else:
        transport = connect(port, baud, timeout)
        wanted = resolve(preset=preset, config=config) if preset or config else None
        accelerator = board_device(transport, wanted).config
        clock = transport.link.hello.clock_hz / 1e6
        runs = partial(network_on_board, transport=transport)
    graph = load_model(model)
    inputs = load_inputs(input, graph)
    _check_paths(output, graph, csv, plots, check_output)
    table = energy_table(energy)
    coverage = Coverage(graph, tuple(assign(graph, accelerator)))
    if not json:
        typer.echo(f"{graph.name} on {accelerator.name}: {coverage.sentence()}.")
    network = compiled(graph, accelerator, keep=check)
    with ExitStack() as reference:
        checker = _checker(model, graph, reference) if check else None
        with progress_bars() as bars, runs(network, watcher=watcher(bars, graph.name)) as runner:
            results, single, seconds = _run_all(runner, inputs, checker)
    report = make_report(network, coverage, single, results[0], clock, table, seconds)
    if output is not None:
        save_outputs(output, gathered(graph, [result.tensors for result in results]))
    _write_files(report, csv, plots)
    if json:
        from json import dumps

        described = report.as_dict() | {"inferences": len(results)}
        typer.echo(dumps(described | ({"check": checker.as_dict()} if checker else {}), indent=2))
    else:
        console = Console()
        for table in network_tables(report, console.width):
            console.print(table)
        if checker:
            typer.echo(checker.sentence())
    if checker and not checker.passed:
        typer.secho(f"error: {checker.complaint()}", fg=typer.colors.RED, err=True)
        raise typer.Exit(NOT_EXACT)


def _check_paths(
    output: Path | None,
    graph: Graph,
    csv: Path | None,
    plots: Path | None,
    check_output: Callable[[Path, Graph], None],
) -> None:
    """Everything that is written can be written, before anything runs."""
    from orris_hw.errors import OrrisError

    if output is not None:
        check_output(output, graph)
    for option, path in (("--csv", csv), ("--plots", plots)):
        if path is not None and not path.absolute().parent.is_dir():
            raise OrrisError(f"{option} {path}: there is no such directory")


def _checker(model: Path, graph: Graph, stack: ExitStack) -> CheckResult:
    from orris.runtime.checking import CheckResult
    from orris.runtime.isolated import IsolatedReference

    return CheckResult(graph, stack.enter_context(IsolatedReference(model, graph)))


def _run_all(
    runner: NetworkRunner, inputs: list[Inputs], checker: CheckResult | None
) -> tuple[list[Inference], Inference, float]:
    """All inferences; the first one also layer by layer, to see what each costs; seconds of the first."""
    single = runner.preview(inputs[0])
    results: list[Inference] = []
    seconds = 0.0
    for values in inputs:
        begin = time.perf_counter()
        results.append(runner.run(values))
        seconds = seconds or time.perf_counter() - begin
        if checker:
            checker.add(values, results[-1].tensors)
    return results, single, seconds


def _write_files(report: NetworkReport, csv: Path | None, plots: Path | None) -> None:
    from orris.network.plots import save_plots
    from orris.network.tables import save_csv

    if csv is not None:
        save_csv(report, csv)
    if plots is not None:
        save_plots(report, plots)
