"""What an FPGA consists of where a placer may put cells: its logic tiles, block RAMs and multipliers."""

from dataclasses import dataclass
from functools import cached_property

LUTS_OF_TILE = 8
"""LUTs of a logic tile of an ECP5, and flip-flops: four slices of two each."""


@dataclass(frozen=True)
class Fabric:
    """The fabric of an ECP5.

    Block RAMs and multipliers lie in groups of four, in rows of their own between those of logic.

    Parameters
    ----------
    device : its name.
    database : nextpnr's file of its routing.
    columns : x of the logic tiles, the first and the last.
    rows : y of the logic tiles, the first and the last; rows of block RAMs and multipliers lie between.
    groups : x of each group in such a row.
    memory_rows, multiplier_rows : y of these rows.
    """

    device: str
    database: str
    columns: tuple[int, int]
    rows: tuple[int, int]
    groups: tuple[int, ...]
    memory_rows: tuple[int, ...]
    multiplier_rows: tuple[int, ...]

    @cached_property
    def tiles(self) -> tuple[tuple[int, int], ...]:
        """(x, y) of every logic tile."""
        others = {*self.memory_rows, *self.multiplier_rows}
        return tuple(
            (x, y)
            for x in range(self.columns[0], self.columns[1] + 1)
            for y in range(self.rows[0], self.rows[1] + 1)
            if y not in others
        )

    @cached_property
    def memories(self) -> tuple[str, ...]:
        """Names of all sites of block RAMs."""
        return tuple(
            memory_site(x, y, index) for y in self.memory_rows for x in self.groups for index in range(4)
        )

    @cached_property
    def multipliers(self) -> tuple[str, ...]:
        """Names of all sites of multipliers."""
        return tuple(
            multiplier_site(x, y, index)
            for y in self.multiplier_rows
            for x in self.groups
            for index in range(4)
        )


def memory_site(x: int, y: int, index: int) -> str:
    """Name of a block RAM's site: the one of number `index`, 0 to 3, of the group at (x, y)."""
    return f"X{x + 2 * index}/Y{y}/EBR{index}"


def multiplier_site(x: int, y: int, index: int) -> str:
    """Name of a multiplier's site: the one of number `index`, 0 to 3, of the group at (x, y)."""
    offset = (0, 1, 4, 5)[index]  # the other offsets of a block of DSPs are its adders
    return f"X{x + offset}/Y{y}/MULT18_{offset}"


LFE5U_25F = Fabric(
    device="LFE5U-25F",
    database="chipdb-25k.bin",
    columns=(2, 70),
    rows=(2, 48),
    groups=(4, 13, 22, 33, 42, 51, 60),
    memory_rows=(25, 37),
    multiplier_rows=(13,),
)
LFE5U_85F = Fabric(
    device="LFE5U-85F",
    database="chipdb-85k.bin",
    columns=(2, 124),
    rows=(2, 93),
    groups=(4, 13, 22, 31, 40, 49, 58, 69, 78, 87, 96, 105, 114),
    memory_rows=(22, 46, 70, 82),
    multiplier_rows=(10, 34, 58),
)
