"""A small ECP5 of our own as a chip database of nextpnr's: for tests of the router."""

import struct
from pathlib import Path

DIRECTIONS = {"E": (1, 0), "W": (-1, 0), "N": (0, -1), "S": (0, 1)}
EXCHANGES = 0x4000
LUTS = 2


class _Writer:
    """Bytes with things that point at each other; offsets are from where they stand."""

    def __init__(self):
        self.data = bytearray()

    def add(self, content):
        while len(self.data) % 4:
            self.data.append(0)
        at = len(self.data)
        self.data += content
        return at

    def point(self, field, to):
        struct.pack_into("<i", self.data, field, to - field)

    def text(self, name):
        return self.add(name.encode() + b"\0")


class SmallChip:
    """Tiles with two LUTs and flip-flops each, and `tracks` wires to each neighbour.

    Every tile is a type of its own. A wire such as E1 goes from its tile to the next one, there on to any
    direction or into the LUTs. Delays: 0.1 ns a pip of the first class, 1 ns of the second, that of the last
    track.
    """

    def __init__(self, columns=6, rows=5, tracks=8):
        self.columns, self.rows, self.tracks = columns, rows, tracks
        self.tiles = [(x, y) for y in range(rows) for x in range(columns)]
        self.wires = {tile: self._wires(*tile) for tile in self.tiles}
        self.pips = {tile: list(self._pips(*tile)) for tile in self.tiles}
        self.sites = {}
        for name in (f"{kind}{n}" for n in range(LUTS) for kind in ("K", "FF")):
            ports = "ABCDF" if name[0] == "K" else ("M", "Q")
            self.sites[f"SLICEA.{name}"] = [f"{port}{name[-1]}_SLICE" for port in ports]

    def _inside(self, x, y):
        return 0 <= x < self.columns and 0 <= y < self.rows

    def _wires(self, x, y):
        wires = [f"{port}{n}_SLICE" for n in range(LUTS) for port in "ABCDFMQ"]
        wires += [f"{port}{n}" for n in range(LUTS) for port in "ABCDFMQ"]
        for name, (dx, dy) in DIRECTIONS.items():
            if self._inside(x + dx, y + dy):
                wires += [f"{name}{track}" for track in range(self.tracks)]
        return wires

    def _pips(self, x, y):
        """(source, target, class, flags); wires are (x, y, name)."""
        out = [name for name in self.wires[x, y] if name[0] in DIRECTIONS]
        entering = [
            (x - dx, y - dy, f"{name}{track}")
            for name, (dx, dy) in DIRECTIONS.items()
            for track in range(self.tracks)
            if self._inside(x - dx, y - dy)
        ]
        for n in range(LUTS):
            for port in "FQ":
                yield (x, y, f"{port}{n}_SLICE"), (x, y, f"{port}{n}"), 0, 0
                entering.append((x, y, f"{port}{n}"))
            yield (x, y, f"M{n}"), (x, y, f"M{n}_SLICE"), 0, 0
            for a, source in enumerate("ABCD"):
                for b, target in enumerate("ABCD"):
                    flags = EXCHANGES | n << 4 | a << 2 | b
                    yield (x, y, f"{source}{n}"), (x, y, f"{target}{n}_SLICE"), 0, flags
        for source in entering:
            track = int(source[2][1:])
            for name in out:
                slow = int(name[1:]) == self.tracks - 1
                yield source, (x, y, name), int(slow), 0
            for n in range(LUTS):
                for port in ("ABCD"[track % 4], "ABCD"[(track + 1) % 4], "M"):
                    yield source, (x, y, f"{port}{n}"), 0, 0

    def write(self, path: Path) -> Path:
        writer = _Writer()
        data = writer.data
        writer.add(bytes(4))
        chip = writer.add(struct.pack("<4i", self.columns, self.rows, len(self.tiles), 0) + bytes(64))
        writer.point(0, chip)

        def table(field, rows, size):
            """A slice of records, and where each begins."""
            at = writer.add(b"".join(rows) or b"\0")
            writer.point(field, at)
            struct.pack_into("<i", data, field + 4, len(rows))
            return [at + size * n for n in range(len(rows))]

        types = table(chip + 16, [bytes(24)] * len(self.tiles), 24)
        table(chip + 24, [struct.pack("<i", n) for n in range(len(self.tiles))], 4)
        (speed,) = table(chip + 72, [bytes(16)], 16)
        table(speed + 8, [struct.pack("<4i", 100, 100, 0, 0), struct.pack("<4i", 1000, 1000, 0, 0)], 16)
        number = {tile: {name: n for n, name in enumerate(names)} for tile, names in self.wires.items()}
        leaving = {(*tile, name): [] for tile, names in self.wires.items() for name in names}
        for tile, pips in self.pips.items():
            for index, (source, *_) in enumerate(pips):
                leaving[source].append((tile, index))
        for kind, (x, y) in zip(types, self.tiles, strict=True):
            names = self.wires[x, y]
            at = table(kind, [struct.pack("<3i", 0, 0, n) + bytes(8) for n in range(len(self.sites))], 20)
            for site, (name, ports) in zip(at, self.sites.items(), strict=True):
                writer.point(site, writer.text(name))
                table(site + 12, [struct.pack("<2h3i", 0, 0, number[x, y][p], 0, 0) for p in ports], 16)
            at = table(kind + 8, [bytes(32)] * len(names), 32)
            for wire, name in zip(at, names, strict=True):
                writer.point(wire, writer.text(name))
                rows = [struct.pack("<2hi", px - x, py - y, n) for (px, py), n in leaving[x, y, name]]
                table(wire + 16, rows, 8)
            rows = [
                struct.pack(
                    "<4h2HhbbHh", source[0] - x, source[1] - y, target[0] - x, target[1] - y,
                    number[source[:2]][source[2]], number[target[:2]][target[2]], delays, 0, 0, flags, 0,
                )
                for source, target, delays, flags in self.pips[x, y]
            ]  # fmt: skip
            table(kind + 16, rows, 20)
        path.write_bytes(data)
        return path
