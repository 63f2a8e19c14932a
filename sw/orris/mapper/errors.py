"""The error of a layer that an accelerator cannot run."""

from orris_hw.errors import OrrisError


class MappingError(OrrisError, ValueError):
    """No legal mapping: `str(error)` names the limit that binds, with its numbers."""
