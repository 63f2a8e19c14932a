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

_OF_PE = re.compile(r"\brow_(\d+)\.pe_tile_(\d+)\.pe\b")
"""In a cell's name: its PE's row and column."""


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
            place = _OF_PE.search(name)
            if place and cell["type"] in _GRIDS:
                found.setdefault((cell["type"], int(place[1]), int(place[2])), cell)
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
    groups = [13, 22, 31, 40, 49, 58, 69, 78, 87, 96, 105, 114]
    bands = [(58, 70), (34, 46), (10, 22)]
    multipliers = [(0, 0), (1, 1), (4, 4), (5, 5)]  # offset, number in its group
    memories = [(0, 0), (2, 1), (4, 2), (6, 3)]
    return Floorplan(
        tuple(
            tuple(f"X{x + offset}/Y{y}/MULT18_{number}" for x in groups)
            for y, _ in bands for offset, number in multipliers
        ),
        tuple(
            tuple(f"X{x + offset}/Y{y}/EBR{number}" for x in groups)
            for _, y in bands for offset, number in memories
        ),
    )  # fmt: skip


LFE5U_85F = _lfe5u_85f()
