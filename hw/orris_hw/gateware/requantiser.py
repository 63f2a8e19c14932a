"""From an accumulated sum to an output value: bias, multiplier, shift, zero point, clamp."""

from types import SimpleNamespace
from typing import Any

from amaranth.hdl import Array, Cat, Const, Module, Mux, Shape, ShapeLike, Signal, Value, signed, unsigned
from amaranth.lib import data, enum, stream, wiring
from amaranth.lib.wiring import In, Out

from ..config.model import AcceleratorConfig
from .arithmetic import saturate, shift_right, wrap
from .buffers import StreamFifo

BIAS_WIDTH = 48
OUTPUT_WIDTH = 16
"""Bits of zero points and activation limits, whatever the data width."""

_LIMB = 17
"""Unsigned bits of one side of a partial product: what an 18 x 18 signed multiplier takes."""
_FINE = 4
"""Low bits of the shift amount done in the second of two shifts."""
_IN_FLIGHT = 16


class Rounding(enum.Enum, shape=2):
    NONE = 0
    SINGLE = 1
    DOUBLE = 2


class RequantiserSettings(data.Struct):
    """What one job asks of all its values."""

    zp_out: signed(OUTPUT_WIDTH)
    act_min: signed(OUTPUT_WIDTH)
    act_max: signed(OUTPUT_WIDTH)
    rounding: Rounding


def accumulator_width(config: AcceleratorConfig) -> int:
    """Bits at which acc + bias wraps: int32 as in the reference, or 48 where sums are wider or saturate."""
    return 32 if config.arithmetic == "integer" and config.psum_width <= 32 else BIAS_WIDTH


class Requantiser(wiring.Component):
    """Brings a sum to the scale, zero point and width of the ofmap.

    With a = acc + bias (wrapping at W = `accumulator_width` bits)::

        y = clamp(r(a) + zp_out, act_min, act_max), saturated to data_width
        none:    r = a
        single:  r = (a * multiplier + 2^(30 - shift)) >> (31 - shift)
        double:  h = ((a << max(shift, 0)) * multiplier + 2^30) >> 31
                 r = h / 2^max(-shift, 0) to nearest, ties away from zero

    Nothing but a wraps: r and r + zp_out are exact, however large.

    Latency 13 cycles, throughput 1 value per cycle. Values run through without stopping into a FIFO which
    has a place for every value taken, so that no stall signal crosses the arithmetic. One W x 32 bit
    multiplier: 4 multipliers of 18 x 18 bits for W = 32, 6 for W = 48.

    Parameters
    ----------
    config : AcceleratorConfig
    tag : shape-like
        What travels along with each value.

    Members
    -------
    settings : In(ArrayLayout(RequantiserSettings, 2))
        Of the two jobs that can be under way. An element stands still from before its first value is taken
        until its last one is given. For rounding `none`, multiplier and shift of a value do not matter.
    i : In(stream {acc: signed(psum_width), bias: signed(48), multiplier: 32, shift: signed(8), job: 1, tag})
        shift from -31 to 30; `job` is the index into `settings`.
    o : Out(stream {y: signed(data_width), tag})
    """

    def __init__(self, config: AcceleratorConfig, tag: ShapeLike = 1):
        self._width = accumulator_width(config)
        self._tag = tag
        super().__init__({
            "settings": In(data.ArrayLayout(RequantiserSettings, 2)),
            "i": In(stream.Signature(data.StructLayout({
                "acc": signed(config.psum_width),
                "bias": signed(BIAS_WIDTH),
                "multiplier": unsigned(32),
                "shift": signed(8),
                "job": unsigned(1),
                "tag": tag,
            }))),
            "o": Out(stream.Signature(data.StructLayout({"y": signed(config.data_width), "tag": tag}))),
        })

    def elaborate(self, platform: Any) -> Module:
        m = Module()
        shape = self.o.payload.shape()
        m.submodules.tags = tags = StreamFifo(self._tag, _IN_FLIGHT)
        m.submodules.values = values = StreamFifo(shape["y"].shape, _IN_FLIGHT)

        # A value is taken only if a place in the FIFOs is left for it: `held` < 16 is one bit.
        held = Signal(range(_IN_FLIGHT + 1))
        take, give = self.i.valid & self.i.ready, self.o.valid & self.o.ready
        m.d.comb += [
            self.i.ready.eq(~held[-1]),
            tags.i.valid.eq(take),
            tags.i.payload.eq(self.i.payload.tag),
            # Tags arrive long before their values.
            self.o.valid.eq(values.o.valid),
            self.o.payload.y.eq(values.o.payload),
            self.o.payload.tag.eq(tags.o.payload),
            values.o.ready.eq(self.o.ready),
            tags.o.ready.eq(give),
        ]
        m.d.sync += held.eq(held + take - give)

        stages = _Stages(m, take)
        result = self._requantise(stages, shape["y"].shape.width)
        m.d.comb += [values.i.valid.eq(stages.valid), values.i.payload.eq(result)]
        return m

    def _requantise(self, stages: "_Stages", data_width: int) -> Value:
        width, value = self._width, self.i.payload
        of_job = Array(self.settings)
        rounding = of_job[value.job].rounding
        none, double = rounding == Rounding.NONE, rounding == Rounding.DOUBLE

        # All three are one shift to the right of one product, rounded once at the end: `none` multiplies
        # by 1; `double` first rounds the product to a multiple of 2^31. Where it would shift to the left,
        # its second rounding has nothing to do, and the first one is that of `single`.
        # Parameters come straight out of a memory: nothing is computed from them before a register.
        s = stages.register(
            acc=value.acc, bias=value.bias, multiplier=value.multiplier, shift=value.shift,
            none=none, double=double, job=value.job,
        )
        s = stages.register(
            acc=wrap(s.acc + s.bias, width),
            multiplier=Mux(s.none, 1, s.multiplier),
            right=Mux(s.none, 0, (31 - s.shift)[:6]),
            double=s.double & (s.shift < 0), job=s.job,
        )

        # Partial products, then sums along the multiplicand, then along the multiplier.
        a, b = _limbs(s.acc), _limbs(s.multiplier)
        s = stages.register(s, acc=None, multiplier=None, **{
            f"product_{i}_{j}": x * y for i, x in enumerate(a) for j, y in enumerate(b)
        })
        rows = [_weighted(getattr(s, f"product_{i}_{j}") for i in range(len(a))) for j in range(len(b))]
        s = stages.register(right=s.right, double=s.double, job=s.job, **{
            f"row_{j}": wrap(row, width + len(y)) for j, (row, y) in enumerate(zip(rows, b, strict=True))
        })
        product = _weighted(getattr(s, f"row_{j}") for j in range(len(b)))
        s = stages.register(
            right=s.right, double=s.double, job=s.job, product=wrap(product, width + 32),
        )
        high = (s.product + (1 << 30))[31:width + 32]
        s = stages.register(s, product=Mux(s.double, Cat(Const(0, 31), high).as_signed(), s.product))

        # A bit below the point tells whether half was reached, `lost` whether anything below that was 1.
        fixed = Cat(Const(0, 1), s.product).as_signed()
        shifted, lost = shift_right(fixed, s.right[_FINE:], 1 << _FINE)
        s = stages.register(s, product=None, fixed=shifted, lost=lost, right=s.right[:_FINE])
        # One bit more than the output: any zero point leaves a saturated value at or beyond the limits.
        # The second shift can still bring values down by 15 places.
        integer = OUTPUT_WIDTH + 1
        s = stages.register(s, fixed=saturate(s.fixed, integer + (1 << _FINE) - 1 + 1))
        shifted, lost = shift_right(s.fixed, s.right)
        s = stages.register(s, fixed=shifted, lost=s.lost | lost, right=None)
        s = stages.register(s, fixed=saturate(s.fixed, integer + 1))

        # Half goes up, except that a tie below zero goes down where ties go away from zero.
        up = s.fixed[0] & (s.lost | ~(s.double & s.fixed[-1]))
        settings = of_job[s.job]
        s = stages.register(
            y=s.fixed[1:].as_signed() + settings.zp_out + up,
            low=saturate(settings.act_min, data_width),
            high=saturate(settings.act_max, data_width),
        )
        # Both limits are compared at once; where they are the wrong way round, the upper one holds.
        above = (s.y > s.high) | (s.low > s.high)
        s = stages.register(y=wrap(Mux(above, s.high, Mux(s.y < s.low, s.low, s.y)), data_width))
        return s.y


class _Stages:
    """Writes a pipeline: each call registers its values, and hands on those of the stage before.

    Only where there is a value do registers change: an idle pipeline costs no power, and no simulator's time.
    """

    def __init__(self, m: Module, valid: Value):
        self._m = m
        self._count = 0
        self.valid = valid
        """Whether the stage written last holds a value."""

    def register(self, previous: SimpleNamespace | None = None, /, **values: Value | None) -> SimpleNamespace:
        """The registered values; those of `previous` are kept unless given anew, or dropped with None."""
        self._count += 1
        before, self.valid = self.valid, Signal(name=f"valid_{self._count}")
        self._m.d.sync += self.valid.eq(before)
        kept = {**(vars(previous) if previous else {}), **values}
        registers = {}
        for name, value in kept.items():
            if value is not None:
                shape = Shape.cast(Value.cast(value).shape())
                # No reset: synthesis can then move the registers of the multiplier into its DSP blocks.
                registers[name] = Signal(shape, name=f"{name}_{self._count}", reset_less=True)
                with self._m.If(before):
                    self._m.d.sync += registers[name].eq(value)
        return SimpleNamespace(**registers)


def _limbs(value: Value) -> list[Value]:
    """`value` in pieces of 17 bits, unsigned but for the last one, which has the sign of the whole."""
    pieces = [value[low:low + _LIMB] for low in range(0, len(value), _LIMB)]
    if value.shape().signed:
        pieces[-1] = pieces[-1].as_signed()
    return pieces


def _weighted(terms: Any) -> Value:
    """The sum of terms that are 17 bits apart."""
    terms = list(terms)
    total = terms[0]
    for i, term in enumerate(terms[1:], start=1):
        total = total + (term << (_LIMB * i))
    return total
