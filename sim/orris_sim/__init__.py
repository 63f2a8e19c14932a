"""RTL simulation of the accelerator: compiled, with a memory model."""

from .errors import SimulationError
from .simulator import Simulator

__all__ = ["SimulationError", "Simulator"]
