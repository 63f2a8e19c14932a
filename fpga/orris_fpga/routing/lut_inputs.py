"""Exchanges the inputs of a LUT: its nets and its truth table.

nextpnr takes no pips that exchange inputs in a netlist that it loads; what the router made of them goes into
the LUT instead, and the route comes in by the straight pip.
"""

from collections.abc import Iterator
from typing import Any

from ..errors import BoardError

INPUTS = "ABCD"
EXCHANGES = {"LOGIC": 0, "CCU2": 1, "DPRAM": 2, "RAMW_BLOCK": 2}
"""Of each mode of a LUT: 0 all inputs may be exchanged, 1 A with B and C with D, 2 none. An operand of a
carry, LUT2, is the table of A and B where C and D are 0."""


def exchange_inputs(cell: dict[str, Any], to: dict[str, str]) -> None:
    """Moves nets from inputs to others, and the truth table with them: the function stays.

    Parameters
    ----------
    cell : a LUT; changed.
    to : for an input that has a net the one by which the net comes in now; itself where it has no entry. Two
        inputs of one net may go to one. Open inputs go where there is room: the table keeps them.

    Raises
    ------
    BoardError
        Inputs of different nets go to one, or the LUT's mode does not take it.
    """
    connections, parameters = cell["connections"], cell["parameters"]
    mode = parameters.get("MODE", "LOGIC")
    moved: dict[str, str] = {}
    nets: dict[str, list[Any]] = {}
    for port in INPUTS:
        net = connections.get(port, [])
        if net and not isinstance(net[0], str):
            moved[port] = to.get(port, port)
            if nets.setdefault(moved[port], net) != net:
                raise BoardError(f"two nets at the input {moved[port]} of a LUT")
    for port in to:
        if port not in moved:
            raise BoardError(f"the open input {port} of a LUT cannot be moved")
    for group in _groups(EXCHANGES[mode]):
        free = [port for port in group if port not in nets]
        for port in group:
            if port in moved and moved[port] not in group:
                raise BoardError(f"a LUT in mode {mode} does not take input {port} at {moved[port]}")
            if port not in moved:
                moved[port] = port if port in free else free[0]
                free.remove(moved[port])
    width = len(parameters["INITVAL"])
    table = int(parameters["INITVAL"], 2)
    exchanged = 0
    for row in range(16):
        before = sum((row >> INPUTS.index(moved[port]) & 1) << n for n, port in enumerate(INPUTS))
        exchanged |= (table >> before & 1) << row
    parameters["INITVAL"] = format(exchanged, f"0{width}b")
    for port in INPUTS:
        connections[port] = nets.get(port, [])


def _groups(exchange: int) -> Iterator[str]:
    """Inputs that may be exchanged among each other."""
    yield from (INPUTS,) if exchange == 0 else ("AB", "CD") if exchange == 1 else INPUTS
