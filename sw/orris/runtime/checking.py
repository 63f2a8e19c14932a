"""Inferences beside those of the reference interpreter."""

from collections.abc import Mapping
from typing import Any

from numpy.typing import NDArray

from ..graph import Graph
from .isolated import ReferenceStopped
from .reference import TOLERANCE, Comparison, Difference, Reference, compare


class CheckResult:
    """Collects how inferences differ from the reference's.

    A value may differ by as many steps as `TOLERANCE` says for the network's arithmetic.
    """

    def __init__(self, graph: Graph, reference: Reference):
        self._graph, self._reference = graph, reference
        self.comparisons: list[Comparison] = []
        self.stopped: dict[int, str] = {}

    def add(self, inputs: Mapping[str, NDArray], tensors: Mapping[str, NDArray]) -> None:
        """Run the reference on the same inputs, and compare every tensor; or note why it gave none."""
        try:
            expected = self._reference.run(inputs)
        except ReferenceStopped as why:
            self.stopped[len(self.comparisons)] = str(why)
            expected = {}
        self.comparisons.append(compare(self._graph, tensors, expected))

    @property
    def tolerance(self) -> int:
        return TOLERANCE[self._graph.arithmetic]

    @property
    def passed(self) -> bool:
        return self._first() is None and not self.stopped

    def _first(self) -> tuple[int, Difference] | None:
        """The first inference, and in it the first tensor, that is further off than it may be."""
        return next(
            (
                (number, difference)
                for number, comparison in enumerate(self.comparisons)
                for difference in comparison.differences
                if difference.largest > self.tolerance
            ),
            None,
        )

    def complaint(self) -> str:
        """The first layer that differs, or the first input that could not be compared, in a sentence."""
        first = self._first()
        if first is None:
            return next((f"input {number}: {why}" for number, why in self.stopped.items()), "")
        number, difference = first
        return f"input {number}: the first layer that differs from {self._reference.name} is {difference}"

    def sentence(self) -> str:
        """What was compared, and what came of it."""
        values = sum(comparison.values for comparison in self.comparisons)
        tensors = sum(comparison.compared for comparison in self.comparisons)
        wrong = sum(each.differing for comparison in self.comparisons for each in comparison.differences)
        compared = len(self.comparisons) - len(self.stopped)
        what = f"{tensors} tensors of {compared} inferences, {values:,} values"
        if not wrong:
            return f"identical to {self._reference.name}: {what}"
        return f"beside {self._reference.name}: {wrong:,} values differ ({what})"

    def as_dict(self) -> dict[str, Any]:
        """Plain data for JSON."""
        first = self._first()
        return {
            "reference": self._reference.name,
            "passed": self.passed,
            "tolerance": self.tolerance,
            "inferences": len(self.comparisons),
            "tensors": sum(comparison.compared for comparison in self.comparisons),
            "values": sum(comparison.values for comparison in self.comparisons),
            "differing": sum(
                each.differing for comparison in self.comparisons for each in comparison.differences
            ),
            "largest": max(
                (each.largest for comparison in self.comparisons for each in comparison.differences),
                default=0,
            ),
            "not_compared": len(self.stopped),
            "first_difference": first[1].__dict__ | {"input": first[0]} if first else None,
        }
