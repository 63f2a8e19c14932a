"""LUTs before a carry chain of ECP5 that go into the chain's own.

Half a CCU2C puts out S = P ^ CIN and hands on COUT = P ? CIN : G. P is its LUT4 of A, B, C and D, and G what
the same LUT4 gives for A and B with C = D = 0: an operand of an addition may so be chosen, or held at zero,
in the cell that adds it.
"""

from functools import cache
from itertools import permutations
from typing import Any

from .module_nets import Nets

_PINS = "ABCD"
_ZERO, _ONE, _LUT = "0", "1", "LUT"
Place = int | str
"""What is on a pin: input number n, a constant, or the LUT that is to be taken in."""


def absorb_operands(module: dict[str, Any]) -> None:
    """Takes LUTs whose only reader is a carry chain into the cells of the chain, where these can do both.

    Parameters
    ----------
    module : of a netlist in Yosys' JSON; changed.
    """
    nets = Nets(module)
    for cell in list(nets.of_type("CCU2C")):
        for half in "01":
            while cell["parameters"][f"INJECT1_{half}"] == "NO" and _absorb_one(nets, cell, half):
                pass


def _absorb_one(nets: Nets, cell: dict[str, Any], half: str) -> bool:
    """Takes one LUT into half a carry cell; False if there is none that goes in."""
    pins = [cell["connections"][pin + half][0] for pin in _PINS]
    for bit in pins:
        lut = nets.driver(bit, "LUT4")
        if lut is None or len(nets.readers(bit)) > 1:
            continue
        lut_pins = [nets.cells[lut]["connections"][pin][0] for pin in _PINS]
        inputs = list(dict.fromkeys(x for x in (*pins, *lut_pins) if isinstance(x, int) and x != bit))
        places: dict[Any, Place] = {bit: _LUT, "1": _ONE} | {x: place for place, x in enumerate(inputs)}
        merged = _merged(
            _table(cell["parameters"][f"INIT{half}"]),
            _table(nets.cells[lut]["parameters"]["INIT"]),
            tuple(places.get(x, _ZERO) for x in pins),
            tuple(places.get(x, _ZERO) for x in lut_pins),
            len(inputs),
        )
        if merged:
            table, order = merged
            cell["parameters"][f"INIT{half}"] = f"{table:016b}"
            for pin, place in zip(_PINS, order, strict=True):
                cell["connections"][pin + half] = [inputs[place] if isinstance(place, int) else place]
            del nets.cells[lut]
            return True
    return False


@cache
def _merged(
    carry: int, lut: int, pins: tuple[Place, ...], lut_pins: tuple[Place, ...], inputs: int
) -> tuple[int, tuple[Place, ...]] | None:
    """Half a carry cell and a LUT in one: the table of the half's LUT4 and what goes to its pins, or None.

    Parameters
    ----------
    carry, lut : tables; bit n is the value where A, B, C and D make up n.
    pins, lut_pins : what is on A, B, C and D of each now.
    inputs : how many there are of both.
    """
    if inputs > len(_PINS):
        return None
    wanted = []  # P and G for each value of the inputs
    for values in range(1 << inputs):
        inner = lut >> _index(lut_pins, values, 0) & 1
        index = _index(pins, values, inner)
        wanted.append((carry >> index & 1, carry >> (index & 3) & 1))
    # A constant 1 on D leaves the lower half of the table, which gives G, free for it.
    free = inputs < len(_PINS)
    on_pins: list[Place] = [*range(inputs), *[_ONE] * (len(_PINS) - inputs)]
    for order in permutations(on_pins):
        if free and order[3] != _ONE:
            continue
        table: dict[int, int] = {}
        for values, (propagate, generate) in enumerate(wanted):
            index = _index(order, values, 0)
            if table.setdefault(index, propagate) != propagate:
                break
            if not propagate and table.setdefault(index & 3, generate) != generate:
                break
        else:
            return sum(value << index for index, value in table.items()), order
    return None


def _index(pins: tuple[Place, ...], values: int, inner: int) -> int:
    """What A, B, C and D make up, with the inputs' `values` and the LUT's output `inner`."""
    index = 0
    for number, place in enumerate(pins):
        bit = values >> place & 1 if isinstance(place, int) else {_ZERO: 0, _ONE: 1, _LUT: inner}[place]
        index |= bit << number
    return index


def _table(text: str) -> int:
    return int(text, 2)
