"""Keeps the code of repeated modules in one piece, for Verilator.

Verilator replaces a module's inputs by whatever drives them. In an array that makes every PE's function
different from its neighbour's: 168 copies of the same code, which compile for minutes and run from beyond
the instruction cache. Inputs that may be looked at from outside stay variables of their own; then all
copies of a module share one function, at the price of copying its inputs. What all copies have from the
same signal makes no difference between them, and is not copied.
"""

import re

FLAGS = ("-fno-dfg-scoped",)
"""Optimisation across instances would undo it."""

_MODULE = re.compile(r"^module (\w+)\(.*?^endmodule", re.MULTILINE | re.DOTALL)
_INSTANCE = re.compile(r"^  (\w+) \w+ \($(.*?)^  \);$", re.MULTILINE | re.DOTALL)
_CONNECTION = re.compile(r"^    \.(\w+)\((\w+)\),?$", re.MULTILINE)
_INPUT = re.compile(r"^  input (?:\[\d+:0\] )?(\w+);$", re.MULTILINE)
_CLOCK = re.compile(r"(?:\w+_)?(?:clk|rst)")


def isolation(verilog: str) -> str:
    """Verilator's control file for a Verilog text as our emission writes it.

    It names the data inputs of every module that a parent has several of; clocks and resets must not be
    hidden from Verilator.
    """
    modules = {found[1]: found[0] for found in _MODULE.finditer(verilog)}
    # Of each module that a parent has several of: the inputs that its instances there have in common.
    common: dict[str, set[str]] = {}
    for text in modules.values():
        instances: dict[str, list[set[tuple[str, str]]]] = {}
        for found in _INSTANCE.finditer(text):
            instances.setdefault(found[1], []).append(set(_CONNECTION.findall(found[2])))
        for child, connections in instances.items():
            # A module that stands once in its parent is best dissolved in it.
            if child in modules and len(connections) > 1:
                same = {port for port, _ in set.intersection(*connections)}
                common[child] = common.get(child, same) & same
    lines = [
        f'public_flat_rd -module "{module}" -var "{name}"'
        for module, same in sorted(common.items())
        for name in _INPUT.findall(modules[module])
        if name not in same and not _CLOCK.fullmatch(name)
    ]
    return "\n".join(["`verilator_config", *lines]) + "\n"
