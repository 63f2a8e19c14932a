"""A benchmark as tables for a terminal."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from rich import box
from rich.table import Table

from .movement import LEVELS
from .tables import short

_SPEED = (
    "\nMACs",
    "\ncycles",
    "\nmodel",
    "utili-\nsation",
    "roof-\nline",
    "waits\nifmap",
    "\nfilter",
    "\npsum",
    "bit-\nexact",
)


def speed_table(bench: Mapping[str, Any]) -> Table:
    """How fast: a line for each layer, and one for all. Fits 80 columns, as the others."""
    table = _table("\nlayer", _SPEED if bench["source"] == "rtl" else _SPEED[:2] + _SPEED[3:-1])
    rows = [(_name(bench, entry), entry, entry["roofline"]["share"]) for entry in bench["layers"]]
    for name, entry, share in _with_total(table, bench, rows, bench["total"]["roofline_share"]):
        table.add_row(name, *_speed(entry, share))
    return table


def _speed(entry: Mapping[str, Any], share: float) -> Iterator[str]:
    cycles, predicted, exact = entry["cycles"], entry["predicted_cycles"], entry["bit_exact"]
    yield short(entry["macs"])
    yield f"{cycles:,}"
    if exact is not None:
        yield f"{predicted / cycles - 1:+.2%}" if cycles and predicted is not None else "-"
    yield f"{entry['utilization']:.1%}"
    yield f"{share:.1%}"
    yield from (f"{waits:.1%}" for waits in entry["stalls"].values())
    if exact is not None:
        yield "yes" if exact else "[red]NO[/]"


def movement_table(bench: Mapping[str, Any]) -> Table:
    """What moved at each level, and the energy of all."""
    unit = bench["energy_table"]["unit"]
    levels = [level.replace(" ", "\n") if " " in level else f"\n{level}" for level in LEVELS]
    table = _table("accesses\nat", [*levels, "\nenergy", f"{unit}\nper MAC"])
    rows = [(_name(bench, entry), entry, entry["energy"]["total"]) for entry in bench["layers"]]
    for name, entry, energy in _with_total(table, bench, rows, bench["total"]["energy"]):
        words = (short(entry["words"][level]) for level in LEVELS)
        table.add_row(name, *words, short(round(energy)), f"{energy / entry['macs']:.2f}")
    return table


def _with_total(
    table: Table, bench: Mapping[str, Any], rows: list[tuple[str, Any, float]], total: float
) -> Iterator[tuple[str, Any, float]]:
    yield from rows
    if len(rows) > 1:
        table.add_section()
        yield "all", bench["total"], total


def _name(bench: Mapping[str, Any], entry: Mapping[str, Any]) -> str:
    return entry["layer"].removeprefix(f"{bench['network']}.")


def _table(first: str, headings: Sequence[str]) -> Table:
    table = Table(box=box.SIMPLE_HEAD, padding=(0, 1, 0, 0), pad_edge=False, show_edge=False)
    table.add_column(first, no_wrap=True)
    for heading in headings:
        table.add_column(heading, justify="right", no_wrap=True)
    return table


def silicon_table(bench: Mapping[str, Any]) -> Table | None:
    """The layers that the Eyeriss chip was measured with, beside ours, for as many images."""
    layers: Sequence[Mapping[str, Any]] = [entry for entry in bench["layers"] if "silicon" in entry]
    if not layers:
        return None
    headings = ("chip\nms", "ours\nms", "chip DRAM\nMB", "ours\nMB", "chip buffer\nM words", "ours\nM words")
    table = _table("4 images\nat 200 MHz", headings)
    for entry in layers:
        chip = entry["silicon"]
        images = chip["batch"] / bench["batch"]
        counters = entry["counters"]
        dram = 8 * (counters["dram_read_words"] + counters["dram_write_words"]) * images
        table.add_row(
            _name(bench, entry),
            f"{chip['processing_ms']:.1f}",
            f"{entry['cycles'] * images / chip['clock_mhz'] / 1000:.1f}",
            f"{chip['dram_mb']:.2f}",
            f"{dram / 1e6:.2f}",
            f"{chip['glb_words'] / 1e6:.2f}",
            f"{entry['words']['global buffer'] * images / 1e6:.2f}",
        )
    return table
