"""Mappings that were found once, kept in files for later processes.

A file holds the ranked mappings of one question (layer and what is fused to it, configuration, aim,
memory, energies), by their
parameters, with the expected timing of each. It is in the directory of a digest of the sources that answer
such a question, so that another version of the mapper or the cost model asks anew. Nothing in a file is
trusted: what does not match the question or its own digest, or is no legal mapping, counts as not there.
"""

import hashlib
import json
import os
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import asdict, fields
from functools import cache
from pathlib import Path
from typing import Any

import orris_hw
from orris_hw.cache import cache_directory, sources_digest
from orris_hw.config import AcceleratorConfig

from ..layers import ConvLayer
from ..mapper import AnyMapping, DepthwiseMapping, Mapping
from ..mapper.fusion import Tail
from .program import Timing

SOURCES = {
    Path(__file__).parent.parent: ("compiler", "cost", "golden", "layers", "mapper"),
    Path(orris_hw.__file__).parent: ("commands.py", "config", "errors.py"),
}
"""What an answer depends on."""

_GIVEN = ("layer", "config", "after")
"""Fields of a mapping that come with the question."""
_KINDS = {kind.__name__: kind for kind in (Mapping, DepthwiseMapping)}

Found = tuple[AnyMapping, Timing]
Question = dict[str, Any]
"""Plain data."""


def question(layer: ConvLayer, config: AcceleratorConfig, after: Tail | None, **rest: Any) -> Question:
    """What the mappings depend on: everything but names."""
    shapes = {"layer": _shape(layer), "after": _shape(after) if after else None}
    return json.loads(json.dumps({**shapes, "config": config.content_hash(), **rest}))


def _shape(layer: ConvLayer | Tail) -> dict[str, Any]:
    shape = asdict(layer)
    del shape["name"]
    return shape | {"kind of layer": type(layer).__name__}


def keep(asked: Question, found: Sequence[Found]) -> None:
    """Write the answer; a cache that cannot be written is none."""
    answer = [
        {"kind": type(mapping).__name__, "mapping": _parameters(mapping), "timing": asdict(timing)}
        for mapping, timing in found
    ]
    content = {"question": asked, "answer": answer}
    path = _path(asked)
    draft = path.with_name(f".{path.name}.{os.getpid()}")
    with suppress(OSError):
        path.parent.mkdir(parents=True, exist_ok=True)
        draft.write_text(json.dumps(content | {"digest": _digest(content)}), encoding="utf-8")
        draft.replace(path)


def kept(asked: Question, **given: Any) -> list[Found]:
    """The answer if there is one, else an empty list; `given` are the fields of its mappings in `_GIVEN`."""
    try:
        content = json.loads(_path(asked).read_text(encoding="utf-8"))
        if content.pop("digest") != _digest(content) or content["question"] != asked:
            return []
        return [
            (_KINDS[each["kind"]](**given, **each["mapping"]), Timing(**each["timing"]))
            for each in content["answer"]
        ]
    except (OSError, ValueError, TypeError, KeyError, AttributeError):  # a MappingError is a ValueError
        return []


def _parameters(mapping: AnyMapping) -> dict[str, Any]:
    return {field.name: getattr(mapping, field.name) for field in fields(mapping) if field.name not in _GIVEN}


def _digest(content: Any) -> str:
    return hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()


def _path(asked: Question) -> Path:
    return cache_directory() / "mappings" / _version()[:24] / f"{_digest(asked)[:24]}.json"


@cache
def _version() -> str:
    return _digest([sources_digest(root, names) for root, names in SOURCES.items()])
