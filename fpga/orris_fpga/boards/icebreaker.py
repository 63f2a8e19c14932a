"""iCEBreaker: Lattice iCE40UP5K, 128 kB of single-port RAM on the chip, FT2232H serial port."""

from amaranth_boards.icebreaker import ICEBreakerPlatform

from ..gateware.clocks import BoardClock
from ..gateware.system import Spram
from .board import Board

ICEBREAKER = Board(
    name="icebreaker",
    title="iCEBreaker",
    platform=ICEBreakerPlatform,
    preset="icebreaker",
    clock_hz=12_000_000,
    clocking=BoardClock,
    memory=Spram(blocks=2),  # the other two are the accelerator's
    baud=1_000_000,
    programmer="ice40_generic",
)
