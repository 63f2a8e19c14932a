"""A network's report as tables and CSV."""

import csv
from pathlib import Path

from rich import box
from rich.table import Table

from orris_hw.errors import OrrisError

from ..report.tables import short
from .report import LayerCost, NetworkReport

SHAPES_FROM_WIDTH = 120
"""Columns of a terminal from which on every layer's shape is shown."""


def network_tables(report: NetworkReport, width: int = 80) -> tuple[Table, Table]:
    """A line for each layer, then the totals; with shapes where `width` columns have room for them."""
    return _layer_table(report, width >= SHAPES_FROM_WIDTH), _totals_table(report)


def _layer_table(report: NetworkReport, shapes: bool) -> Table:
    table = Table(box=box.SIMPLE_HEAD, padding=(0, 1, 0, 0), pad_edge=False, show_edge=False)
    table.add_column("\nlayer", overflow="fold")
    table.add_column("\nruns on")
    if shapes:
        table.add_column("\nshape", overflow="fold")
    for heading in ("\ncycles", "of\nall", "utili-\nsation", "words:\nscratch", "net-\nwork", "\nbuffer"):
        table.add_column(heading, justify="right", no_wrap=True)
    table.add_column("\nDRAM", justify="right", no_wrap=True)
    table.add_column("\nenergy", justify="right", no_wrap=True)
    whole = sum(layer.cycles for layer in report.layers)
    for layer in report.layers:
        where = layer.where.partition(":")[0]
        begin = [_short_name(layer.name), "-" if where == "nowhere" else where]
        table.add_row(*begin, *([layer.shape] if shapes else []), *_figures(report, layer, whole))
    return table


def _short_name(name: str) -> str:
    """Readable in a narrow column: `DEPTHWISE_CONV_2D 1` is `depthwise conv 1`."""
    return name.replace("_2D", "").replace("_", " ").lower() if name.isupper() or "_2D" in name else name


def _figures(report: NetworkReport, layer: LayerCost, whole: int) -> list[str]:
    if not layer.cycles:
        return []
    figures = [short(layer.cycles), f"{layer.cycles / max(1, whole):.0%}"]
    figures.append(f"{layer.utilization(report.network.config):.1%}" if layer.macs else "")
    figures += [short(words) for words in layer.words().values()]
    return figures + ([short(round(layer.energy["total"]))] if layer.energy else [])


def _totals_table(report: NetworkReport) -> Table:
    network, plan = report.network, report.network.plan
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False, show_header=False)
    table.add_column("")
    table.add_column("")
    predicted = report.predicted_cycles
    foreseen = f" (layers predicted: {predicted:,})" if predicted is not None else ""
    moved = f", {report.dram_bytes:,} bytes to and from DRAM" if report.whole else ""
    if report.cycles:
        table.add_row("one inference", f"{report.cycles:,} cycles{foreseen}{moved}")
        table.add_row(
            f"at {report.clock_mhz:g} MHz",
            f"{report.inferences_per_second:,.1f} inferences/s without the host's part",
        )
    if report.energy:
        parts = {part: value for part, value in report.energy.items() if part != "total"}
        whole = report.energy["total"]
        shares = ", ".join(f"{part} {value / whole:.0%}" for part, value in parts.items() if value)
        table.add_row("energy", f"{short(round(whole))} {report.table.unit} an inference: {shares}")
    segments = network.segments
    commands = sum(part.program.commands for part in segments)
    table.add_row("programs", f"{len(segments)}, {commands:,} commands in all")
    table.add_row(
        "memory",
        f"{network.memory_size:,} bytes: constants {network.constant_bytes:,}, activations {plan.size:,} "
        f"({plan.apart:,} if none shared a place)",
    )
    if report.seconds:
        table.add_row("simulation", f"{report.seconds:.1f} s an inference")
    return table


def save_csv(report: NetworkReport, path: Path) -> None:
    """A line for each layer; OrrisError if the file cannot be written."""
    rows = list(report.rows())
    names = list(dict.fromkeys(name for row in rows for name in row))
    try:
        with path.open("w", newline="", encoding="utf-8") as file:
            writer = csv.DictWriter(file, names)
            writer.writeheader()
            writer.writerows(rows)
    except OSError as error:
        raise OrrisError(f"cannot write {path}: {error.strerror}") from error
