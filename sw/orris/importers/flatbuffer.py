"""Reading a flatbuffer that may be damaged.

The format's library checks nothing: a wrong offset reads somewhere else or raises whatever Python raises.
Here every length is held against the size of the file before anything is read, and every such exception
becomes a `ModelError`.
"""

import struct
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

from ..graph import ModelError

Item = TypeVar("Item")
BYTES_OF_AN_ENTRY = 4
"""The least an entry of a vector of tables or integers takes in the file."""


@contextmanager
def reading(model: str) -> Iterator[None]:
    """Whatever a damaged file raises, as one ModelError."""
    try:
        yield
    except (
        struct.error,
        ArithmeticError,
        AttributeError,
        LookupError,
        TypeError,
        UnicodeError,
        ValueError,
    ) as error:
        if isinstance(error, ModelError):
            raise
        raise ModelError(f"{model} is damaged: its structure cannot be read ({error})") from error


def entries(length: int, item: Callable[[int], Item | None], size: int, what: str) -> list[Item]:
    """All entries of a vector of a file of `size` bytes; ModelError if they cannot all be in it."""
    if length > size // BYTES_OF_AN_ENTRY:
        raise ModelError(f"the file is damaged: it claims {length} {what} in {size} bytes")
    found = [item(index) for index in range(length)]
    present = [each for each in found if each is not None]
    if len(present) < length:
        raise ModelError(f"the file is damaged: of {length} {what} some are missing")
    return present


def numbers(vector: NDArray | int) -> NDArray:
    """A vector of numbers; empty where the file has none (the library then gives 0)."""
    return vector if isinstance(vector, np.ndarray) else np.zeros(0, np.int64)
