"""`orris compile`: a network's mapping, memory plan and expected cycles, without running it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from .inspect import ModelArgument
from .options import ConfigOption, JsonFlag, PresetOption
from .progress import progress_bars

if TYPE_CHECKING:
    from orris.graph import Graph
    from orris.network import CompiledNetwork
    from orris_hw.config import AcceleratorConfig


def register(app: typer.Typer) -> None:
    app.command(name="compile")(compile)


def compile(
    model: ModelArgument,
    preset: PresetOption = None,
    config: ConfigOption = None,
    json: JsonFlag = False,
    clock: Annotated[
        float, typer.Option("--clock", min=0.001, metavar="MHZ", help="Clock that times are given at.")
    ] = 200.0,
) -> None:
    """Compile a network, and show where its layers run, what they should cost and the memory they share.

    Nothing is simulated: cycles are those that the cost model expects.
    """
    from rich.console import Console

    from orris.importers import load_model
    from orris.network import Coverage, assign, report
    from orris.network.tables import network_tables
    from orris_hw.config import resolve

    accelerator = resolve(preset=preset, config=config)
    graph = load_model(model)
    coverage = Coverage(graph, tuple(assign(graph, accelerator)))
    network = compiled(graph, accelerator, keep=False)
    described = report(network, coverage, clock_mhz=clock)
    if json:
        from json import dumps

        typer.echo(dumps(described.as_dict(), indent=2))
        return
    console = Console()
    console.print(f"{graph.name} on {accelerator.name}: {coverage.sentence()}.", highlight=False)
    for table in network_tables(described, console.width):
        console.print(table)


def compiled(graph: Graph, config: AcceleratorConfig, keep: bool) -> CompiledNetwork:
    """The compiled network, with a bar while its layers are mapped."""
    from orris.network import compile_network

    with progress_bars() as bars:
        task = bars.add_task("compiling", total=None)

        def progress(done: int, total: int, name: str) -> None:
            bars.update(task, description=f"mapping {name}", completed=done, total=total)

        return compile_network(graph, config, keep=keep, progress=progress)
