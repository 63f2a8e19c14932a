"""A board without the board: its system in compiled RTL simulation, its UART at a pseudo-terminal."""

from .board_simulator import BoardSimulator, LineNoise

__all__ = ["BoardSimulator", "LineNoise"]
