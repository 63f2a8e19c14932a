"""What the annealer can be tuned by."""

from dataclasses import asdict, dataclass


@dataclass(frozen=True)
class AnnealerSettings:
    """How long and by what the annealer looks for a placement.

    Parameters
    ----------
    moves_per_cell : tried in all, for each cell that is placed.
    phases : after each, temperature, radius, timing and congestion are looked at again.
    temperature : at the start, in tiles of wire that a move may cost.
    cooling : share of the temperature that is left at the end.
    radius : of moves at the start, in tiles.
    slack : share of the clock period that paths should leave: the slowest take longer than aimed at, and
        routes longer than estimated.
    global_timing_weight : by which nets of slow paths count more in global placement.
    timing_weight : the same in annealing.
    connection_weight : by which the connections of a slow path count, beside their nets.
    connection_share : of the period; a path that takes more is slow.
    connection_pressure : power with which that weight grows, from phase to phase, while a path takes longer
        than it should.
    most_pressure : up to which it grows.
    urgent_share : of the moves, that cells on the slowest paths get beside the moves that all get.
    congestion_weight : by which wires count more where tiles are full of them.
    capacity : wires, in tiles of length, that a tile takes before it is full.
    congestion_phase : the first phase that looks at congestion.
    spread : room that cells outside the array begin with, of what they take: their wires are many.
    """

    moves_per_cell: int = 900
    phases: int = 50
    temperature: float = 2.5
    cooling: float = 0.005
    radius: int = 12
    slack: float = 0.04
    global_timing_weight: float = 4
    timing_weight: float = 1
    connection_weight: float = 3
    connection_share: float = 0.5
    connection_pressure: int = 4
    most_pressure: float = 16
    urgent_share: float = 0.1
    congestion_weight: float = 6
    capacity: float = 60
    congestion_phase: int = 0
    spread: float = 1.5

    def arguments(self, seed: int, clock_hz: float) -> list[str]:
        """The annealer's arguments."""
        values = asdict(self)
        values["period"] = 1e9 / clock_hz * (1 - values.pop("slack"))
        return [f"{name}={value}" for name, value in values.items()] + [f"seed={seed}"]
