"""The error of a layer that cannot be made into a program."""

from orris_hw.errors import OrrisError


class CompileError(OrrisError, ValueError):
    """Layer, mapping and configuration do not belong together, or memory cannot hold the program."""
