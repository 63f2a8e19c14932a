"""ULX3S: Lattice ECP5, 32 MB of SDRAM, FT231X serial port."""

from functools import partial

from amaranth_boards.ulx3s import ULX3S_25F_Platform, ULX3S_85F_Platform

from ..floorplan import LFE5U_85F
from ..gateware.clocks import Ecp5Pll
from ..placement import fabric
from ..sdram.chips import AS4C16M16, IS42S16160G, slowest
from .board import Board

_common = partial(
    Board,
    clocking=Ecp5Pll,
    memory=slowest(IS42S16160G, AS4C16M16),  # boards came with either
    baud=3_000_000,
    programmer="ulx3s",
)

ULX3S_85F = _common(
    name="ulx3s-85f",
    title="ULX3S 85F",
    platform=ULX3S_85F_Platform,
    preset="ulx3s-85f",
    clock_hz=80_000_000,  # 3 Mbaud are 1.2 % off, of 2 % that a line takes
    # With more resets, and more copies of registers, a full device has no legal placement.
    least_reset=16,
    most_readers=1024,
    floorplan=LFE5U_85F,
    fabric=fabric.LFE5U_85F,
)
ULX3S_25F = _common(
    name="ulx3s-25f",
    title="ULX3S 25F",
    platform=ULX3S_25F_Platform,
    preset="ecp5-25f",
    clock_hz=60_000_000,  # divides to 3 Mbaud
    least_reset=16,
    most_readers=1024,
    fabric=fabric.LFE5U_25F,
)
