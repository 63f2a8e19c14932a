"""Registers behind a block RAM of ECP5 that go into it."""

from typing import Any

from .flip_flops import control, plain
from .module_nets import Nets

_PORT_BITS = 18


def absorb_read_registers(module: dict[str, Any]) -> None:
    """Moves registers of the words that a DP16KD gives into the block, which has its own and leaves them
    unused.

    All used outputs of a port go together: each to one register and nowhere else, with one enable, without a
    reset, and on the port's clock. Ports of 36 bits, both of a block's ports in one, stay as they are.

    Parameters
    ----------
    module : of a netlist in Yosys' JSON; changed.
    """
    nets = Nets(module)
    names = {id(cell): name for name, cell in module["cells"].items()}
    for block in list(nets.of_type("DP16KD")):
        for port in "AB":
            registers = _behind(nets, block, port)
            if not registers:
                continue
            _, enable = control(next(iter(registers.values())))
            for output, register in registers.items():
                block["connections"][output] = register["connections"]["Q"]
                del module["cells"][names[id(register)]]
            block["connections"][f"OCE{port}"] = [enable]
            block["parameters"][f"REGMODE_{port}"] = "OUTREG"


def _behind(nets: Nets, block: dict[str, Any], port: str) -> dict[str, dict[str, Any]]:
    """The register behind each output of a port; none if they cannot go into the block."""
    connected, told = block["connections"], block["parameters"]
    found = {}
    for output in (f"DO{port}{bit}" for bit in range(_PORT_BITS)):
        readers = nets.readers(connected[output][0]) if connected.get(output) else []
        if not readers:
            continue
        register = nets.cells.get(readers[0][0])
        if len(readers) > 1 or register is None or readers[0][1] != "DI" or not plain(register):
            return {}
        found[output] = register
    if not found:
        return {}
    if int(told[f"DATA_WIDTH_{port}"], 2) > _PORT_BITS or told[f"REGMODE_{port}"] != "NOREG":
        return {}
    if told[f"CLK{port}MUX"] != f"CLK{port}" or connected[f"RST{port}"] != ["0"]:
        return {}
    controls = {control(register) for register in found.values()}
    return found if len(controls) == 1 and controls.pop()[0] == connected[f"CLK{port}"][0] else {}
