"""Registers beside a multiplier block of ECP5 that go into it."""

from typing import Any

from .flip_flops import control, plain
from .module_nets import Nets

_WIDTHS = {"A": 18, "B": 18, "P": 36}
_STAGES = {"A": "INPUTA", "B": "INPUTB", "P": "OUTPUT"}


def absorb_registers(module: dict[str, Any]) -> None:
    """Moves registers of operands and product into MULT18X18D, which has its own and leaves them unused.

    Both operands' go together, as the tools know only blocks with both or neither; the product's go if
    the operands' did. All of a block's share one clock and one clock enable, since the four blocks that
    lie together have four; and nothing but the block may read the operands' registers, nothing but the
    product's read what the block puts out.

    Parameters
    ----------
    module : of a netlist in Yosys' JSON; changed.
    """
    nets = Nets(module)
    for name, block in list(module["cells"].items()):
        if block["type"] != "MULT18X18D":
            continue
        operands = [_before(nets, name, block, side) for side in "AB"]
        controls = {control(cell) for registers in operands for cell in registers.values()}
        if not all(operands) or len(controls) != 1:
            continue
        for side, registers in zip("AB", operands, strict=True):
            _enter(block, side, {bit: cell["connections"]["DI"] for bit, cell in registers.items()})
        product = _after(nets, block)
        if set(map(control, product.values())) == controls:
            _enter(block, "P", {bit: cell["connections"]["Q"] for bit, cell in product.items()})
        else:
            product = {}
        gone = {id(cell) for registers in (*operands, product) for cell in registers.values()}
        for cell in [key for key, value in module["cells"].items() if id(value) in gone]:
            del module["cells"][cell]
        clock, enable = controls.pop()
        for port, bit in (("CLK0", clock), ("CE0", enable), ("RST0", "0")):
            block["connections"][port] = [bit]
            block["port_directions"][port] = "input"


def _before(nets: Nets, name: str, block: dict[str, Any], side: str) -> dict[Any, dict[str, Any]]:
    """Registers of an operand by the bits they put out; none if some bit of it has none of its own."""
    found = {}
    for port in _ports(side):
        bit = block["connections"][port][0]
        if bit == "0":
            continue
        register = nets.driver(bit, "TRELLIS_FF")
        if register is None or not plain(nets.cells[register]):
            return {}
        if any(cell != name or reader[0] != side for cell, reader in nets.readers(bit)):
            return {}
        found[bit] = nets.cells[register]
    return found


def _after(nets: Nets, block: dict[str, Any]) -> dict[Any, dict[str, Any]]:
    """Registers of the product by the bits they take; none if some bit that is used has another reader."""
    found = {}
    for port in _ports("P"):
        for bit in block["connections"].get(port, []):
            readers = nets.readers(bit)
            if not readers:
                continue
            register = nets.cells.get(readers[0][0])
            if len(readers) > 1 or register is None or readers[0][1] != "DI" or not plain(register):
                return {}
            found[bit] = register
    return found


def _ports(side: str) -> list[str]:
    return [f"{side}{place}" for place in range(_WIDTHS[side])]


def _enter(block: dict[str, Any], side: str, beyond: dict[Any, list[Any]]) -> None:
    """Connects a side of the block to what is beyond its registers, and turns on its own."""
    for port in _ports(side):
        bits = block["connections"].get(port, [])
        if bits and bits[0] in beyond:
            block["connections"][port] = beyond[bits[0]]
    for kind, value in (("CLK", "CLK0"), ("CE", "CE0"), ("RST", "RST0")):
        block["parameters"][f"REG_{_STAGES[side]}_{kind}"] = value
