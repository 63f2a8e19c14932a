"""Whether routes are ones that an ECP5 can be configured for, and connect what the netlist connects."""

import re
from collections.abc import Iterator
from typing import Any

from ..errors import BoardError
from ..placement.packed_netlist import net_pins
from .chip_database import ChipDatabase, Wire, wire_text
from .pins import left_to_nextpnr, pin_wire

_WIRE = re.compile(r"X(\d+)/Y(\d+)/(.+)")
_PIP = re.compile(r"X(\d+)/Y(\d+)/(-?\d+)_(-?\d+)_(\w+)->(-?\d+)_(-?\d+)_(\w+)")


def check_routes(module: dict[str, Any], database: ChipDatabase) -> None:
    """That each net's route is a tree of the device's pips from its driver to all sinks, on wires of its own.

    Clocks and other connections that nextpnr adds are left out.

    Raises
    ------
    BoardError
        Names the first nets where it is not so.
    """
    problems = []
    taken: dict[str, str] = {}
    sinks, drivers = net_pins(module["cells"])
    cells = list(module["cells"].values())
    for name, net in module["netnames"].items():
        if len(net["bits"]) != 1 or isinstance(net["bits"][0], str):
            continue
        bit = net["bits"][0]
        driver, port = drivers.get(bit, (-1, ""))
        if driver < 0 or left_to_nextpnr(cells[driver], port):
            continue
        ours = [(cells[cell], port) for cell, port in sinks[bit] if not left_to_nextpnr(cells[cell], port)]
        if ours:
            source, wanted = _pin(cells[driver], port), [_pin(*pin) for pin in ours]
            entries = list(_entries(net["attributes"].get("ROUTING", "")))
            for wire, _ in entries:
                if taken.setdefault(wire, name) != name:
                    problems.append(f"{name}: {wire} is of {taken[wire]} too")
            problems += [f"{name}: {problem}" for problem in _tree(entries, source, wanted, database)]
    if problems:
        more = f" and {len(problems) - 3} more" if len(problems) > 3 else ""
        raise BoardError(f"the routes are not legal: {'; '.join(problems[:3])}{more}")


def _pin(cell: dict[str, Any], port: str) -> Wire:
    x, y, _, wire = pin_wire(cell, port)
    return x, y, wire


def _entries(routing: str) -> Iterator[tuple[str, str]]:
    """(wire, pip into it) of each wire, the pip empty at the source."""
    parts = routing.split(";")
    yield from zip(parts[::3], parts[1::3], strict=False)


def _tree(
    entries: list[tuple[str, str]], source: Wire, sinks: list[Wire], database: ChipDatabase
) -> Iterator[str]:
    before: dict[Wire, Wire] = {}
    for wire_name, pip_name in entries:
        wire = _wire(wire_name)
        if wire is None or wire in before:
            yield f"{wire_name} is no wire, or comes twice"
            continue
        if pip_name:
            pip = _PIP.fullmatch(pip_name)
            x, y = (int(pip[1]), int(pip[2])) if pip else (0, 0)
            start = (x + int(pip[3]), y + int(pip[4]), pip[5]) if pip else wire
            if not pip or not database.has_straight_pip(x, y, start, wire):
                yield f"{pip_name} is no pip of the device to {wire_name}"
                continue
            if (x + int(pip[6]), y + int(pip[7]), pip[8]) != wire:
                yield f"{pip_name} does not lead to {wire_name}"
            before[wire] = start
        elif wire != source:
            yield f"{wire_name} is driven by nothing"
    reached, used = {source}, {source}
    for sink in sinks:
        path, wire = [], sink
        while wire not in reached and wire in before and wire not in path:
            path.append(wire)
            wire = before[wire]
        used.update(path)
        if wire in reached:
            reached.update(path)
        else:
            yield f"nothing leads to {wire_text(sink)}"
    if unused := before.keys() - used:
        yield f"{wire_text(min(unused))} leads to no sink"


def _wire(name: str) -> Wire | None:
    match = _WIRE.fullmatch(name)
    return (int(match[1]), int(match[2]), match[3]) if match else None
