"""RTLIL as text: split into modules, merge equal ones, give them readable names."""

import re
from collections import Counter

from .ports import EmissionError
from .split_wires import split_wires

_MODULE = re.compile(r"^(?:attribute [^\n]*\n)*module \\(\S+)\n(.*?)^end\n", re.MULTILINE | re.DOTALL)
_WIRE = re.compile(
    r"^(?:  attribute [^\n]*\n)*  wire width (\d+) (\w+ \d+ +)?(?:signed )?(\\\S+)\n\n", re.MULTILINE)
_CONNECT = re.compile(r"^connect (\\\S+) (.*)\n", re.MULTILINE)
_NUMBERED = re.compile(r"\\\w+(?:\$\d+)+")
_READ_INIT = re.compile(r"(?<=  parameter \\INIT_VALUE )(\d+)'x+")
_CELL = re.compile(r"^(  cell \\)(\S+)( )", re.MULTILINE)


def split_modules(text: str) -> dict[str, str]:
    """RTLIL text -> module name -> body, in the order of the text (parents first)."""
    return {name: _tidy(split_wires(body)) for name, body in _MODULE.findall(text)}


def _tidy(body: str) -> str:
    """Clean one module's wires.

    - Wires that only give a name to a field, or to a concatenation, of others are dropped.
    - Nameless signals become private to Yosys (no leading backslash), which numbers such wires.
    - The number of a repeated name becomes part of a plain identifier: ``x$5`` is ``x_n5``.
    - A memory's read register starts at zero, as in Amaranth's simulator: no X, and block RAM has it.
    """
    uses = Counter(re.findall(r"\\\S+", body))
    widths = {wire: width for width, _, wire in _WIRE.findall(body)}
    ports = {wire for _, port, wire in _WIRE.findall(body) if port}
    names: set[str] = set()

    def connection(connect: re.Match[str]) -> str:
        wire, value = connect[1], connect[2]
        if value[0] != "{" and not re.search(r"[.\[]", wire):
            return connect[0]
        if uses[wire] == 2 and wire not in ports:  # its declaration and this
            names.add(wire)
            return ""
        return _buffer(wire, widths[wire], value)

    body = _CONNECT.sub(connection, body)
    body = _WIRE.sub(lambda wire: "" if wire[3] in names else wire[0], body)
    body = _READ_INIT.sub(lambda init: f"{init[1]}'" + "0" * int(init[1]), body)
    return _NUMBERED.sub(lambda name: name[0].replace("$", "_n"), body.replace(" \\$", " $"))


def _buffer(wire: str, width: str, value: str) -> str:
    """A cell instead of a connection to a concatenation.

    With a connection Yosys names the parts after bits of the whole, so that bits of a vector depend on
    other bits of it: no loop, but Verilator takes it for one, warns, and simulates it slowly.
    """
    return (f"attribute \\keep 1\ncell $pos ${wire[1:]}$parts\n  parameter \\A_SIGNED 0\n"
            f"  parameter \\A_WIDTH {width}\n  parameter \\Y_WIDTH {width}\n"
            f"  connect \\A {value}\n  connect \\Y {wire}\nend\n")


def join_modules(modules: dict[str, str]) -> str:
    return "".join(f"module \\{name}\n{body}end\n" for name, body in modules.items())


def is_used(body: str, wire: str) -> bool:
    """Whether a wire of a module occurs anywhere beyond its own declaration."""
    return len(re.findall(rf"\\{re.escape(wire)}(?=\s)", body)) > 1


def drop_port(body: str, wire: str) -> str:
    return re.sub(rf"^  wire width \d+ input \d+ +\\{re.escape(wire)}\n", "", body, flags=re.MULTILINE)


def _snake(name: str) -> str:
    return re.sub(r"(?<=[a-z0-9])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])", "_", name).lower().strip("_")


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
