"""What the simulation reports."""

from orris_hw.errors import OrrisError


class SimulationError(OrrisError):
    """The simulator cannot be built, or the accelerator did what no accelerator may do."""
