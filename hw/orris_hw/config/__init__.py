"""Accelerator configuration: what the user sets, and what follows from it."""

from .model import AcceleratorConfig
from .presets import PRESETS, preset

__all__ = ["AcceleratorConfig", "PRESETS", "preset"]
