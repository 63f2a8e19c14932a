"""Keeps the code of repeated modules in one piece, for Verilator.

Verilator replaces a module's inputs by whatever drives them. In an array that makes every PE's function
different from its neighbour's: 168 copies of the same code, which compile for minutes and run from beyond
the instruction cache. Inputs that may be looked at from outside stay variables of their own; then all
copies of a module share one function, at the price of copying its inputs.
"""

import re
from collections import Counter

FLAGS = ("-fno-dfg-scoped",)
"""Optimisation across instances would undo it."""

_MODULE = re.compile(r"^module (\w+)\(.*?^endmodule", re.MULTILINE | re.DOTALL)
_INSTANCE = re.compile(r"^  (\w+) \w+ \($", re.MULTILINE)
_INPUT = re.compile(r"^  input (?:\[\d+:0\] )?(\w+);$", re.MULTILINE)
_CLOCK = re.compile(r"(?:\w+_)?(?:clk|rst)")


def isolation(verilog: str) -> str:
    """Verilator's control file for a Verilog text as our emission writes it.

    It names the data inputs of every module that a parent has several of; clocks and resets must not be
    hidden from Verilator.
    """
    modules = {found[1]: found[0] for found in _MODULE.finditer(verilog)}
    children = {
        name: Counter(child for child in _INSTANCE.findall(text) if child in modules)
        for name, text in modules.items()
    }
    # A module that stands once in its parent is best dissolved in it, however often the parent stands.
    repeated = sorted({child for times in children.values() for child, count in times.items() if count > 1})
    lines = [
        f'public_flat_rd -module "{module}" -var "{name}"'
        for module in repeated
        for name in _INPUT.findall(modules[module])
        if not _CLOCK.fullmatch(name)
    ]
    return "\n".join(["`verilator_config", *lines]) + "\n"
