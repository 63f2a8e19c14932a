"""Single data rate SDRAM chips: geometry and timing, from their data sheets. Pure data."""

import math
from dataclasses import dataclass

from ..errors import BoardError


@dataclass(frozen=True)
class SdramChip:
    """A 16-bit SDRAM of four banks; times in nanoseconds unless they say otherwise.

    row_bits, column_bits : of an address; 2^(row_bits + column_bits + 2) half-words in all.
    cas_latency : cycles from READ to the first data.
    max_mhz : fastest clock at that CAS latency.
    t_rcd, t_rp, t_ras, t_rc, t_rrd, t_rfc : ACTIVATE to READ or WRITE; PRECHARGE to ACTIVATE; ACTIVATE to
        PRECHARGE; ACTIVATE to ACTIVATE of one bank, and of another; REFRESH to any command.
    t_ras_max : longest time a row may stay open.
    t_wr : last data written to PRECHARGE.
    t_mrd : cycles from LOAD MODE REGISTER to any command.
    t_refresh : time in which all rows have to be refreshed, by one REFRESH each.
    t_power_up : clock and stable power before the first command.
    power_up_refreshes : REFRESHes before LOAD MODE REGISTER.
    """

    name: str
    row_bits: int
    column_bits: int
    cas_latency: int
    max_mhz: float
    t_rcd: float
    t_rp: float
    t_ras: float
    t_rc: float
    t_rrd: float
    t_rfc: float
    t_wr: float
    t_mrd: int = 2
    t_ras_max: float = 100_000.0
    t_refresh: float = 64e6
    t_power_up: float = 200_000.0
    power_up_refreshes: int = 8

    @property
    def bytes(self) -> int:
        return 1 << (self.row_bits + self.column_bits + 3)

    def cycles(self, nanoseconds: float, clock_hz: float) -> int:
        """Whole cycles that last at least so long."""
        return math.ceil(nanoseconds * clock_hz / 1e9 - 1e-9)

    def refresh_interval(self, clock_hz: float) -> int:
        """Cycles between REFRESHes, on average."""
        return math.floor(self.t_refresh / (1 << self.row_bits) * clock_hz / 1e9)

    def check(self, clock_hz: float) -> None:
        """BoardError if the chip is too slow for the clock."""
        if clock_hz > self.max_mhz * 1e6:
            raise BoardError(
                f"{self.name} runs at {self.max_mhz:g} MHz at most, not at {clock_hz / 1e6:g} MHz"
            )


IS42S16160G = SdramChip(
    "IS42S16160G-7", row_bits=13, column_bits=9, cas_latency=3, max_mhz=143, t_rcd=15, t_rp=15, t_ras=37,
    t_rc=60, t_rrd=14, t_rfc=60, t_wr=14,
)  # fmt: skip
"""32 MB, on the ULX3S."""

AS4C16M16 = SdramChip(
    "AS4C16M16SA-7", row_bits=13, column_bits=9, cas_latency=3, max_mhz=143, t_rcd=21, t_rp=21, t_ras=42,
    t_rc=63, t_rrd=14, t_rfc=63, t_wr=14,
)  # fmt: skip
"""32 MB, on other ULX3S."""


def slowest(*chips: SdramChip) -> SdramChip:
    """A chip as slow in everything as the slowest of several of one size: what a board with either needs."""
    first = chips[0]
    longest = {
        name: max(getattr(chip, name) for chip in chips)
        for name in (
            "cas_latency", "t_rcd", "t_rp", "t_ras", "t_rc", "t_rrd", "t_rfc", "t_wr", "t_mrd", "t_power_up",
            "power_up_refreshes",
        )
    }  # fmt: skip
    return SdramChip(
        " or ".join(chip.name for chip in chips), first.row_bits, first.column_bits,
        max_mhz=min(chip.max_mhz for chip in chips), t_ras_max=min(chip.t_ras_max for chip in chips),
        t_refresh=min(chip.t_refresh for chip in chips), **longest,
    )  # fmt: skip
