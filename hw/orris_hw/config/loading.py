"""Configurations from TOML files."""

import tomllib
from os import PathLike
from pathlib import Path

from ..errors import ConfigError
from . import presets
from .model import AcceleratorConfig, merge


def load_config(path: str | PathLike[str]) -> AcceleratorConfig:
    """Read a configuration from a TOML file.

    `base = "orris-168"` starts from that preset, so that the file holds only what differs.
    Without `name` the file's own name, less its ending, is taken.
    Every `ConfigError` begins with the file's path.
    """
    path = Path(path)
    try:
        content = tomllib.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise ConfigError(f"{path}: cannot be read ({error.strerror})") from None
    except UnicodeDecodeError as error:
        raise ConfigError(f"{path}: is not UTF-8 text (byte {error.start})") from None
    except tomllib.TOMLDecodeError as error:
        raise ConfigError(f"{path}: is not valid TOML: {error}") from None
    try:
        base = content.pop("base", None)
        if base is None:
            values = content
        elif isinstance(base, str):
            values = merge(presets.preset(base).model_dump(exclude={"name"}), content)
        else:
            raise ConfigError(f"base = {base}: must be the name of a preset, in quotes")
        return AcceleratorConfig(**({"name": path.stem} | values))
    except ConfigError as error:
        raise ConfigError(f"{path}: {problem}" for problem in error.problems) from None


def resolve(preset: str | None = None, config: str | PathLike[str] | None = None) -> AcceleratorConfig:
    """The configuration meant by a command's `--preset` and `--config`: either or neither (the default)."""
    if preset is not None and config is not None:
        raise ConfigError(f"give a preset ({preset}) or a configuration file ({config}), not both")
    if config is not None:
        return load_config(config)
    return presets.preset(presets.DEFAULT_PRESET if preset is None else preset)
