"""What the router can be tuned by."""

from dataclasses import asdict, dataclass


@dataclass(frozen=True)
class RouterSettings:
    """How the router negotiates over wires; costs are in nanoseconds.

    Parameters
    ----------
    rounds : after which it gives up.
    patience : rounds without fewer overused wires than ever before, after which it gives up too.
    pressure : what a wire costs more for each other net that is on it now, as a share, in the first round.
    pressure_growth : of it from a round to the next.
    most_pressure : that it grows to.
    history : what a wire costs more, as a share, for each round that it was overused, and each net too many.
    wire_cost : of each wire beside its delay.
    tile_cost : estimated for each tile that is left to go.
    greed : by which the estimate counts more: a search looks at less, and finds a little dearer ways.
    margin : tiles round a net's pins in which a search looks first.
    sharpness : how critical a connection is: the share that its slowest path takes of the period, or of the
        slowest path but for outliers, to this power.
    outliers : share of the connections that may be on longer paths than the one that counts as the longest.
    way_round : share of what its slowest path has left that a connection may take more than a round before;
        others of that path may do so in the same round.
    most_critical : that a connection can be; a critical one goes by its delay, the others by what wires cost.
    critical : from here on connections are routed again although they have wires of their own.
    timed_rounds : in which they are, beside those after the first legal one.
    refinements : legal rounds that may be no faster than the fastest, after which it ends.
    refinement_pressure : in the round after a legal one.
    slack : share of the clock's period that it tries to have left, as nextpnr's analysis is the finer one.
    """

    rounds: int = 60
    patience: int = 12
    pressure: float = 0.5
    pressure_growth: float = 1.5
    most_pressure: float = 100
    history: float = 0.4
    wire_cost: float = 0.10
    tile_cost: float = 0.10
    greed: float = 1.1
    margin: int = 8
    sharpness: int = 4
    outliers: float = 0.001
    way_round: float = 0.5
    most_critical: float = 0.97
    critical: float = 0.5
    timed_rounds: int = 8
    refinements: int = 3
    refinement_pressure: float = 10
    slack: float = 0.05

    def arguments(self, clock_hz: float) -> list[str]:
        """The router's arguments."""
        values = asdict(self)
        values["period"] = 1e9 / clock_hz * (1 - values.pop("slack"))
        return [f"{name}={value}" for name, value in values.items()]
