"""Operands of ECP5's multipliers, arranged so that they take few wires.

A constant zero at a multiplier block takes none, every copy of a sign takes one.
"""

from typing import Any

from .module_nets import CONSTANTS, Nets

_OPERAND, _PRODUCT = 18, 36


def align_operands(module: dict[str, Any]) -> None:
    """Moves narrow operands of multipliers up: there are zeros below them then, not signs above them.

    The product moves with them. Left alone is a multiplier whose product is read beyond the room that it then
    has.

    Parameters
    ----------
    module : of a netlist in Yosys' JSON; changed.
    """
    nets = Nets(module)
    for block in nets.of_type("MULT18X18D"):
        connections = block["connections"]
        operands = {side: [connections[f"{side}{place}"][0] for place in range(_OPERAND)] for side in "AB"}
        shifts = {side: _copies_of_sign(bits) for side, bits in operands.items()}
        shift = sum(shifts.values())
        product = [connections.get(f"P{place}", []) for place in range(_PRODUCT)]
        if any(nets.readers(bit) for bits in product[_PRODUCT - shift :] for bit in bits):
            continue
        for side, bits in operands.items():
            for place in range(_OPERAND):
                below = place < shifts[side]
                connections[f"{side}{place}"] = ["0" if below else bits[place - shifts[side]]]
        for place in range(_PRODUCT):
            connections[f"P{place}"] = product[place - shift] if place >= shift else []
            block["port_directions"][f"P{place}"] = "output"


def _copies_of_sign(operand: list[Any]) -> int:
    """How many places above the sign repeat it; 0 for a constant, which takes no wire."""
    sign = operand[-1]
    if sign in CONSTANTS:
        return 0
    return next(place for place, bit in enumerate(reversed([None, *operand[:-1]])) if bit != sign)
