"""Where tensors lie in memory, those that are never alive together in the same place."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Interval:
    """Bytes that something needs from step `begin` to step `end`, both included."""

    name: str
    size: int
    begin: int
    end: int

    def meets(self, other: "Interval") -> bool:
        """Whether both are needed at some step."""
        return self.begin <= other.end and other.begin <= self.end


@dataclass(frozen=True)
class MemoryPlan:
    """Byte addresses of areas by name, and the bytes they take together.

    `apart` is what they would take without sharing, `least` the most that is alive at one step.
    """

    addresses: dict[str, int]
    size: int
    apart: int
    least: int


def plan_memory(intervals: list[Interval]) -> MemoryPlan:
    """Places areas from address 0 on; sizes are multiples of the alignment already.

    Large ones first, each at the lowest address where nothing alive with it lies.
    """
    placed: list[tuple[Interval, int]] = []
    for interval in sorted(intervals, key=lambda each: (-each.size, each.begin)):
        address = 0
        neighbours = sorted((at, at + other.size) for other, at in placed if interval.meets(other))
        for low, high in neighbours:
            if address + interval.size <= low:
                break
            address = max(address, high)
        placed.append((interval, address))
    return MemoryPlan(
        addresses={interval.name: address for interval, address in placed},
        size=max((address + interval.size for interval, address in placed), default=0),
        apart=sum(interval.size for interval in intervals),
        least=max(
            (
                sum(each.size for each in intervals if each.begin <= at <= each.end)
                for at in _steps(intervals)
            ),
            default=0,
        ),
    )


def _steps(intervals: list[Interval]) -> set[int]:
    return {each.begin for each in intervals}
