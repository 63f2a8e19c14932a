"""Flip-flops of an ECP5 netlist that a hard block can take the place of."""

from typing import Any


def plain(cell: dict[str, Any]) -> bool:
    """Whether a cell is a register that starts as 0, without a reset, on the rising edge."""
    connected, told = cell["connections"], cell["parameters"]
    return (
        cell["type"] == "TRELLIS_FF"
        and connected.get("LSR", ["0"]) == ["0"]
        and told["CLKMUX"] == "CLK"
        and told["CEMUX"] in ("CE", "1")
        and told["REGSET"] == "RESET"
    )


def control(cell: dict[str, Any]) -> tuple[Any, Any]:
    """Clock and clock enable of a register."""
    connected = cell["connections"]
    return connected["CLK"][0], "1" if cell["parameters"]["CEMUX"] == "1" else connected["CE"][0]
