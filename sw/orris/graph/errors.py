"""The error of a network that cannot be used."""

from orris_hw.errors import OrrisError


class ModelError(OrrisError, ValueError):
    """A model file that is damaged, or holds what Orris does not support; or input that does not fit it."""
