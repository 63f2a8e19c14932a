"""Clocks, enables and resets of the multipliers that share a block of DSPs."""

from typing import Any

from ..errors import BoardError
from .packed_netlist import location, net_of, site_of

_PORTS = 4
"""A block has four clocks, four enables and four resets, the same for all its multipliers."""


def share_controls(module: dict[str, Any]) -> int:
    """Connects the controls of placed multipliers so that each port is one net throughout its block.

    nextpnr does so after its own placement. A net goes to the port of that number if nothing else is there,
    to a free one otherwise; parameters that name the port follow. Every multiplier gets all its block's nets.

    Parameters
    ----------
    module : placed; changed.

    Returns
    -------
    int
        Ports that were renumbered.

    Raises
    ------
    BoardError
        A block needs more than four different nets of a kind.
    """
    blocks: dict[tuple[int, int], dict[int, dict[str, Any]]] = {}
    for cell in module["cells"].values():
        if cell["type"] == "MULT18X18D":
            x, y, place = location(site_of(cell) or "")
            number = int(place.removeprefix("MULT18_"))
            blocks.setdefault((x - number, y), {})[number] = cell
    changed = 0
    for (x, y), block in blocks.items():
        for kind in ("CLK", "CE", "RST"):
            cells = [block[number] for number in sorted(block)]
            changed += _share(cells, kind, f"X{x}/Y{y}")
    return changed


def _share(cells: list[dict[str, Any]], kind: str, place: str) -> int:
    ports = [f"{kind}{index}" for index in range(_PORTS)]
    nets: list[int | None] = [None] * _PORTS
    changed = 0
    for cell in cells:
        renamed = {}
        for index, port in enumerate(ports):
            net = net_of(cell, port)
            if net is None:
                continue
            if net in nets:
                chosen = nets.index(net)
            elif nets[index] is None:
                chosen = index
            elif None in nets:
                chosen = nets.index(None)
            else:
                raise BoardError(
                    f"the multipliers at {place} have more than {_PORTS} different {kind} nets: "
                    "try another --seed"
                )
            nets[chosen] = net
            if chosen != index:
                renamed[port] = ports[chosen]
        changed += len(renamed)
        parameters = cell["parameters"]
        for name, value in parameters.items():
            if name.endswith(f"_{kind}") and value in renamed:
                parameters[name] = renamed[value]
    for cell in cells:
        for port, net in zip(ports, nets, strict=True):
            cell["connections"][port] = [] if net is None else [net]
            cell["port_directions"][port] = "input"
    return changed
