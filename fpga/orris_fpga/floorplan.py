"""Where the PEs of an array lie on a large FPGA.

A placer that starts from the pads alone draws a whole array together and pushes it apart again: neighbours
end up far from each other. Here the multiplier and the filter RAM of each PE are given sites that form the
array's own grid, and the placer brings the rest of a PE to them.
"""

import json
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from .placement.fabric import LFE5U_85F as FABRIC
from .placement.fabric import memory_site, multiplier_site

_OF_PE = re.compile(r"\brow_(\d+)\.pe_tile_(\d+)\.(?:pe_(\d+)\.)?")


def pe_of(name: str) -> tuple[int, int] | None:
    """Row and column of the PE in whose tile a cell of that name is, None for others."""
    match = _OF_PE.search(name)
    return (int(match[1]), int(match[2]) + int(match[3] or 0)) if match else None



@dataclass(frozen=True)
class Floorplan:
    """Sites for the PEs of an array, in a grid.

    Parameters
    ----------
    multipliers, memories : names of sites, one tuple for each row of the grid from the array's row 0 on,
        in it from column 0 on.
    """

    multipliers: tuple[tuple[str, ...], ...]
    memories: tuple[tuple[str, ...], ...]

    def lock(self, module: dict[str, Any]) -> int:
        """Gives the PEs of a netlist their sites; how many cells got one.

        A smaller array is spread over the whole grid. PEs of a larger array, and cells of a PE beyond its
        first multiplier and its first memory, are left to the placer.

        Parameters
        ----------
        module : of a netlist in Yosys' JSON; changed.
        """
        found: dict[tuple[str, int, int], dict[str, Any]] = {}
        for name, cell in module["cells"].items():
            if cell["type"] in _GRIDS and (place := pe_of(name)):
                found.setdefault((cell["type"], *place), cell)
        if not found:
            return 0
        rows, columns = 1 + max(row for _, row, _ in found), 1 + max(column for *_, column in found)
        height, width = len(self.multipliers), len(self.multipliers[0])
        if rows > height or columns > width:
            return 0
        for (kind, row, column), cell in found.items():
            grid = getattr(self, _GRIDS[kind])
            cell["attributes"]["BEL"] = grid[_spread(row, rows, height)][_spread(column, columns, width)]
        return len(found)


def lock_array(path: Path, floorplan: Floorplan) -> None:
    """Gives the PEs of a netlist, Yosys' JSON, their sites; rewrites it."""
    design = json.loads(path.read_text())
    for module in design["modules"].values():
        floorplan.lock(module)
    path.write_text(json.dumps(design))


_GRIDS = {"MULT18X18D": "multipliers", "DP16KD": "memories"}


def _spread(index: int, count: int, places: int) -> int:
    """The place of one of `count` among `places`, the last of them in the last."""
    return places - 1 - (count - 1 - index) * places // count


def _lfe5u_85f() -> Floorplan:
    """12 x 12 on an LFE5U-85F.

    It has three rows of 13 groups of four multipliers and four rows of 13 groups of four block RAMs. Four
    rows of PEs take a row of each; columns of PEs take the groups from the second on. Row 0, from which
    psums leave and into which operands enter, lies next to the fourth row of block RAMs, which is left to
    the global buffer as the first groups are.
    """
    columns = FABRIC.groups[1:]
    multiplier_rows, memory_rows = FABRIC.multiplier_rows[::-1], FABRIC.memory_rows[-2::-1]
    return Floorplan(
        tuple(
            tuple(multiplier_site(x, y, index) for x in columns)
            for y in multiplier_rows for index in range(4)
        ),
        tuple(
            tuple(memory_site(x, y, index) for x in columns) for y in memory_rows for index in range(4)
        ),
    )  # fmt: skip


LFE5U_85F = _lfe5u_85f()
