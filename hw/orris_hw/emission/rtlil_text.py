"""RTLIL as text: split into modules, merge equal ones, give them readable names."""

import re
from collections import Counter

from .ports import EmissionError

_MODULE = re.compile(r"^(?:attribute [^\n]*\n)*module \\(\S+)\n(.*?)^end\n", re.MULTILINE | re.DOTALL)
_WIRE = re.compile(r"^(?:  attribute [^\n]*\n)*  wire width \d+ (?:signed )?(\\\S+)\n\n", re.MULTILINE)
_CONNECT = re.compile(r"^connect (\\\S+) .*\n", re.MULTILINE)
_SIGN_EXTENSION = re.compile(
    r"^connect (\S+) \{ ((\S+) \[(\d+)\] (?:\3 \[\4\] )*)\3 \[\4:0\] \}\n", re.MULTILINE)
_NUMBERED = re.compile(r"(\\\w+)\$(?=\d+\b)")
_READ_INIT = re.compile(r"(?<=  parameter \\INIT_VALUE )(\d+)'x+")
_CELL = re.compile(r"^(  cell \\)(\S+)( )", re.MULTILINE)


def split_modules(text: str) -> dict[str, str]:
    """RTLIL text -> module name -> body, in the order of the text (parents first)."""
    return {name: _tidy(body) for name, body in _MODULE.findall(text)}


def _tidy(body: str) -> str:
    """Clean one module's wires.

    - Wires that only name a field of another wire are dropped.
    - Nameless signals become private to Yosys (no leading backslash), which numbers such wires.
    - A memory's read register starts at zero, as in Amaranth's simulator: no X, and block RAM has it.
    - The number of a repeated name becomes part of a plain identifier: ``x$5`` is ``x_n5``.
    """
    uses = Counter(re.findall(r"\\\S+", body))
    fields = {wire for wire in _CONNECT.findall(body) if uses[wire] == 2 and re.search(r"[.\[]", wire)}
    body = _CONNECT.sub(lambda connect: "" if connect[1] in fields else connect[0], body)
    body = _WIRE.sub(lambda wire: "" if wire[1] in fields else wire[0], body)
    body = _NUMBERED.sub(r"\1_n", body.replace(" \\$", " $"))
    body = _READ_INIT.sub(lambda init: f"{init[1]}'" + "0" * int(init[1]), body)
    return _SIGN_EXTENSION.sub(_sign_extension_cell, body)


def _sign_extension_cell(connect: re.Match[str]) -> str:
    """A cell for a sign extension.

    As a connection it would name the same bit twice, and Yosys would write bits of a vector that depend
    on other bits of it: no loop, but Verilator takes it for one, warns, and simulates it slowly.
    """
    wire, repeats, source, top = connect[1], connect[2].count("["), connect[3], int(connect[4])
    return (f"attribute \\keep 1\ncell $pos $extend{wire.lstrip('$').replace(chr(92), '$')}\n"
            f"  parameter \\A_SIGNED 1\n  parameter \\A_WIDTH {top + 1}\n"
            f"  parameter \\Y_WIDTH {top + 1 + repeats}\n"
            f"  connect \\A {source} [{top}:0]\n  connect \\Y {wire}\nend\n")


def join_modules(modules: dict[str, str]) -> str:
    return "".join(f"module \\{name}\n{body}end\n" for name, body in modules.items())


def is_used(body: str, wire: str) -> bool:
    """Whether a wire of a module occurs anywhere beyond its own declaration."""
    return len(re.findall(rf"\\{re.escape(wire)}(?=\s)", body)) > 1


def drop_port(body: str, wire: str) -> str:
    return re.sub(rf"^  wire width \d+ input \d+ +\\{re.escape(wire)}\n", "", body, flags=re.MULTILINE)


def _snake(name: str) -> str:
    return re.sub(r"(?<=[a-z0-9])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])", "_", name).lower()


def _retarget(body: str, names: dict[str, str]) -> str:
    """Make every submodule cell of ``body`` refer to the new name of its module."""
    return _CELL.sub(lambda cell: cell[1] + names.get(cell[2], cell[2]) + cell[3], body)


def merge_modules(modules: dict[str, str], fixed: set[str], classes: dict[str, str],
                  prefix: str) -> dict[str, str]:
    """Emit each body once, under a readable name.

    Modules in ``fixed`` keep their names. Any other is called ``<prefix>_<class>``, with a number if
    several different modules come from one class; a module without a class takes its instance's name.
    Children have to come after their parents in ``modules``.
    """
    merged_into: dict[str, str] = {}
    first_with: dict[str, str] = {}
    for name in reversed(modules):  # children before parents, so that equal parents have equal bodies
        body = modules[name] = _retarget(modules[name], merged_into)
        if name not in fixed:
            stem = classes.get(name) or name.rpartition(".")[2]
            merged_into[name] = first_with.setdefault(f"{stem}\n{body}", name)

    kept = [name for name in modules if merged_into.get(name, name) == name]
    variants: dict[str, list[str]] = {}
    for name in kept:
        if name not in fixed:
            stem = re.sub(r"\W", "_", _snake(classes.get(name) or name.rpartition(".")[2]))
            variants.setdefault(f"{prefix}_{stem}", []).append(name)
    final = {name: name for name in fixed}
    for stem, names in variants.items():
        for index, name in enumerate(names):
            final[name] = stem if len(names) == 1 else f"{stem}_{index}"
    if len(set(final.values())) != len(final):
        doubled = sorted(name for name in final.values() if list(final.values()).count(name) > 1)
        raise EmissionError(f"module name '{doubled[0]}' is needed for two different modules")
    return {final[name]: _retarget(modules[name], final) for name in kept}
