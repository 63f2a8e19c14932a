"""What the driver needs from whatever the accelerator is reached through: a simulation or a board."""

from typing import Protocol

import numpy as np
from numpy.typing import NDArray


class Transport(Protocol):
    """Access to an accelerator's registers and to the memory behind its AXI master.

    Register offsets are those of `orris_hw.register_map`; memory addresses are bytes as the accelerator sees
    them. A transport raises an `OrrisError` for what goes wrong on the way, a write answered with SLVERR
    included.
    """

    def write_register(self, offset: int, value: int) -> None:
        """Write a 32-bit register."""
        ...

    def read_register(self, offset: int) -> int:
        """Read a 32-bit register."""
        ...

    def write_memory(self, address: int, content: NDArray[np.uint8]) -> None:
        """Put bytes into memory."""
        ...

    def read_memory(self, address: int, size: int) -> NDArray[np.uint8]:
        """Bytes from memory."""
        ...

    def wait(self, max_cycles: int) -> bool:
        """Let the accelerator run until its interrupt, up to `max_cycles`; whether the interrupt came."""
        ...
