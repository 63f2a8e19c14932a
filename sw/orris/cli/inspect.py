"""`orris inspect`: what a model file holds, and what of it runs on the accelerator."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from .options import ConfigOption, JsonFlag, PresetOption

ModelArgument = Annotated[
    Path,
    typer.Argument(
        metavar="MODEL",
        help="A .tflite or .onnx file, or a built-in network with random weights (alexnet, vgg16, resnet18, "
        "mobilenetv1).",
    ),
]


def register(app: typer.Typer) -> None:
    app.command(name="inspect")(inspect)


def inspect(
    model: ModelArgument,
    preset: PresetOption = None,
    config: ConfigOption = None,
    json: JsonFlag = False,
) -> None:
    """Show what a network consists of, and what of it runs on the accelerator.

    An operator that is not supported is named with its place in the file. Nothing is simulated.

    Exit status: 0, or 2 for a file that cannot be used.
    """
    from rich import box
    from rich.console import Console
    from rich.table import Table

    from orris.importers import load_model
    from orris.network import Coverage, assign
    from orris_hw.config import resolve

    accelerator = resolve(preset=preset, config=config)
    graph = load_model(model)
    coverage = Coverage(graph, tuple(assign(graph, accelerator)))
    if json:
        from json import dumps

        typer.echo(dumps({"preset": accelerator.name} | coverage.as_dict(), indent=2))
        return
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False)
    for heading, justify in (("operator", "left"), ("makes", "left"), ("MACs", "right"), ("runs on", "left")):
        table.add_column(heading, justify=justify)  # pyright: ignore[reportArgumentType]
    for each in coverage.assignments:
        made = ", ".join(
            f"{graph.tensors[name].dtype} {'x'.join(map(str, graph.tensors[name].shape))}"
            for name in each.operator.outputs
        )
        where = each.where + (f": {each.why}" if each.why else "")
        table.add_row(each.operator.name, made, f"{each.macs:,}" if each.macs else "", where)
    console = Console()
    console.print(table)
    console.print(f"{graph.name} on {accelerator.name}: {coverage.sentence()}.", highlight=False)
