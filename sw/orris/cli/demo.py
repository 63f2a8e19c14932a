"""`orris demo`: a photograph through the whole accelerator."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from .generate import summary
from .options import ConfigOption, PresetOption
from .progress import progress_bars
from .simulate import NOT_EXACT, complaint, print_tables, write_json

HEIGHT, WIDTH = 320, 240
"""Of the photograph: large enough to look at, and seconds to simulate."""


def register(app: typer.Typer) -> None:
    app.command(name="demo")(demo)


def demo(
    output: Annotated[
        Path, typer.Option("--output", "-o", metavar="DIR", help="Where the Verilog and the picture go.")
    ] = Path("build/demo"),
    preset: PresetOption = None,
    config: ConfigOption = None,
) -> None:
    """Convolve a photograph on the accelerator in RTL simulation, and write its Verilog.

    Eight 3 x 3 filters (edges, blurs, sharpening) over a colour photograph, compared value by value with
    the golden model. Leaves the feature maps as a picture, the figures as JSON, and the accelerator as
    Verilog and JSON.

    Exit status: 0 when the result is bit-exact, 1 when it is not.
    """
    from rich.console import Console

    from orris.demo_images import (
        FILTERS,
        filter_requant,
        filter_weights,
        load_photograph,
        photograph_layer,
        save_feature_maps_png,
    )
    from orris.golden import LayerData
    from orris_hw.config import resolve
    from orris_hw.emission.product import write_product
    from orris_hw.errors import OrrisError
    from orris_sim.layer_run import run_layer

    from .watching import watcher

    accelerator = resolve(preset=preset, config=config)
    if (accelerator.data_width, accelerator.arithmetic) != (8, "integer"):
        raise OrrisError(
            f"the demonstration has int8 data: {accelerator.name} with {accelerator.data_width}-bit "
            f"{accelerator.arithmetic} arithmetic cannot run it (orris-168 and tiny can)"
        )
    photograph = load_photograph(HEIGHT, WIDTH)
    data = LayerData(photograph, filter_weights(), filter_requant())
    with progress_bars() as bars:
        layer = photograph_layer(HEIGHT, WIDTH)
        run = run_layer(layer, accelerator, data, watcher=watcher(bars, layer.name))
        bars.add_task("writing the Verilog", total=None)
        verilog, description = write_product(accelerator, output)
        picture = output / "photograph.png"
        if run.ofmap is not None:
            save_feature_maps_png(photograph, run.ofmap, list(FILTERS), picture)
    figures = output / "report.json"
    write_json(str(figures), [run.report])
    print_tables(Console(), [run.report])
    typer.echo(f"{verilog}  {summary(verilog)}")
    typer.echo(f"{description}  ports, geometry, registers, command formats")
    typer.echo(f"{figures}  the figures above, and every counter")
    if run.ofmap is not None:
        typer.echo(f"{picture}  the photograph, and the feature maps the accelerator made of it")
    if not run.report.bit_exact:
        typer.secho(f"error: {complaint(run.report)}", fg=typer.colors.RED, err=True)
        raise typer.Exit(NOT_EXACT)
    typer.secho("bit-exact", fg=typer.colors.GREEN, bold=True, nl=False)
    typer.echo(f": all {run.golden.size:,} values are those of the golden model")
