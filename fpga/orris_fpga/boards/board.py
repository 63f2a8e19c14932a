"""What a board is to Orris."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from ..floorplan import Floorplan
from ..gateware.system import Memory
from ..placement.fabric import Fabric
from ..wide_registers import MOST_READERS


@dataclass(frozen=True)
class Board:
    """A board: its pins come from amaranth-boards, its design is always the same.

    Parameters
    ----------
    name : what the command line calls it.
    title : what people call it.
    platform : makes the Amaranth platform.
    preset : the configuration built when none is named; None where no preset fits.
    clock_hz : of the whole system.
    clocking : makes the gateware that drives the domain `sync` with that clock; called with (clock_hz).
    memory : behind the accelerator.
    baud : of the serial line.
    programmer : the board's name in openFPGALoader.
    overrides : of Amaranth's build templates, for a family without a `mapping` of ours: more options.
    least_reset : flip-flops that a reset is for, `synthesis.mapping`; 0 leaves the choice to Yosys.
    most_readers : pins that one register may drive, on an ECP5; `copy_wide_registers`.
    floorplan : sites for the PEs of an array; None leaves them to the placer.
    fabric : of an ECP5 that our own placer, `placement`, takes; None leaves placement to nextpnr.
    """

    name: str
    title: str
    platform: Callable[[], Any]
    preset: str | None
    clock_hz: int
    clocking: Callable[[int], Any]
    memory: Memory
    baud: int
    programmer: str
    overrides: tuple[tuple[str, str], ...] = ()
    least_reset: int = 0
    most_readers: int = MOST_READERS
    floorplan: Floorplan | None = None
    fabric: Fabric | None = None
