"""What an ECP5 netlist goes through between Yosys and nextpnr."""

import json
from pathlib import Path
from typing import Any

from .block_ram_registers import absorb_read_registers
from .carry_operands import absorb_operands
from .constants import fold_constants
from .module_nets import Nets
from .multiplier_operands import align_operands
from .multiplier_registers import absorb_registers
from .wide_registers import MOST_READERS, copy_wide_registers


def pack_netlist(path: Path, most_readers: int = MOST_READERS) -> None:
    """Rewrites a netlist, Yosys' JSON: fewer cells and wires, then copies of what very many read."""
    design = json.loads(path.read_text())
    for module in design["modules"].values():
        fold_constants(module)
        absorb_operands(module)
        absorb_registers(module)
        align_operands(module)
        absorb_read_registers(module)
        drop_unused_carries(module)
    path.write_text(json.dumps(design))
    copy_wide_registers(path, most_readers)


def drop_unused_carries(module: dict[str, Any]) -> None:
    """Leaves open the carries that nothing reads: nextpnr would bring each out to a LUT site."""
    nets = Nets(module)
    for cell in nets.of_type("CCU2C"):
        if not nets.readers(cell["connections"]["COUT"][0]):
            cell["connections"]["COUT"] = ["x"]
