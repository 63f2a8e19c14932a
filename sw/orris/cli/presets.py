"""`orris presets`: the named configurations and their geometry."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

import typer

from .options import JsonFlag

if TYPE_CHECKING:
    from orris_hw.config import AcceleratorConfig

SIDE_BY_SIDE = 4
"""Presets in a table: as many as 80 columns hold."""


def register(app: typer.Typer) -> None:
    app.command(name="presets")(presets)


def presets(as_json: JsonFlag = False) -> None:
    """List the named configurations and their geometry.

    Any command takes one by name: [bold]orris config --preset orris-168[/].
    """
    from orris_hw.config import PRESET_NOTES, PRESETS

    if as_json:
        entries = [{"note": PRESET_NOTES[name], **_entry(config)} for name, config in PRESETS.items()]
        typer.echo(json.dumps(entries, indent=2))
        return
    configs = list(PRESETS.values())
    for at in range(0, len(configs), SIDE_BY_SIDE):
        _print_table(configs[at : at + SIDE_BY_SIDE])
    for name, note in PRESET_NOTES.items():
        typer.echo(f"{name}: {note}")


def _entry(config: AcceleratorConfig) -> dict[str, Any]:
    """What the user set, and what follows from it."""
    derived = ("pes", "psum_ports", "scratchpad_bytes", "glb_bytes")
    return {
        "name": config.name,
        **{key: getattr(config, key) for key in derived},
        "content_hash": config.content_hash(),
        "config": config.model_dump(exclude={"name"}),
    }


def _print_table(configs: Sequence[AcceleratorConfig]) -> None:
    from rich import box
    from rich.console import Console
    from rich.table import Table

    table = Table(box=box.SIMPLE_HEAD, pad_edge=False)
    table.add_column("")
    for config in configs:
        table.add_column(config.name, justify="right")
    for label, cell in _ROWS:
        table.add_row(label, *(cell(config) for config in configs))
    Console().print(table)


_ROWS: tuple[tuple[str, Callable[[AcceleratorConfig], str]], ...] = (
    ("PE rows x columns", lambda c: f"{c.array.rows} x {c.array.columns}"),
    ("PEs", lambda c: str(c.pes)),
    ("arithmetic", lambda c: c.arithmetic),
    ("data / psum, bits", lambda c: f"{c.data_width} / {c.psum_width}"),
    ("filter scratchpad, words", lambda c: f"2 x {c.scratchpads.filter}"),
    ("ifmap scratchpad, words", lambda c: str(c.scratchpads.ifmap)),
    ("psum scratchpad, words", lambda c: str(c.scratchpads.psum)),
    ("scratchpads, bytes per PE", lambda c: str(c.scratchpad_bytes)),
    ("global buffer, kB", lambda c: f"{c.glb_bytes / 1024:g}"),
    ("global buffer, banks", lambda c: str(c.global_buffer.banks)),
    ("ifmap network, bits/cycle", lambda c: str(c.networks.ifmap_bits)),
    ("filter network, bits/cycle", lambda c: str(c.networks.filter_bits)),
    ("psum network, bits/cycle", lambda c: str(c.networks.psum_bits)),
    ("post-processing lanes", lambda c: str(c.post_processing.lanes)),
)
