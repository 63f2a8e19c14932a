"""Tang Nano 9K: Gowin GW1NR-9C, block RAM for memory, BL702 serial port."""

from amaranth_boards.tang_nano_9k import TangNano9kPlatform

from ..gateware.clocks import BoardClock
from ..gateware.system import OnChipMemory
from .board import Board

TANG_NANO_9K = Board(
    name="tang-nano-9k",
    title="Tang Nano 9K",
    platform=lambda: TangNano9kPlatform(toolchain="Apicula"),
    preset="tang-nano-9k",
    clock_hz=27_000_000,
    clocking=BoardClock,
    memory=OnChipMemory(16 << 10),
    baud=1_000_000,
    programmer="tangnano9k",
    overrides=(("synth_opts", "-nowidelut"),),  # a quarter fewer LUTs: wide multiplexers are dear
)
