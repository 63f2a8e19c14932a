"""Registers that very many cells read, such as the core's reset: one copy for each part of a design."""

import json
from collections import defaultdict
from pathlib import Path
from typing import Any

MOST_READERS = 128
"""Pins that one register may drive at 80 MHz and more: beyond that a net spans a large device."""

_Reader = tuple[str, str, int]  # cell, port, place in the port


def copy_wide_registers(path: Path, most_readers: int = MOST_READERS) -> None:
    """Gives each part of a netlist its own copy of a register that more than `most_readers` pins read.

    A copy takes what the register takes in the same cycle, so that nothing but the wiring changes. Parts are
    those of the design's hierarchy. A register with an asynchronous set or reset, which may be the last of a
    synchroniser, stays alone.

    Parameters
    ----------
    path : Yosys' JSON, rewritten.
    """
    design = json.loads(path.read_text())
    for module in design["modules"].values():
        cells, nets = module["cells"], module["netnames"]
        readers = _readers(module)
        free = 1 + max(bit for net in nets.values() for bit in net["bits"] if isinstance(bit, int))
        wide = [
            name for name, cell in cells.items()
            if cell["type"] == "TRELLIS_FF"
            and cell["parameters"].get("SRMODE") != "ASYNC"
            and len(readers[cell["connections"]["Q"][0]]) > most_readers
        ]  # fmt: skip
        for name in wide:
            _, *others = _parts(readers[cells[name]["connections"]["Q"][0]], most_readers)
            for number, part in enumerate(others, start=1):
                copy = f"{name}_copy_{number}"
                cells[copy] = cells[name] | {"connections": cells[name]["connections"] | {"Q": [free]}}
                nets[f"{copy}_Q"] = {"hide_name": 0, "bits": [free], "attributes": {}}  # no cell's name
                for cell, port, place in part:
                    cells[cell]["connections"][port][place] = free
                free += 1
    path.write_text(json.dumps(design))


def _readers(module: dict[str, Any]) -> dict[Any, list[_Reader]]:
    """The input pins of cells that each bit of a module goes to."""
    readers = defaultdict(list)
    for name, cell in module["cells"].items():
        for port, bits in cell["connections"].items():
            if cell["port_directions"][port] == "input":
                for place, bit in enumerate(bits):
                    readers[bit].append((name, port, place))
    return readers


def _parts(readers: list[_Reader], most: int, depth: int = 0) -> list[list[_Reader]]:
    """`readers` in groups of at most `most`, neighbours in the hierarchy together."""
    if len(readers) <= most:
        return [readers]
    below = defaultdict(list)
    for reader in readers:
        below[".".join(reader[0].split(".")[: depth + 1])].append(reader)
    if len(below) == len(readers):  # one module's own cells
        return [readers[first : first + most] for first in range(0, len(readers), most)]
    parts: list[list[_Reader]] = []
    for group in sorted(below.values(), key=len):
        if parts and len(parts[-1]) + len(group) <= most:
            parts[-1] += group
        else:
            parts += _parts(group, most, depth + 1)
    return parts
