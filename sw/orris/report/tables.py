"""Reports as tables for a terminal."""

from collections.abc import Sequence

from rich import box
from rich.table import Table

from .layer_report import STALLS, LayerReport
from .movement import LEVELS, movements, words_at


def summary_table(reports: Sequence[LayerReport]) -> Table:
    """A line for each layer: is it right, how fast, what moved where, what stalled; a total for several."""
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False)
    table.add_column("layer", no_wrap=True)
    table.add_column("bit-exact")
    for heading in ("cycles", "utilisation", *LEVELS, *(f"stalls, {name[6:]}" for name in STALLS)):
        table.add_column(heading, justify="right")
    for report in reports:
        table.add_row(
            report.layer.name,
            "yes" if report.bit_exact else "[red]NO[/]",
            f"{report.cycles:,}",
            f"{report.utilization:.1%}",
            *(f"{words_at(report.counters, level):,}" for level in LEVELS),
            *(f"{report.stalled(name):.1%}" for name in STALLS),
        )
    if len(reports) > 1:
        pes, cycles = reports[0].config.pes, sum(report.cycles for report in reports)
        pe_cycles = max(1, pes * cycles)
        table.add_section()
        table.add_row(
            "all",
            "yes" if all(report.bit_exact for report in reports) else "[red]NO[/]",
            f"{cycles:,}",
            f"{sum(report.macs for report in reports) / pe_cycles:.1%}",
            *(f"{sum(words_at(report.counters, level) for report in reports):,}" for level in LEVELS),
            *(f"{sum(r.counters.get(name, 0) for r in reports) / pe_cycles:.1%}" for name in STALLS),
        )
    return table


def layer_tables(report: LayerReport) -> tuple[Table, Table]:
    """One layer in detail: its speed, then every kind of data at every level."""
    return _speed_table(report), _movement_table(report)


def _speed_table(report: LayerReport) -> Table:
    layer, config, mapping, counters = report.layer, report.config, report.mapping, report.counters
    gated = counters.get("mac_gated", 0)
    done = gated + counters.get("mac_done", 0)
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False, show_header=False)
    table.add_column("")
    table.add_column("")
    shape = f"{layer.M} filters {layer.R} x {layer.S} on {layer.channels} x {layer.H} x {layer.W}"
    rows = (
        ("layer", f"{layer.name}: {shape}"),
        ("accelerator", f"{config.name}: {config.array.rows} x {config.array.columns} PEs"),
        ("mapping", ", ".join(f"{letter} {getattr(mapping, letter):g}" for letter in "mnepqrt")),
        ("cycles", f"{report.cycles:,} (predicted {report.predicted['cycles']:,})"),
        ("utilisation", f"{report.utilization:.1%} of {config.pes} MACs a cycle"),
        ("MACs", f"{layer.macs:,}, of those made {gated / max(1, done):.1%} gated on a zero"),
        ("PEs waiting", ", ".join(f"for {name[6:]} {report.stalled(name):.1%}" for name in STALLS)),
        ("simulation", f"{report.seconds:.1f} s, {report.cycles_per_second:,.0f} cycles/s"),
    )
    for row in rows:
        table.add_row(*row)
    return table


def _movement_table(report: LayerReport) -> Table:
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False)
    table.add_column("level")
    table.add_column("moved")
    table.add_column("number", justify="right")
    table.add_column("per MAC", justify="right")
    before = ""
    for level, what, number in movements(report.counters):
        if before and level != before:
            table.add_section()
        table.add_row("" if level == before else level, what, f"{number:,}", f"{number / report.macs:.4f}")
        before = level
    return table
