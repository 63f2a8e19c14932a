"""Sentences for what pydantic finds wrong with a configuration: the value, the limit, the nearest name."""

import difflib
from collections.abc import Iterable
from typing import Any, get_args

from pydantic import BaseModel, ValidationError
from pydantic.fields import FieldInfo

_TYPES = {
    "int_type": "a whole number",
    "bool_type": "true or false",
    "string_type": "a string",
    "model_type": "a table of keys and values",
}


def nearest(word: str, known: Iterable[str]) -> str:
    """The hint "; did you mean ...?" with the known name closest to `word`, or nothing."""
    match = difflib.get_close_matches(word, list(known), n=1, cutoff=0.5)
    return f"; did you mean {match[0]!r}?" if match else ""


def sentences(error: ValidationError, model: type[BaseModel]) -> list[str]:
    """One sentence for each of `error`'s findings about `model`."""
    return [_sentence(finding, model) for finding in error.errors(include_url=False)]


def _sentence(finding: Any, model: type[BaseModel]) -> str:
    kind, where, value = finding["type"], finding["loc"], finding["input"]
    path = ".".join(map(str, where))
    table = _table(model, where[:-1])
    if kind == "extra_forbidden":
        known = table.model_fields
        hint = nearest(str(where[-1]), known)
        return f"{path}: no such key{hint} (known here: {', '.join(known)})"
    field = table.model_fields[str(where[-1])]
    if kind == "missing":
        about = f" ({field.description})" if field.description else ""
        return f"{path}: missing, and it has no default{about}"
    given = f"{path} = {_spell(value)}"
    if kind in _TYPES:
        return f"{given}: must be {_TYPES[kind]}"
    if kind == "literal_error":
        return f"{given}: must be {' or '.join(_spell(choice) for choice in get_args(field.annotation))}"
    if kind in ("greater_than_equal", "less_than_equal"):
        low, high = (_limit(field, side) for side in ("ge", "le"))
        bound = f"at least {low}" if kind == "greater_than_equal" else f"at most {high}"
        return f"{given}: must be {bound} ({low} <= {path} <= {high}; {field.description})"
    if kind == "string_pattern_mismatch":
        return f"{given}: must be letters, digits, '_', '.' and '-', beginning with a letter or digit"
    if kind == "string_too_long":
        return f"{given}: must be at most {finding['ctx']['max_length']} characters long, not {len(value)}"
    return f"{given}: {finding['msg']}"


def _limit(field: FieldInfo, side: str) -> int:
    return next(getattr(limit, side) for limit in field.metadata if hasattr(limit, side))


def _table(model: type[BaseModel], path: tuple[Any, ...]) -> type[BaseModel]:
    """The model found by following `path` from `model`."""
    for key in path:
        model = model.model_fields[key].annotation  # type: ignore[assignment]
    return model


def _spell(value: Any) -> str:
    """A value the way TOML writes it."""
    if isinstance(value, bool):
        return str(value).lower()
    return f'"{value}"' if isinstance(value, str) else str(value)
