"""`orris board`: a board at the end of a cable."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Annotated, Any

import typer

from .layer_options import Layers, takes_layers
from .options import ConfigOption, JsonFlag, PresetOption
from .progress import progress_bars

if TYPE_CHECKING:
    from orris_fpga.link.transport import SerialTransport

NOT_EXACT = 1
"""Exit status when a layer's ofmap is not the golden model's."""

app = typer.Typer(no_args_is_help=True, help="Talk to a board that runs an Orris bitstream.")

PortOption = Annotated[
    str | None,
    typer.Option(
        "--port", metavar="PORT", help="Serial port, such as /dev/ttyUSB0; by default the only one."
    ),
]
BaudOption = Annotated[
    int | None,
    typer.Option("--baud", min=9600, max=3_000_000, help="Speed; by default those of the known boards."),
]
TimeoutOption = Annotated[
    float, typer.Option("--timeout", min=0.01, help="Seconds to wait for a reply before asking again.")
]


def register(parent: typer.Typer) -> None:
    parent.add_typer(app, name="board")


@app.command()
def info(
    port: PortOption = None,
    baud: BaudOption = None,
    timeout: TimeoutOption = 0.5,
    as_json: JsonFlag = False,
) -> None:
    """What the board is: memory, clock, configuration, and the accelerator's geometry.

    Example:

    [bold]orris board info --port /dev/ttyUSB0[/]
    """
    from orris_fpga.link.connection import connect

    transport = connect(port, baud, timeout)
    facts = _facts(transport)
    if as_json:
        typer.echo(json.dumps(facts, indent=2))
        return
    from rich.console import Console
    from rich.table import Table

    table = Table(title=f"Board on {transport.link.port}", show_header=False)
    for name, value in facts.items():
        if isinstance(value, dict):
            value = ", ".join(f"{field} {number}" for field, number in value.items())
        table.add_row(name.lower().replace("_", " "), f"{value:,}" if isinstance(value, int) else str(value))
    Console().print(table)


def _facts(transport: SerialTransport) -> dict[str, Any]:
    from orris_fpga.gateware.system import config_word
    from orris_hw.config import PRESETS
    from orris_hw.register_map import IDENT, REGISTER, REGISTERS, VERSION

    from ..driver import DeviceError

    hello = transport.link.hello
    ident, version = (transport.read_register(REGISTER[name].offset) for name in ("IDENT", "VERSION"))
    if ident != IDENT:
        raise DeviceError(f"no Orris accelerator answers: IDENT reads {ident:#010x}, not {IDENT:#010x}")
    names = [preset.name for preset in PRESETS.values() if config_word(preset) == hello.config]
    return {
        "configuration": names[0] if names else "none of the presets",
        "configuration_hash": f"{hello.config:08x}",
        "clock_hz": hello.clock_hz,
        "memory_bytes": hello.memory_bytes,
        "link_version": hello.version,
        "register_map": f"{version >> 16}.{version & 0xFFFF}",
        "register_map_known": f"{VERSION >> 16}.{VERSION & 0xFFFF}",
        **{
            register.name: register.unpack(transport.read_register(register.offset))
            for register in REGISTERS
            if register.name.startswith("GEOMETRY")
        },
        "STATUS": REGISTER["STATUS"].unpack(transport.read_register(REGISTER["STATUS"].offset)),
    }


@app.command()
@takes_layers
def run(
    layers: Layers,
    port: PortOption = None,
    baud: BaudOption = None,
    timeout: TimeoutOption = 0.5,
    preset: PresetOption = None,
    config: ConfigOption = None,
    seed: Annotated[int, typer.Option("--seed", min=0, help="Of the random data.")] = 0,
    as_json: JsonFlag = False,
) -> None:
    """Run layers on the board with random data, and compare them with the golden model.

    Example:

    [bold]orris board run --layer alexnet.conv3 --port /dev/ttyUSB0[/]

    Exit status: 0 when every layer is bit-exact, 1 when one is not, 2 for wrong input or a board in trouble.
    """
    from orris_fpga.layer_run import run_on_board
    from orris_fpga.link.connection import board_device, connect
    from orris_hw.config import resolve

    wanted = resolve(preset=preset, config=config) if preset or config else None
    transport = connect(port, baud, timeout)
    device = board_device(transport, wanted)
    runs = []
    with progress_bars() as bars:
        for each in layers:
            task = bars.add_task(each.name, total=None)
            runs.append(run_on_board(each, device, transport.link.hello, seed))
            bars.update(task, completed=1, total=1)
    if as_json:
        typer.echo(json.dumps([each.as_dict() for each in runs], indent=2))
    else:
        from rich.console import Console
        from rich.table import Table

        table = Table(title=f"{device.config.name} on {transport.link.port}")
        for heading in ("layer", "cycles", "ms", "utilisation", "ofmap"):
            table.add_column(heading, justify="left" if heading in ("layer", "ofmap") else "right")
        for each in runs:
            verdict = "bit-exact" if each.bit_exact else f"{each.mismatches} values differ"
            times = f"{each.cycles:,}", f"{each.milliseconds:.3f}", f"{each.utilization:.1%}"
            table.add_row(each.layer.name, *times, verdict)
        Console().print(table)
    for each in runs:
        if not each.bit_exact:
            differ = f"{each.mismatches} of {each.layer.ofmap_values} ofmap values"
            message = f"error: {each.layer.name}: {differ} differ from the golden model"
            typer.secho(message, fg=typer.colors.RED, err=True)
    if not all(each.bit_exact for each in runs):
        raise typer.Exit(NOT_EXACT)
