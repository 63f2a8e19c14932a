"""Accelerator configuration: what the user sets, and what follows from it."""

from ..errors import ConfigError
from .loading import load_config, resolve
from .model import AcceleratorConfig
from .presets import DEFAULT_PRESET, PRESET_NOTES, PRESETS, preset
from .toml import to_toml

__all__ = [
    "AcceleratorConfig",
    "ConfigError",
    "DEFAULT_PRESET",
    "PRESETS",
    "PRESET_NOTES",
    "load_config",
    "preset",
    "resolve",
    "to_toml",
]
