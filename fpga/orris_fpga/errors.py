"""The error of everything that goes wrong between a user and a board."""

from orris_hw.errors import OrrisError


class BoardError(OrrisError):
    """A board, its serial line, its bitstream or the tools for them are not as they should be."""
