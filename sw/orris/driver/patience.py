"""How long a program may take."""

from orris_hw.config import AcceleratorConfig

LEAST_CYCLES = 1_000_000
PATIENCE = {"hardware": 20, "microcontroller": 4000}
"""Times the cycles that the cost model predicts for hardware, by what executes the commands."""


def cycle_limit(config: AcceleratorConfig, predicted: int) -> int:
    """Cycles after which a program is given up for which the cost model predicts so many."""
    return max(LEAST_CYCLES, PATIENCE[config.control.kind] * predicted)
