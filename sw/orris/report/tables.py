"""Reports as tables for a terminal."""

from collections.abc import Iterator, Sequence

from rich import box
from rich.table import Table

from .layer_report import STALLS, LayerReport
from .movement import LEVELS, counted_at, movements, words_at

_FIGURES = (
    "bit-\nexact",
    "\ncycles",
    "utili-\nsation",
    "scratch-\npads",
    "\nnetworks",
    "global\nbuffer",
    "\nDRAM",
    "\nstalled",
)


def summary_table(reports: Sequence[LayerReport]) -> Table:
    """A line for each layer: is it right, how fast, what moved at each level, what part of the PE-cycles
    was spent waiting, with a dash for what is not counted; a total for several. Fits 80 columns."""
    table = Table(box=box.SIMPLE_HEAD, padding=(0, 1, 0, 0), pad_edge=False, show_edge=False)
    table.add_column("\nlayer", overflow="fold")
    for heading in _FIGURES:
        table.add_column(heading, justify="right", no_wrap=True)
    for report in reports:
        table.add_row(report.layer.name, *_figures([report]))
    if len(reports) > 1:
        table.add_section()
        table.add_row("all", *_figures(reports))
    return table


def _figures(reports: Sequence[LayerReport]) -> Iterator[str]:
    """Of several layers together."""
    counters = {name: 0 for report in reports for name in report.counters}
    cycles = sum(report.cycles for report in reports)
    pe_cycles = max(1, reports[0].config.pes * cycles)
    yield "yes" if all(report.bit_exact for report in reports) else "[red]NO[/]"
    yield short(cycles)
    yield f"{sum(report.macs for report in reports) / pe_cycles:.1%}"
    for level in LEVELS:
        words = sum(words_at(report.counters, level) for report in reports)
        yield short(words) if counted_at(counters, level) else "-"
    stalled = sum(report.counters.get(name, 0) for report in reports for name in STALLS)
    yield f"{stalled / pe_cycles:.1%}" if any(name in counters for name in STALLS) else "-"


def short(number: int) -> str:
    """Three digits and a unit: 1234567 is 1.23M."""
    value, units = float(number), iter(("", "k", "M", "G", "T"))
    unit = next(units)
    while value >= 999.5 and unit != "T":
        value, unit = value / 1000, next(units)
    digits = 0 if not unit or value >= 99.95 else 1 if value >= 9.995 else 2
    return f"{value:.{digits}f}{unit}"


def layer_tables(report: LayerReport) -> tuple[Table, Table]:
    """One layer in detail: its speed, then every kind of data at every level."""
    return _speed_table(report), _movement_table(report)


def _speed_table(report: LayerReport) -> Table:
    layer, config, mapping, counters = report.layer, report.config, report.mapping.as_dict(), report.counters
    gated, predicted = counters.get("mac_gated", 0), report.predicted.get("cycles")
    done = gated + counters.get("mac_done", 0)
    waiting = ", ".join(f"for {name[6:]} {report.stalled(name):.1%}" for name in STALLS if name in counters)
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False, show_header=False)
    table.add_column("")
    table.add_column("")
    shape = f"{layer.M} filters {layer.R} x {layer.S} on {layer.channels} x {layer.H} x {layer.W}"
    rows = (
        ("layer", f"{layer.name}: {shape}"),
        ("accelerator", f"{config.name}: {config.array.rows} x {config.array.columns} PEs"),
        ("mapping", ", ".join(f"{letter} {mapping[letter]:g}" for letter in "mnepqrt")),
        ("cycles", f"{report.cycles:,}" + (f" (predicted {predicted:,})" if predicted else "")),
        ("utilisation", f"{report.utilization:.1%} of {config.pes} MACs a cycle"),
        ("MACs", f"{layer.macs:,}" + (f", of those made {gated / done:.1%} gated on a zero" if done else "")),
        ("PEs waiting", waiting or "not counted"),
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
