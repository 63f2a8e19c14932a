"""What a network costs, layer by layer: measured where it ran, predicted where it did not."""

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

from orris_hw.config import AcceleratorConfig

from ..cost import EnergyTable, energy, energy_table, foresees, program_timing
from ..report import LEVELS, words_at
from .compile import CompiledNetwork
from .coverage import Coverage
from .runner import Inference
from .steps import AliasStep, ArrayStep, FusedStep, HostStep

WORD_BYTES = 8


@dataclass(frozen=True)
class LayerCost:
    """One operator.

    Parameters
    ----------
    name, where, shape : as they are shown. macs : multiply-accumulates. mapping : of the array, by letter.
    predicted : cycles the cost model expects, None where firmware executes the commands. counters : measured;
    empty if it did not run there.
    energy : of those counters, by level and in all. host_seconds : on the host.
    """

    name: str
    where: str
    shape: str
    macs: int = 0
    mapping: dict[str, Any] = field(default_factory=dict)
    predicted: int | None = 0
    counters: dict[str, int] = field(default_factory=dict)
    energy: dict[str, float] = field(default_factory=dict)
    host_seconds: float = 0.0

    @property
    def cycles(self) -> int:
        """Measured, or predicted where nothing was measured."""
        return self.counters.get("cycles", 0) or self.predicted or 0

    def utilization(self, config: AcceleratorConfig) -> float:
        """MACs per PE and cycle."""
        return self.macs / (config.pes * self.cycles) if self.cycles else 0.0

    def words(self) -> dict[str, int]:
        """Accesses at each level, from the PEs outwards; empty if nothing was measured."""
        return {level: words_at(self.counters, level) for level in LEVELS} if self.counters else {}


@dataclass(frozen=True)
class NetworkReport:
    """All operators of a network on a configuration.

    Parameters
    ----------
    whole : counters of one inference with one program between two host operators; empty if it was not run.
    clock_mhz : what times are given at. table : of energies. seconds : wall time of that inference.
    """

    network: CompiledNetwork
    coverage: Coverage
    layers: tuple[LayerCost, ...]
    whole: dict[str, int]
    clock_mhz: float
    table: EnergyTable
    seconds: float = 0.0

    @property
    def energy(self) -> dict[str, float]:
        """Of one inference on the accelerator, by level and in all; empty if nothing was measured."""
        return energy(self.whole, self.network.config, self.table).as_dict() if self.whole else {}

    @property
    def cycles(self) -> int:
        """Of one inference: of the whole programs where they ran, else the sum of the layers."""
        return self.whole.get("cycles", 0) or sum(layer.cycles for layer in self.layers)

    @property
    def predicted_cycles(self) -> int | None:
        """Sum of the layers; None if not all are predicted."""
        predicted = [layer.predicted for layer in self.layers]
        return None if None in predicted else sum(filter(None, predicted))

    @property
    def inferences_per_second(self) -> float:
        """At `clock_mhz`, of the accelerator's part."""
        return self.clock_mhz * 1e6 / self.cycles if self.cycles else 0.0

    @property
    def dram_bytes(self) -> int:
        """Moved between memory and accelerator in one inference; 0 if nothing was measured."""
        counters = self.whole
        return WORD_BYTES * (counters.get("dram_read_words", 0) + counters.get("dram_write_words", 0))

    def as_dict(self) -> dict[str, Any]:
        """Plain data for JSON."""
        config, plan = self.network.config, self.network.plan
        return {
            "preset": config.name,
            "content_hash": config.content_hash(),
            "coverage": self.coverage.as_dict(),
            "layers": [self._layer(layer) for layer in self.layers],
            "totals": {
                "cycles": self.cycles,
                "predicted_cycles": self.predicted_cycles,
                "macs": self.coverage.macs,
                "utilization": self.coverage.array_macs / (config.pes * self.cycles) if self.cycles else 0.0,
                "clock_mhz": self.clock_mhz,
                "inferences_per_second": self.inferences_per_second,
                "dram_bytes_per_inference": self.dram_bytes,
                "energy_per_inference": self.energy,
                "energy_unit": self.table.unit,
                "counters": self.whole,
                "seconds": self.seconds,
            },
            "memory": {
                "bytes": self.network.memory_size,
                "constants": self.network.constant_bytes,
                "activations": plan.size,
                "activations_without_reuse": plan.apart,
                "activations_at_once": plan.least,
                "programs": len(self.network.segments),
                "commands": sum(part.program.commands for part in self.network.segments),
            },
        }

    def rows(self) -> Iterable[dict[str, Any]]:
        """A flat row for each layer, for CSV."""
        for layer in self.layers:
            row = self._layer(layer)
            for name in ("mapping", "counters"):
                row.pop(name)
            words = {f"{level} words": count for level, count in row.pop("words").items()}
            energies = {f"energy {part}": value for part, value in row.pop("energy").items()}
            yield row | words | energies

    def _layer(self, layer: LayerCost) -> dict[str, Any]:
        return {
            "layer": layer.name,
            "where": layer.where,
            "shape": layer.shape,
            "macs": layer.macs,
            "cycles": layer.cycles,
            "predicted_cycles": layer.predicted,
            "utilization": layer.utilization(self.network.config),
            "share_of_cycles": layer.cycles / total if (total := self._layer_cycles) else 0.0,
            "words": layer.words(),
            "energy": layer.energy,
            "mapping": layer.mapping,
            "counters": layer.counters,
            "host_seconds": layer.host_seconds,
        }

    @property
    def _layer_cycles(self) -> int:
        return sum(layer.cycles for layer in self.layers)


def report(
    network: CompiledNetwork,
    coverage: Coverage,
    single: Inference | None = None,
    whole: Inference | None = None,
    clock_mhz: float = 200.0,
    table: EnergyTable | None = None,
    seconds: float = 0.0,
) -> NetworkReport:
    """The report of a network.

    Parameters
    ----------
    single, whole : an inference layer by layer, and one with whole programs; None for predictions alone.
    table : of energies, by default the ratios of the ISCA 2016 paper.
    """
    table = table or energy_table()
    measured, on_host = (single.layers, single.host_seconds) if single else ({}, {})
    known = foresees(network.config)
    predicted = {
        step.operator.name: program_timing(network.config, program.body).cycles if known else None
        for segment in network.segments
        for step, program in segment.single
    }
    layers = []
    for step in network.steps:
        name, tensors = step.operator.name, network.graph.tensors
        outputs = [tensors[output] for output in step.operator.outputs]
        shape = ", ".join("x".join(map(str, tensor.shape)) for tensor in outputs)
        if isinstance(step, ArrayStep):
            layers.append(
                LayerCost(
                    name,
                    step.unit,
                    step.shape,
                    step.macs,
                    step.mapping_figures,
                    predicted[name],
                    counters := measured.get(name, {}),
                    energy(counters, network.config, table).as_dict() if counters else {},
                )
            )
        elif isinstance(step, HostStep):
            layers.append(LayerCost(name, f"host: {step.why}", shape, host_seconds=on_host.get(name, 0.0)))
        elif isinstance(step, FusedStep):
            layers.append(LayerCost(name, f"fused: into {step.into}", shape))
        elif isinstance(step, AliasStep):
            layers.append(LayerCost(name, "nowhere", shape))
    totals = dict(whole.counters) if whole else {}
    return NetworkReport(network, coverage, tuple(layers), totals, clock_mhz, table, seconds)
