"""Mappings that a user gives, in the letters of the Eyeriss papers; what is not given is searched.

A TOML file has a table for each layer::

    [alexnet.conv3]
    e = 13       # ofmap rows of a filter set: its PE columns
    p = 16       # filters in a PE
    q = 4        # channels in a PE
    r = 4        # sets of R PE rows on top of each other, on different channels
    t = 1        # filter sets side by side

`rows` may stand for r R, so that sets are cut (row folding); `positions`, `chunk`, `pixel_lanes` and `order`
are those of `Mapping`. n (images of a pass) and m (ofmap channels of a pass) may be there and must be what
they are here.
"""

import tomllib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, fields
from importlib import resources
from pathlib import Path
from typing import Any, get_args

from orris_hw.errors import OrrisError

from ..layers import ConvLayer
from .errors import MappingError
from .mapping import Order

_TABLES = resources.files("orris.mapper") / "tables"
_LETTERS = ("m", "n", "e", "p", "q", "r", "t", "rows", "positions", "chunk", "pixel_lanes")


class MappingFileError(OrrisError, ValueError):
    """A file of mappings that is not there, or says something that is none."""


@dataclass(frozen=True)
class Given:
    """Parameters of a `Mapping` that are kept; None: to be searched."""

    p: int | None = None
    q: int | None = None
    e: int | None = None
    t: int | None = None
    rows: int | None = None
    positions: int | None = None
    chunk: int | None = None
    pixel_lanes: int | None = None
    order: Order | None = None

    @property
    def sizes(self) -> dict[str, int | None]:
        """All that is counted for the search, by name."""
        names = {field.name for field in fields(self)} - {"order", "pixel_lanes"}
        return {name: getattr(self, name) for name in sorted(names)}


FREE = Given()
"""Nothing is given."""


@dataclass(frozen=True)
class MappingTable:
    """What a file gives for each layer, by the layer's name."""

    name: str
    entries: Mapping[str, Mapping[str, Any]]

    def of(self, layer: ConvLayer) -> Given:
        """What is given for a layer: nothing if the table does not have it.

        Raises
        ------
        MappingError
            m, n or r is what no mapping has.
        """
        entry = dict(self.entries.get(layer.name, {}))
        images, channels, sets = entry.pop("n", 1), entry.pop("m", None), entry.pop("r", None)
        if images != 1:
            raise MappingError(f"{layer.name}: n = {images}: a pass works on one image (n = 1)")
        if channels not in (None, entry.get("p", 0) * entry.get("t", 0)):
            raise MappingError(
                f"{layer.name}: m = {channels}: a pass has p t ofmap channels, and p = {entry.get('p')}, "
                f"t = {entry.get('t')}"
            )
        if sets is not None:
            if "rows" in entry:
                raise MappingError(f"{layer.name}: r = {sets} and rows = {entry['rows']}: give one of them")
            entry["rows"] = sets * layer.R
        return Given(**entry)


def table_names() -> list[str]:
    """The tables that come with the package."""
    return sorted(Path(file.name).stem for file in _TABLES.iterdir() if file.name.endswith(".toml"))


def mapping_table(name: str | None) -> MappingTable:
    """The table of that name, or in the TOML file of that path; an empty one for None.

    Raises
    ------
    MappingFileError
        There is no such table or file, or a parameter is unknown or out of its range.
    """
    if name is None:
        return MappingTable("", {})
    if name in table_names():
        text = (_TABLES / f"{name}.toml").read_text(encoding="utf-8")
    else:
        try:
            text = Path(name).read_text(encoding="utf-8")
        except (OSError, UnicodeDecodeError):
            raise MappingFileError(
                f"no mappings '{name}': it is neither a name ({', '.join(table_names())}) nor a file that "
                "can be read"
            ) from None
    try:
        content = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise MappingFileError(f"mappings {name}: {error}") from None
    entries = dict(_layers(content, ""))
    for layer, entry in entries.items():
        for key, value in entry.items():
            if problem := _problem(key, value):
                raise MappingFileError(f"mappings {name}: [{layer}] {problem}")
    return MappingTable(name, entries)


def _layers(content: Mapping[str, Any], prefix: str) -> Iterator[tuple[str, dict[str, Any]]]:
    """Tables by their whole names: those that hold something else than tables."""
    if entry := {key: value for key, value in content.items() if not isinstance(value, dict)}:
        yield prefix.removesuffix("."), entry
    for key, value in content.items():
        if isinstance(value, dict):
            yield from _layers(value, f"{prefix}{key}.")


def _problem(key: str, value: Any) -> str | None:
    if key == "order":
        orders = get_args(Order)
        return None if value in orders else f"order = {value!r}: expected {' or '.join(orders)}"
    if key not in _LETTERS:
        return f"unknown parameter '{key}' (parameters: {', '.join((*_LETTERS, 'order'))})"
    if isinstance(value, bool) or not isinstance(value, int) or value < 1:
        return f"{key} = {value!r}: expected a whole number of at least 1"
    return None
