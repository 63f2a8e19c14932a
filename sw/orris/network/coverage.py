"""What share of a network runs where."""

from dataclasses import dataclass
from typing import Any

from ..graph import Graph
from .assign import Assignment


@dataclass(frozen=True)
class Coverage:
    """Operators and multiply-accumulates of a network by where they run."""

    graph: Graph
    assignments: tuple[Assignment, ...]

    def operators(self, *where: str) -> int:
        return sum(each.where in where for each in self.assignments)

    @property
    def on_accelerator(self) -> int:
        """Operators on the accelerator, and those that cost nothing."""
        return len(self.assignments) - self.operators("host")

    @property
    def array_macs(self) -> int:
        return sum(each.macs for each in self.assignments if each.where == "array")

    @property
    def host_macs(self) -> int:
        return sum(each.macs for each in self.assignments if each.where == "host")

    @property
    def macs(self) -> int:
        return self.array_macs + self.host_macs

    @property
    def share(self) -> float:
        """Of the MACs, what runs on the array; all of none."""
        return self.array_macs / self.macs if self.macs else 1.0

    def sentence(self) -> str:
        """One line."""
        return (
            f"{self.on_accelerator} of {len(self.assignments)} operators and {self.share:.1%} of "
            f"{self.macs:,} MACs run on the accelerator, {self.operators('host')} operators on the host"
        )

    def as_dict(self) -> dict[str, Any]:
        """Plain data for JSON."""
        graph = self.graph
        tensors = graph.tensors

        def described(names: tuple[str, ...]) -> list[dict[str, Any]]:
            return [
                {"name": name, "shape": list(tensors[name].shape), "type": str(tensors[name].dtype)}
                for name in names
            ]

        return {
            "model": graph.name,
            "arithmetic": graph.arithmetic,
            "inputs": described(graph.inputs),
            "outputs": described(graph.outputs),
            "operators": {
                "all": len(self.assignments),
                "accelerator": self.on_accelerator,
                "array": self.operators("array"),
                "vector": self.operators("vector"),
                "host": self.operators("host"),
            },
            "macs": {"all": self.macs, "array": self.array_macs, "host": self.host_macs},
            "share_of_macs_on_array": self.share,
            "nodes": [
                {
                    "name": each.operator.name,
                    "operator": each.operator.kind,
                    "where": each.where,
                    "why": each.why,
                    "macs": each.macs,
                    "outputs": described(each.operator.outputs),
                }
                for each in self.assignments
            ],
        }
