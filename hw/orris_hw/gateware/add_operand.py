"""An operand of an addition, brought to the scale that both share."""

from typing import Any

from amaranth.hdl import Cat, Const, Module, Signal, signed, unsigned
from amaranth.lib import data, wiring
from amaranth.lib.wiring import In, Out

from .arithmetic import shift_right, wrap
from .vector_reduce import SUM_WIDTH

_LIMB = 17
"""Unsigned bits of one side of a partial product: what an 18 x 18 signed multiplier takes."""
_FINE = 2
"""Low bits of the shift amount done in the second of two shifts."""

HEADROOM = {8: 20, 16: 15}
"""Bits that an operand is shifted left by ahead of its multiplication, by data width."""


class AddScale(data.Struct):
    """The command's fields for one operand."""

    zero_point: signed(8)
    multiplier: unsigned(31)
    right: unsigned(5)


class AddOperand(wiring.Component):
    """Rescales an int8 or int16 operand, with the two roundings of the reference.

        h = ((value - zero_point) * 2^headroom * multiplier + 2^30) >> 31
        scaled = h / 2^right to nearest, ties away from zero

    Latency 6 cycles with `move`, throughput 1 value per cycle. Two 18 x 18 bit multipliers.

    Parameters
    ----------
    data_width : int
        8 or 16; the headroom is 20 or 15 bits.

    Members
    -------
    move : In(1)
        All registers hold without it.
    value : In(signed(data_width))
    scale : In(AddScale)
        Stands still while values are under way.
    scaled : Out(signed(32))
    """

    LATENCY = 6

    def __init__(self, data_width: int):
        self._headroom = HEADROOM[data_width]
        super().__init__({
            "move": In(1),
            "value": In(signed(data_width)),
            "scale": In(AddScale),
            "scaled": Out(signed(SUM_WIDTH)),
        })  # fmt: skip

    def elaborate(self, platform: Any) -> Module:
        m = Module()
        scale = self.scale

        def register(name: str, value: Any) -> Signal:
            stage = Signal(value.shape(), name=name, reset_less=True)
            with m.If(self.move):
                m.d.sync += stage.eq(value)
            return stage

        operand = register("operand", self.value - scale.zero_point)
        low = register("low", operand * scale.multiplier[:_LIMB])
        high = register("high", operand * scale.multiplier[_LIMB:])
        # Shifted left by `headroom` and right by 31: the places between are all that has to be cut.
        cut = 31 - self._headroom
        product = register("product", low + (high << _LIMB) + Const(1 << (cut - 1), signed(cut + 1)))
        rounded = Cat(Const(0, 1), product[cut:]).as_signed()  # one bit below the point
        shifted, lost = shift_right(rounded, scale.right[_FINE:], 1 << _FINE)
        fixed, cut_off = register("fixed", shifted), register("cut_off", lost)
        shifted, lost = shift_right(fixed, scale.right[:_FINE])
        fine, fine_off = register("fine", shifted), register("fine_off", cut_off | lost)
        up = fine[0] & (fine_off | ~fine[-1])
        m.d.comb += self.scaled.eq(register("scaled", wrap(fine[1:].as_signed() + up, SUM_WIDTH)))
        return m
