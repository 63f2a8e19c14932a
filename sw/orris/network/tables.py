"""A network's report as tables and CSV."""

import csv
from pathlib import Path

from rich import box
from rich.table import Table

from orris_hw.errors import OrrisError

from ..report.tables import short
from .report import LayerCost, NetworkReport


def network_tables(report: NetworkReport) -> tuple[Table, Table]:
    """A line for each layer, then the totals."""
    return _layer_table(report), _totals_table(report)


def _layer_table(report: NetworkReport) -> Table:
    table = Table(box=box.SIMPLE_HEAD, padding=(0, 1, 0, 0), pad_edge=False, show_edge=False)
    table.add_column("layer", overflow="fold")
    table.add_column("runs on", overflow="fold")
    for heading in ("cycles", "of all", "utilised", "scratch", "network", "buffer", "DRAM"):
        table.add_column(heading, justify="right", no_wrap=True)
    whole = sum(layer.cycles for layer in report.layers)
    for layer in report.layers:
        table.add_row(layer.name, f"{layer.where}: {layer.shape}", *_figures(report, layer, whole))
    return table


def _figures(report: NetworkReport, layer: LayerCost, whole: int) -> list[str]:
    if not layer.cycles:
        return []
    figures = [short(layer.cycles), f"{layer.cycles / max(1, whole):.1%}"]
    figures.append(f"{layer.utilization(report.network.config):.1%}" if layer.macs else "")
    return figures + [short(words) for words in layer.words().values()]


def _totals_table(report: NetworkReport) -> Table:
    network, plan = report.network, report.network.plan
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False, show_header=False)
    table.add_column("")
    table.add_column("")
    predicted = sum(layer.predicted for layer in report.layers)
    moved = f", {report.dram_bytes:,} bytes to and from DRAM" if report.whole else ""
    table.add_row("one inference", f"{report.cycles:,} cycles (layers predicted: {predicted:,}){moved}")
    table.add_row(
        f"at {report.clock_mhz:g} MHz",
        f"{report.inferences_per_second:,.1f} inferences/s without the host's part",
    )
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
