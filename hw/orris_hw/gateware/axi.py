"""AXI interfaces as Amaranth signatures, seen from the master.

Member names are the specification's, so a member `m_axi: Out(Axi4Signature())` becomes ports `m_axi__awaddr`
and so on. Our AXI4 master uses one transaction ID for all (responses in order), beats as wide as the port and
incrementing bursts; signals that would be constant or unused (IDs, lock, cache, protection, QoS, region) are
left out, which the specification allows a master with the given defaults.
"""

from enum import IntEnum

from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

ADDRESS_BITS = 32
DATA_BITS = 64
WORD_BYTES = DATA_BITS // 8
MAX_BEATS = 32
"""Beats of our longest burst; the interface has room for AXI4's 256."""


class Resp(IntEnum):
    """RRESP and BRESP: bit 1 set means failure."""

    OKAY = 0
    EXOKAY = 1
    SLVERR = 2
    DECERR = 3


class Burst(IntEnum):
    """ARBURST and AWBURST."""

    FIXED = 0
    INCR = 1
    WRAP = 2


SIZE_WORD = 3
"""ARSIZE and AWSIZE of 8-byte beats; of beats of 2^n words n more."""


class Axi4Signature(wiring.Signature):
    """AXI4 master: 32-bit byte addresses, `words` times 64 bits of data, no IDs."""

    def __init__(self, words: int = 1) -> None:
        super().__init__({
            **_address_channel("aw"),
            "wdata": Out(words * DATA_BITS),
            "wstrb": Out(words * WORD_BYTES),
            "wlast": Out(1),
            "wvalid": Out(1),
            "wready": In(1),
            "bresp": In(2),
            "bvalid": In(1),
            "bready": Out(1),
            **_address_channel("ar"),
            "rdata": In(words * DATA_BITS),
            "rresp": In(2),
            "rlast": In(1),
            "rvalid": In(1),
            "rready": Out(1),
        })


class Axi4LiteSignature(wiring.Signature):
    """AXI4-Lite master: `address_width`-bit byte addresses, 32-bit data."""

    def __init__(self, address_width: int = 12) -> None:
        super().__init__({
            "awaddr": Out(address_width),
            "awprot": Out(3),
            "awvalid": Out(1),
            "awready": In(1),
            "wdata": Out(32),
            "wstrb": Out(4),
            "wvalid": Out(1),
            "wready": In(1),
            "bresp": In(2),
            "bvalid": In(1),
            "bready": Out(1),
            "araddr": Out(address_width),
            "arprot": Out(3),
            "arvalid": Out(1),
            "arready": In(1),
            "rdata": In(32),
            "rresp": In(2),
            "rvalid": In(1),
            "rready": Out(1),
        })


def _address_channel(prefix: str) -> dict[str, wiring.Member]:
    return {
        f"{prefix}addr": Out(ADDRESS_BITS),
        f"{prefix}len": Out(8),
        f"{prefix}size": Out(3),
        f"{prefix}burst": Out(2),
        f"{prefix}valid": Out(1),
        f"{prefix}ready": In(1),
    }
