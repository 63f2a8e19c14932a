"""`orris map`: how a layer is laid over an accelerator, and why so."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Annotated, Any

import typer

from .layer_options import Layers, takes_layers
from .options import (
    AimOption,
    ConfigOption,
    EnergyOption,
    JsonFlag,
    LatencyOption,
    MappingOption,
    MemoryBytesOption,
    PresetOption,
)

if TYPE_CHECKING:
    from rich.table import Table

    from orris.cost import Candidate, EnergyTable


def register(app: typer.Typer) -> None:
    app.command(name="map")(map_)


@takes_layers
def map_(
    layers: Layers,
    preset: PresetOption = None,
    config: ConfigOption = None,
    mapping: MappingOption = None,
    aim: AimOption = "time",
    explain: Annotated[
        bool, typer.Option("--explain", help="The best few, and what each of the others costs more.")
    ] = False,
    energy: EnergyOption = "isca2016",
    memory_bytes: MemoryBytesOption = None,
    latency: LatencyOption = 100,
    as_json: JsonFlag = False,
) -> None:
    """Show how layers are laid over an accelerator, with the cycles and energy this is expected to take.

    Examples:

    [bold]orris map --layer alexnet.conv3 --explain[/]   the choice, and the next best ones

    [bold]orris map --layer vgg16 --preset eyeriss-v1[/]   a line for every layer

    [bold]orris map --M 64 --C 32 --H 28 --R 3 --pad same --aim energy[/]   any shape

    For a layer that does not fit, the limit that binds and its numbers. No RTL is run.
    """
    from rich.console import Console

    from orris.cost import (
        Criteria,
        MemoryTiming,
        energy_table,
        parse_aim,
        ranked_mappings,
        require_foresight,
        within_port,
    )
    from orris.mapper import mapping_table
    from orris_hw.config import resolve

    accelerator, weight, table = resolve(preset=preset, config=config), parse_aim(aim), energy_table(energy)
    require_foresight(accelerator)
    memory = MemoryTiming(latency, within_port(accelerator, memory_bytes) / 8)
    wanted = mapping_table(mapping)
    found = [
        ranked_mappings(each, accelerator, Criteria(weight, memory, table, given=wanted.of(each)))
        for each in layers
    ]
    if as_json:
        shown = [_as_dict(candidates if explain else candidates[:1], table) for candidates in found]
        typer.echo(json.dumps(shown, indent=2))
        return
    console = Console()
    if not explain:
        console.print(_chosen_table([candidates[0] for candidates in found], table))
        return
    for candidates in found:
        shown = candidates[:_SHOWN]
        console.print(_title(shown[0], weight))
        console.print(_candidates_table(shown, table))
        for number, candidate in enumerate(shown[1:], start=2):
            console.print(f"{number}: {_why(candidate, shown[0])}", highlight=False)
        console.print()


_SHOWN = 6  # of the candidates in a table
_LETTERS = ("e", "p", "q", "t", "rows", "positions", "chunk", "order")


def _as_dict(candidates: list[Candidate], table: EnergyTable) -> dict[str, Any]:
    best = candidates[0]
    return {
        "layer": best.mapping.layer.name,
        "preset": best.mapping.config.name,
        "energy_table": {"name": table.name, "unit": table.unit},
        "candidates": [
            {
                "mapping": candidate.mapping.as_dict(),
                "cycles": candidate.timing.cycles,
                "utilization": _utilization(candidate),
                "energy": candidate.energy.as_dict(),
                "predicted": dict(candidate.counters),
                "why": None if candidate is best else _why(candidate, best),
            }
            for candidate in candidates
        ],
    }


def _utilization(candidate: Candidate) -> float:
    mapping = candidate.mapping
    return mapping.layer.macs / (mapping.config.pes * candidate.timing.cycles)


def _columns(table: Table, *headings: str) -> None:
    for heading in headings:
        table.add_column(heading, justify="right", no_wrap=True)


def _cells(candidate: Candidate, table: EnergyTable) -> list[str]:
    from orris.report.tables import short

    mapping = candidate.mapping.as_dict()
    return [
        *(str(mapping.get(letter, "")) for letter in _LETTERS),
        f"{candidate.timing.cycles:,}",
        f"{_utilization(candidate):.1%}",
        short(round(candidate.energy.total)),
    ]


def _chosen_table(chosen: list[Candidate], energies: EnergyTable) -> Table:
    from rich import box
    from rich.table import Table

    table = Table(box=box.SIMPLE_HEAD, padding=(0, 1, 0, 0), pad_edge=False)
    table.add_column("layer", overflow="fold")
    _columns(table, *_LETTERS, "cycles", "use", f"energy, {energies.unit}")
    for candidate in chosen:
        table.add_row(candidate.mapping.layer.name, *_cells(candidate, energies))
    return table


def _title(best: Candidate, weight: float) -> str:
    aim = {1.0: "least time", 0.0: "least energy"}.get(weight, f"time^{weight:g} x energy^{1 - weight:g}")
    return f"{best.mapping.layer.name} on {best.mapping.config.name}, aim: {aim}"


def _candidates_table(candidates: list[Candidate], energies: EnergyTable) -> Table:
    from rich import box
    from rich.table import Table

    table = Table(box=box.SIMPLE_HEAD, padding=(0, 1, 0, 0), pad_edge=False)
    _columns(table, "", *_LETTERS, "cycles", "use", f"energy, {energies.unit}")
    for number, candidate in enumerate(candidates, start=1):
        table.add_row(str(number), *_cells(candidate, energies))
    return table


_CAUSES = {
    "dram_read_words": "DRAM reads",
    "dram_write_words": "DRAM writes",
    "glb_psum_read": "psums kept in the buffer",
    "glb_ifmap_read": "ifmap words read from the buffer",
    "glb_filter_read": "filter words read from the buffer",
    "stall_ifmap": "PEs waiting for ifmap values",
    "stall_filter": "PEs waiting for filters",
    "stall_psum": "PEs waiting for psums",
    "macs": "MACs on ragged edges",
}


def _why(candidate: Candidate, best: Candidate) -> str:
    """What it costs more than the best one, and where the largest part of that goes."""
    slower = candidate.timing.cycles / best.timing.cycles - 1
    dearer = candidate.energy.total / best.energy.total - 1
    costs = f"{slower:+.1%} cycles, {dearer:+.1%} energy"
    more = {}
    for name, what in _CAUSES.items():
        # Small counts are compared with the layer's work, so that a few words more are no reason.
        least = max(1, best.counters["macs"] // 100)
        difference = candidate.counters[name] - best.counters[name]
        more[what] = difference / max(best.counters[name], least)
    what, most = max(more.items(), key=lambda found: found[1])
    return f"{costs}: {what} {most:+.1%}" if most >= 0.005 else costs
