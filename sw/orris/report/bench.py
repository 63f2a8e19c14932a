"""A network's layers as measured or as expected: figures of each, and of all together."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from orris_hw.config import AcceleratorConfig

from ..cost import EnergyTable, energy, roofline
from .layer_report import STALLS, LayerReport
from .movement import LEVELS, words_at
from .silicon import silicon


@dataclass(frozen=True)
class Conditions:
    """What a benchmark's figures depend on, beside the accelerator.

    bytes_per_cycle, latency : of the memory. batch : images. rtl : measured in RTL simulation, else
    expected by the cost model. table : energies.
    """

    bytes_per_cycle: float
    latency: int
    batch: int
    rtl: bool
    table: EnergyTable


def bench_layer(report: LayerReport, conditions: Conditions) -> dict[str, Any]:
    """One layer's figures, as plain data."""
    layer, config, counters = report.layer, report.config, report.counters
    roof = roofline(layer, config, conditions.bytes_per_cycle)
    cycles, pe_cycles = report.cycles, max(1, config.pes * report.cycles)
    published = silicon(layer.name)
    entry: dict[str, Any] = {
        "layer": layer.name,
        "macs": layer.macs,
        "cycles": cycles,
        "predicted_cycles": report.predicted.get("cycles"),
        "utilization": report.utilization,
        "bit_exact": report.bit_exact if conditions.rtl else None,
        "problem": report.problem,
        "stalls": {name.removeprefix("stall_"): counters.get(name, 0) / pe_cycles for name in STALLS},
        "words": {level: words_at(counters, level) for level in LEVELS},
        "energy": energy(counters, config, conditions.table).as_dict(),
        "roofline": {
            "macs_per_cycle": roof.macs_per_cycle,
            "bound": roof.bound,
            "least_bytes": roof.least_bytes,
            "share": roof.share(layer.macs, cycles),
        },
        "counters": dict(counters),
        "predicted": dict(report.predicted),
        "surprises": {name: list(pair) for name, pair in report.surprises.items()},
        "mapping": report.mapping.as_dict(),
        "seconds": report.seconds,
    }
    if published is not None:
        entry["silicon"] = published.as_dict()
    return entry


def bench_as_dict(
    network: str,
    config: AcceleratorConfig,
    conditions: Conditions,
    entries: Sequence[Mapping[str, Any]],
    complete: bool,
) -> dict[str, Any]:
    """The whole benchmark as plain data; `complete` when no layer is missing."""
    return {
        "network": network,
        "preset": config.name,
        "content_hash": config.content_hash(),
        "complete": complete,
        "source": "rtl" if conditions.rtl else "model",
        "batch": conditions.batch,
        "memory": {"bytes_per_cycle": conditions.bytes_per_cycle, "latency": conditions.latency},
        "energy_table": {"name": conditions.table.name, "unit": conditions.table.unit},
        "total": bench_total(config, entries),
        "layers": list(entries),
    }


def bench_total(config: AcceleratorConfig, entries: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """All layers together: as one that takes as long as all of them."""
    cycles, macs = (sum(entry[name] for entry in entries) for name in ("cycles", "macs"))
    predicted = [entry["predicted_cycles"] for entry in entries]
    pe_cycles = max(1, config.pes * cycles)
    least = sum(entry["macs"] / entry["roofline"]["macs_per_cycle"] for entry in entries)
    waits = {
        cause: sum(entry["stalls"][cause] * entry["cycles"] for entry in entries) / max(1, cycles)
        for cause in (name.removeprefix("stall_") for name in STALLS)
    }
    exact = [entry["bit_exact"] for entry in entries]
    return {
        "cycles": cycles,
        "macs": macs,
        "predicted_cycles": None if None in predicted else sum(predicted),
        "utilization": macs / pe_cycles if cycles else 0.0,
        "bit_exact": None if None in exact else all(exact),
        "stalls": waits,
        "words": {level: sum(entry["words"][level] for entry in entries) for level in LEVELS},
        "energy": sum(entry["energy"]["total"] for entry in entries),
        "roofline_share": least / cycles if cycles else 0.0,
    }
