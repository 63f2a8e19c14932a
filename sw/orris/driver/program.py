"""What the driver needs to know of a program that lies in memory."""

from typing import Protocol


class Program(Protocol):
    """Where its commands lie, how many there are, and the bytes (first, behind the last) they may touch."""

    @property
    def program_address(self) -> int: ...

    @property
    def commands(self) -> int: ...

    @property
    def read_window(self) -> tuple[int, int]: ...

    @property
    def write_window(self) -> tuple[int, int]: ...
