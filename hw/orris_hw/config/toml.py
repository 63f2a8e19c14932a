"""A configuration written as TOML, each value with what it means."""

import json

from pydantic import BaseModel

from .model import AcceleratorConfig


def to_toml(config: AcceleratorConfig) -> str:
    """Text that `load_config` reads back as an equal configuration."""
    values, tables = [], []
    for key in type(config).model_fields:
        value = getattr(config, key)
        if isinstance(value, BaseModel):
            lines = (_line(value, k) for k in type(value).model_fields)
            tables.append(f"\n[{key}]  # {type(value).__doc__}\n" + "".join(lines))
        else:
            values.append(_line(config, key))
    return "".join(values + tables)


def _line(table: BaseModel, key: str) -> str:
    # JSON spells the integers, booleans and ASCII strings a configuration holds just as TOML does.
    value = json.dumps(getattr(table, key))
    return f"{f'{key} = {value}':<28}# {type(table).model_fields[key].description}\n"
