"""Checks that every kind of layer makes of its numbers."""

from typing import Any

from .layer import LIMIT, LayerError


def check_count(name: str, what: str, value: Any, least: int = 1) -> None:
    """Raise LayerError unless `value` is a whole number from `least` to LIMIT."""
    if isinstance(value, bool) or not isinstance(value, int) or not least <= value <= LIMIT:
        raise LayerError(f"{name}: {what} is {value!r}, expected a whole number from {least} to {LIMIT}")
