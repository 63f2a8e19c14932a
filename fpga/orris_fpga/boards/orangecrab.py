"""OrangeCrab r0.2 with an ECP5 25F: its serial port is an adapter at pins 0 (RX) and 1 (TX) of the header."""

from amaranth.build import Attrs
from amaranth_boards.orangecrab_r0_2 import OrangeCrabR0_2_25FPlatform
from amaranth_boards.resources import LEDResources, UARTResource

from ..gateware.clocks import Ecp5Pll
from ..gateware.system import OnChipMemory
from ..placement.fabric import LFE5U_25F
from .board import Board

_IO = Attrs(IO_TYPE="LVCMOS33")


def _platform() -> OrangeCrabR0_2_25FPlatform:
    platform = OrangeCrabR0_2_25FPlatform()
    serial = UARTResource(0, rx="0", tx="1", conn=("io", 0), attrs=_IO)
    platform.add_resources([serial, *LEDResources(pins="K4", invert=True, attrs=_IO)])  # the red one
    return platform


ORANGECRAB = Board(
    name="orangecrab-25f",
    title="OrangeCrab 25F",
    platform=_platform,
    preset="ecp5-25f",
    clock_hz=48_000_000,
    clocking=Ecp5Pll,
    memory=OnChipMemory(64 << 10),
    baud=3_000_000,
    programmer="orangeCrab",
    least_reset=16,  # as for the ULX3S 25F
    most_readers=1024,
    fabric=LFE5U_25F,
)
