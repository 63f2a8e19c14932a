"""One layer, run and compared with its golden model."""

from dataclasses import dataclass, field
from typing import Any

from orris_hw.config import AcceleratorConfig

from ..layers import ConvLayer
from ..mapper import AnyMapping

STALLS = ("stall_ifmap", "stall_filter", "stall_psum")
TIMES = ("cycles", *STALLS)
"""What is predicted nearly, not exactly."""


@dataclass(frozen=True)
class LayerReport:
    """What came of one layer.

    Parameters
    ----------
    layer, config, mapping
    counters : the performance counters by name; empty if the program did not end well.
    predicted : what was expected beforehand: TIMES, unless firmware executes the commands, and the counters
    that follow from the mapping.
    mismatches : ofmap values that differ from the golden model's.
    problem : why the program did not end well, or None.
    simulated_cycles, seconds : clock cycles in all, and the time they took; 0 seconds if nobody measured.
    conditions : what else the figures depend on (seed, memory), for the record.
    """

    layer: ConvLayer
    config: AcceleratorConfig
    mapping: AnyMapping
    counters: dict[str, int]
    predicted: dict[str, int]
    mismatches: int
    problem: str | None = None
    simulated_cycles: int = 0
    seconds: float = 0.0
    conditions: dict[str, Any] = field(default_factory=dict)

    @property
    def bit_exact(self) -> bool:
        """Every value of the ofmap is the golden model's."""
        return self.problem is None and self.mismatches == 0

    @property
    def cycles(self) -> int:
        """From start to the end of the last store; 0 if there was none."""
        return self.counters.get("cycles", 0)

    @property
    def macs(self) -> int:
        return self.layer.macs

    @property
    def utilization(self) -> float:
        """MACs of the layer per PE and cycle."""
        return self.macs / (self.config.pes * self.cycles) if self.cycles else 0.0

    @property
    def cycles_per_second(self) -> float:
        """Speed of the simulation."""
        return self.simulated_cycles / self.seconds if self.seconds else 0.0

    @property
    def surprises(self) -> dict[str, tuple[int, int]]:
        """Counters that differ from what follows from the mapping: (predicted, counted) by name."""
        counted = dict(self.counters)
        if "mac_done" in counted:
            counted["macs"] = counted["mac_done"] + counted["mac_gated"]
        return {
            name: (value, counted[name])
            for name, value in self.predicted.items()
            if name not in TIMES and name in counted and counted[name] != value
        }

    def stalled(self, name: str) -> float:
        """The part of all PE-cycles that counter `name` (one of STALLS) stands for."""
        return self.counters.get(name, 0) / (self.config.pes * self.cycles) if self.cycles else 0.0

    def as_dict(self) -> dict[str, Any]:
        """Everything, as plain data for JSON."""
        return {
            "layer": self.layer.name,
            "preset": self.config.name,
            "content_hash": self.config.content_hash(),
            "bit_exact": self.bit_exact,
            "mismatches": self.mismatches,
            "problem": self.problem,
            "cycles": self.cycles,
            "macs": self.macs,
            "utilization": self.utilization,
            "shape": self.layer.as_dict(),
            "mapping": self.mapping.as_dict(),
            "counters": self.counters,
            "predicted": self.predicted,
            "conditions": self.conditions,
            "simulated_cycles": self.simulated_cycles,
            "seconds": self.seconds,
            "cycles_per_second": self.cycles_per_second,
        }
