"""`orris bench`: the layers of a network, measured in RTL simulation or foreseen by the cost model."""

from __future__ import annotations

import os
from fnmatch import fnmatchcase
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from .options import (
    AimOption,
    ConfigOption,
    EnergyOption,
    LatencyOption,
    MappingOption,
    MemoryBytesOption,
    PresetOption,
)
from .progress import progress_bars
from .simulate import NOT_EXACT, complaint

if TYPE_CHECKING:
    from orris.layers import ConvLayer
    from orris.report import LayerReport


def register(app: typer.Typer) -> None:
    app.command(name="bench")(bench)


def bench(
    network: Annotated[str, typer.Argument(help="alexnet, vgg16, resnet18 or mobilenetv1.")],
    preset: PresetOption = None,
    config: ConfigOption = None,
    layers: Annotated[
        str | None,
        typer.Option("--layers", metavar="NAMES", help="Only these, separated by commas, such as conv1,pw*."),
    ] = None,
    rtl: Annotated[
        bool, typer.Option("--rtl/--model", help="Simulate the RTL, or ask the cost model alone.")
    ] = True,
    batch: Annotated[int, typer.Option("--batch", min=1, max=256, help="Images at once.")] = 1,
    memory_bytes: MemoryBytesOption = None,
    latency: LatencyOption = 100,
    mapping: MappingOption = None,
    aim: AimOption = "time",
    energy: EnergyOption = "isca2016",
    seed: Annotated[int, typer.Option("--seed", min=0, help="Of the random data.")] = 0,
    zeros: Annotated[
        float | None, typer.Option("--zeros", min=0, max=1, help="Fraction of zero ifmap values.")
    ] = None,
    jobs: Annotated[
        int | None, typer.Option("--jobs", "-j", min=1, help="Layers side by side; all cores by default.")
    ] = None,
    scheduler: Annotated[
        str | None,
        typer.Option("--scheduler", metavar="ADDRESS", help="Run on the workers of a dask scheduler."),
    ] = None,
    json_file: Annotated[
        str | None,
        typer.Option("--json", metavar="FILE", help="Write all figures as JSON; - for stdout."),
    ] = None,
) -> None:
    """Measure a network's layers: cycles, utilisation, stalls, words at every level, energy.

    Examples:

    [bold]orris bench alexnet --preset orris-168 --json alexnet.json[/]   in RTL, against the golden model

    [bold]orris bench vgg16 --model[/]   what the cost model expects, in seconds

    [bold]orris bench alexnet --preset eyeriss-v1 --mapping published --batch 4[/]   as the chip ran it

    Each layer's figures are in the JSON file as soon as it is done. Exit status: 0 when every layer is
    bit-exact, 1 when one is not, 2 for wrong input.
    """
    from rich.console import Console

    from orris.cost import energy_table, parse_aim, require_foresight, within_port
    from orris.mapper import mapping_table
    from orris.report.bench import Conditions
    from orris.report.bench_table import movement_table, silicon_table, speed_table
    from orris_hw.config import resolve
    from orris_sim.bench_jobs import BenchJob, run_jobs
    from orris_sim.layer_run import MemoryModel

    accelerator = resolve(preset=preset, config=config)
    if not rtl:
        require_foresight(accelerator)
    chosen = _layers(network, layers, batch)
    memory_bytes = within_port(accelerator, memory_bytes)
    weight, memory = parse_aim(aim), MemoryModel(latency, memory_bytes)
    conditions = Conditions(memory_bytes, latency, batch, rtl, energy_table(energy))
    record = _Record(network, accelerator, conditions, [layer.name for layer in chosen], json_file)
    wanted = mapping_table(mapping)
    work = [
        BenchJob(layer, accelerator, memory, rtl, weight, wanted.of(layer), seed, zeros) for layer in chosen
    ]
    with progress_bars() as bars:
        task = bars.add_task(f"{network} on {accelerator.name}", total=sum(job.layer.macs for job in work))
        for job, report in run_jobs(work, jobs or os.cpu_count() or 1, scheduler):
            record.add(report)
            bars.update(task, advance=job.layer.macs)
            bars.console.print(_line(report, rtl), highlight=False)
    result = record.as_dict()
    if json_file == "-":
        record.print()
    else:
        console = Console()
        for table in (speed_table(result), movement_table(result), silicon_table(result)):
            if table is not None:
                console.print(table, "")
    wrong = [report for report in record.reports if not report.bit_exact]
    for report in wrong:
        typer.secho(f"error: {complaint(report)}", fg=typer.colors.RED, err=True)
    if wrong:
        raise typer.Exit(NOT_EXACT)


def _layers(network: str, names: str | None, batch: int) -> list[ConvLayer]:
    """The layers asked for, with that many images."""
    from dataclasses import replace

    from orris.layers import LayerError, find_network

    layers = find_network(network).layers
    if names is not None:
        patterns = [name.strip() for name in names.split(",")]
        short = {layer.name.removeprefix(f"{network}."): layer for layer in layers}
        for pattern in patterns:
            if not any(fnmatchcase(name, pattern) for name in short):
                raise LayerError(f"--layers {pattern}: {network} has no such layer ({', '.join(short)})")
        layers = [
            layer for name, layer in short.items() if any(fnmatchcase(name, pattern) for pattern in patterns)
        ]
    return [replace(layer, N=batch) for layer in layers]


def _line(report: LayerReport, rtl: bool) -> str:
    """A layer that is done, in a line."""
    exact = "" if not rtl else ", bit-exact" if report.bit_exact else ", [red]NOT bit-exact[/]"
    return f"{report.layer.name}: {report.cycles:,} cycles, {report.utilization:.1%}{exact}"


class _Record:
    """The reports so far, in the network's order; in the JSON file after each of them."""

    def __init__(self, network: str, config: Any, conditions: Any, names: list[str], file: str | None):
        from orris_hw.errors import OrrisError

        self._network, self._config, self._conditions, self._names = network, config, conditions, names
        self._found: dict[str, LayerReport] = {}
        self._file = Path(file) if file not in (None, "-") else None
        if self._file is not None and not self._file.absolute().parent.is_dir():
            raise OrrisError(f"--json {file}: there is no such directory")

    @property
    def reports(self) -> list[LayerReport]:
        return [self._found[name] for name in self._names if name in self._found]

    def as_dict(self) -> dict[str, Any]:
        from orris.report.bench import bench_as_dict, bench_layer

        entries = [bench_layer(report, self._conditions) for report in self.reports]
        complete = len(entries) == len(self._names)
        return bench_as_dict(self._network, self._config, self._conditions, entries, complete)

    def add(self, report: LayerReport) -> None:
        self._found[report.layer.name] = report
        if self._file is not None:
            _replace(self._file, self._text())

    def print(self) -> None:
        typer.echo(self._text(), nl=False)

    def _text(self) -> str:
        import json

        return json.dumps(self.as_dict(), indent=2) + "\n"


def _replace(file: Path, text: str) -> None:
    """Write the file as a whole or not at all."""
    from orris_hw.errors import OrrisError

    draft = file.with_name(f".{file.name}.{os.getpid()}")
    try:
        draft.write_text(text, encoding="utf-8")
        draft.replace(file)
    except OSError as error:
        draft.unlink(missing_ok=True)
        raise OrrisError(f"cannot write {file}: {error.strerror}") from error
