"""Which flip-flops of an ECP5 may share a tile, and which a slice."""

from typing import Any

TileControls = tuple[Any, ...]
SliceControls = tuple[Any, ...]


def tile_controls(flip_flop: dict[str, Any]) -> TileControls:
    """What all flip-flops of a tile have in common: clock and reset, inverted or not, asynchronous or not."""
    parameters, connections = flip_flop["parameters"], flip_flop["connections"]
    return (
        tuple(connections.get("CLK", [])),
        inverted(flip_flop, "CLKMUX"),
        tuple(connections.get("LSR", [])),
        inverted(flip_flop, "LSRMUX"),
        parameters.get("SRMODE") == "ASYNC",
    )


def slice_controls(flip_flop: dict[str, Any]) -> SliceControls:
    """What both flip-flops of a slice have in common: enable, and whether the global reset reaches them."""
    parameters, connections = flip_flop["parameters"], flip_flop["connections"]
    enable = parameters.get("CEMUX", "CE").strip()
    net = tuple(connections.get("CE", [])) if enable in ("CE", "INV") else ()
    return enable, net, parameters.get("GSR", "ENABLED")


def inverted(cell: dict[str, Any], parameter: str) -> bool:
    """Whether a clock, a reset or a write enable is inverted on its way into a tile."""
    return cell["parameters"].get(parameter) == "INV"
