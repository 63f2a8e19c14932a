"""The error of a layer that cannot be made into a program."""

from orris_hw.errors import OrrisError


class CompileError(OrrisError, ValueError):
    """A layer, mapping and configuration that do not belong together, or a program that memory cannot hold."""
