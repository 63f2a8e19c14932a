"""A board behind a serial link, as the driver needs it."""

import time

import numpy as np
from numpy.typing import NDArray

from orris_hw.register_map import REGISTER, counter_offset

from ..errors import BoardError
from .protocol import MAX_WORDS, REGISTER_BYTES, WORD_BYTES, Operation, Request
from .serial_link import SerialLink

FIRST_POLL, LAST_POLL = 0.001, 0.1
"""Seconds between looks at the accelerator's status: first, and at last."""


class SerialTransport:
    """Registers and memory of the board at the other end of a `SerialLink`; an `orris.driver.Transport`.

    Every method raises `BoardError` if the board refuses or the line fails.
    """

    def __init__(self, link: SerialLink):
        self.link = link

    def write_register(self, offset: int, value: int) -> None:
        """Write a 32-bit register."""
        self.link.request(Operation.WRITE_REGISTER, offset, payload=value.to_bytes(REGISTER_BYTES, "little"))

    def read_register(self, offset: int) -> int:
        """Read a 32-bit register."""
        return int.from_bytes(self.link.request(Operation.READ_REGISTER, offset), "little")

    def write_memory(self, address: int, content: NDArray[np.uint8]) -> None:
        """Put bytes into memory; the link moves whole words, so that the ends may have to be read first."""
        values = np.ascontiguousarray(content).reshape(-1).view(np.uint8)
        self._inside(address, len(values))
        if not len(values):
            return
        before, after = address % WORD_BYTES, -(address + len(values)) % WORD_BYTES
        first, limit = address - before, address + len(values) + after
        whole = np.zeros(limit - first, np.uint8)
        if before:
            whole[:WORD_BYTES] = self.read_memory(first, WORD_BYTES)
        if after:
            whole[-WORD_BYTES:] = self.read_memory(limit - WORD_BYTES, WORD_BYTES)
        whole[before : before + len(values)] = values
        self.link.requests([
            Request(0, Operation.WRITE_MEMORY, first + place, count,
                    whole[place : place + count * WORD_BYTES].tobytes())
            for place, count in _pieces(len(whole))
        ])  # fmt: skip

    def read_memory(self, address: int, size: int) -> NDArray[np.uint8]:
        """Bytes from memory."""
        self._inside(address, size)
        before = address % WORD_BYTES
        first, length = address - before, -(-(before + size) // WORD_BYTES) * WORD_BYTES
        replies = self.link.requests([
            Request(0, Operation.READ_MEMORY, first + place, count) for place, count in _pieces(length)
        ]) if size else []  # fmt: skip
        return np.frombuffer(b"".join(replies), np.uint8)[before : before + size].copy()

    def wait(self, max_cycles: int) -> bool:
        """Look at the status until the program ends, or has run for `max_cycles` by its own count."""
        status = REGISTER["STATUS"]
        pause = FIRST_POLL
        while True:
            fields = status.unpack(self.read_register(status.offset))
            if fields["done"] or fields["error"]:
                return True
            if not fields["busy"] or self._cycles() >= max_cycles:
                return False
            time.sleep(pause)
            pause = min(2 * pause, LAST_POLL)

    def _cycles(self) -> int:
        offset = counter_offset("cycles")
        low = self.read_register(offset)  # also latches the upper bits
        return self.read_register(offset + 4) << 32 | low

    def _inside(self, address: int, size: int) -> None:
        memory = self.link.hello.memory_bytes
        if address < 0 or address + size > memory:
            raise BoardError(
                f"bytes {address:#x} to {address + size:#x} are outside the board's memory of {memory:,}"
            )


def _pieces(size: int) -> list[tuple[int, int]]:
    """(offset in bytes, words) of the accesses that `size` bytes take."""
    step = MAX_WORDS * WORD_BYTES
    return [(place, min(step, size - place) // WORD_BYTES) for place in range(0, size, step)]
