"""The signals between controller and chip."""

from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

BANK_BITS = 2
DATA_BITS = 16


class SdramSignature(wiring.Signature):
    """A 16-bit SDRAM's pins, seen from the controller; commands and strobes are active high.

    The chip sees each signal a cycle later, and what it drives is here a cycle after it was on the pin:
    every pad has a register.

    Parameters
    ----------
    address_bits : int
        Address pins: the chip's row bits.
    """

    def __init__(self, address_bits: int):
        super().__init__({
            "clk_en": Out(1),
            "cs": Out(1),
            "ras": Out(1),
            "cas": Out(1),
            "we": Out(1),
            "ba": Out(BANK_BITS),
            "a": Out(address_bits),
            "dqm": Out(DATA_BITS // 8),
            "dq_o": Out(DATA_BITS),
            "dq_oe": Out(1),
            "dq_i": In(DATA_BITS),
        })
