"""LUTs and flip-flops of an ECP5 netlist that only ever hold one value.

A module that is mapped once for all its uses has ports that some of them tie to a constant: the PEs of an
array's bottom row get no psums from below.
"""

from itertools import product
from typing import Any

from .module_nets import Nets

_TAKES = {
    "LUT4": ("A", "B", "C", "D"),
    "TRELLIS_FF": ("DI",),
    "CCU2C": tuple(f"{pin}{half}" for pin in "ABCD" for half in "01"),
}
"""Pins that a constant may be put on; what is read by others as well stays."""
_OUTPUTS = {"LUT4": "Z", "TRELLIS_FF": "Q"}
_PINS = "DCBA"  # of a LUT4, as they make up the number of a bit of its table


def fold_constants(module: dict[str, Any]) -> None:
    """Puts constants in the place of nets that never change, and removes cells that nothing reads any more.

    A LUT never changes if it gives the same whatever its other inputs are; a flip-flop, if it is given the
    value that it starts with.

    Parameters
    ----------
    module : of a netlist in Yosys' JSON; changed.
    """
    nets = Nets(module)
    waiting = [name for name, cell in nets.cells.items() if cell["type"] in _OUTPUTS]
    while waiting:
        cell = nets.cells[waiting.pop()]
        value, (net,) = _value(cell), cell["connections"][_OUTPUTS[cell["type"]]]
        if value is None:
            continue
        for name, port in nets.readers(net):
            kind = nets.cells[name]["type"] if name else ""
            if port in _TAKES.get(kind, ()):
                nets.cells[name]["connections"][port] = [value]
                waiting += [name] if kind in _OUTPUTS else []
    while unread := _unread(module):
        for name in unread:
            del module["cells"][name]


def _value(cell: dict[str, Any]) -> str | None:
    """What a cell always puts out, None if it may change."""
    pins = {port: bits[0] for port, bits in cell["connections"].items()}
    if not {"0", "1"}.intersection(pins.values()):
        return None
    if cell["type"] == "LUT4":
        table = cell["parameters"]["INIT"]
        choices = [str(pins[pin]) if pins[pin] in ("0", "1") else "01" for pin in _PINS]
        values = {table[-1 - int("".join(bits), 2)] for bits in product(*choices)}
        return values.pop() if len(values) == 1 else None
    start = "1" if cell["parameters"]["REGSET"] == "SET" else "0"
    return start if pins["DI"] == start else None


def _unread(module: dict[str, Any]) -> list[str]:
    """Cells whose output nothing reads."""
    nets = Nets(module)
    outputs = ((name, cell, _OUTPUTS.get(cell["type"])) for name, cell in nets.cells.items())
    return [name for name, cell, port in outputs if port and not nets.readers(cell["connections"][port][0])]
