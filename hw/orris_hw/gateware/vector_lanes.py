"""The requantising lanes of the vector unit: SUM and ADD, value by value."""

from typing import Any

from amaranth.hdl import Array, Cat, Module, Mux, Signal, signed
from amaranth.lib import data, stream, wiring
from amaranth.lib.wiring import In, Out

from ..commands import VECTOR
from ..config.model import WORD_BITS, AcceleratorConfig
from .add_operand import AddOperand
from .arithmetic import wrap
from .buffers import StreamFifo
from .command_layout import part_layout
from .global_buffer import ADDR_WIDTH
from .requantiser import BIAS_WIDTH, Requantiser
from .vector_reduce import SUM_WIDTH, reduced_layout

RESCALE = part_layout(
    VECTOR, "zero_point_a", "zero_point_b", "multiplier_a", "multiplier_b", "right_a", "right_b",
    "bias", "multiplier", "shift", "rounding", "zp_out", "act_min", "act_max",
)  # fmt: skip
"""What the lanes need of a VECTOR."""

WORD = data.StructLayout({"target": ADDR_WIDTH, "word": WORD_BITS})
"""A finished word, and where it goes."""

_WORDS = 16
"""Words under way in the lanes."""


class VectorLanes(wiring.Component):
    """Requantises a place's values, `lanes` at a time.

        SUM: y = clamp(requantise(held + bias) + zp_out)
        ADD: y = clamp(requantise(scaled(a) + scaled(b)) + zp_out), a = held, b = word of the last tap

    with `requantise` as in `Requantiser` and `scaled` as in `AddOperand`. Latency 14 cycles for SUM and 20
    for ADD, and block / lanes cycles from a word's first value to its last; throughput 1 word in
    block / lanes cycles, in which `i` stands still. Multipliers of 18 x 18 bits per lane: those of a
    requantiser, and 2 for each operand.

    Parameters
    ----------
    config : AcceleratorConfig
        With `vector.lanes` of at least 1.

    Members
    -------
    add : In(1)
        ADD, else SUM.
    scale : In(RESCALE)
        Like `add`, it stands still from a place's arrival until its result is given.
    i : In(stream of reduced_layout(config))
    o : Out(stream of WORD)
    """

    def __init__(self, config: AcceleratorConfig):
        self._config = config
        super().__init__({
            "add": In(1),
            "scale": In(RESCALE),
            "i": In(stream.Signature(reduced_layout(config))),
            "o": Out(stream.Signature(WORD)),
        })  # fmt: skip

    def elaborate(self, platform: Any) -> Module:
        m = Module()
        config, scale = self._config, self.scale
        lanes, width = config.vector.lanes, config.data_width
        steps = config.block // lanes
        m.submodules.targets = targets = StreamFifo(ADDR_WIDTH, _WORDS)
        requantisers = [Requantiser(config) for _ in range(lanes)]

        # All lanes are in step, so that the first one speaks for them. What is ahead of the requantisers
        # moves together.
        move, enter, last = Signal(), Signal(), Signal()
        step = Signal(range(steps))
        m.d.comb += [
            enter.eq(self.i.valid & targets.i.ready),
            last.eq(step == steps - 1),
            targets.i.valid.eq(enter & move & last),
            targets.i.payload.eq(self.i.payload.target),
            self.i.ready.eq(targets.i.ready & move & last),
        ]
        with m.If(enter & move):
            m.d.sync += step.eq(Mux(last, 0, step + 1))

        # A value of an ADD comes to the sum behind both operands' pipelines, that of a SUM at once.
        valid, ends = Signal(AddOperand.LATENCY), Signal(AddOperand.LATENCY)
        summed, summed_ends = Signal(), Signal()
        m.d.comb += move.eq(~summed | requantisers[0].i.ready)
        with m.If(move):
            m.d.sync += [
                valid.eq(Cat(enter & self.add, valid)), summed.eq(Mux(self.add, valid[-1], enter)),
                ends.eq(Cat(last, ends)), summed_ends.eq(Mux(self.add, ends[-1], last)),
            ]

        for number, requantiser in enumerate(requantisers):
            m.submodules[f"lane_{number}"] = requantiser
            lane = [number + lanes * n for n in range(steps)]
            held, word = self.i.payload.held, self.i.payload.word
            first = Signal(signed(SUM_WIDTH), name=f"first_{number}")
            second = Signal(signed(width), name=f"second_{number}")
            m.d.comb += [
                first.eq(Array(held[place] for place in lane)[step]),
                second.eq(Array(word.word_select(place, width) for place in lane)[step]),
            ]
            operands = []
            for name, value in (("a", first[:width].as_signed()), ("b", second)):
                m.submodules[f"operand_{name}_{number}"] = operand = AddOperand(width)
                m.d.comb += [
                    operand.move.eq(move),
                    operand.value.eq(value),
                    operand.scale.zero_point.eq(scale[f"zero_point_{name}"]),
                    operand.scale.multiplier.eq(scale[f"multiplier_{name}"]),
                    operand.scale.right.eq(scale[f"right_{name}"]),
                ]
                operands.append(operand.scaled)
            total = Signal(signed(SUM_WIDTH + 1), name=f"total_{number}", reset_less=True)
            with m.If(move):
                m.d.sync += total.eq(
                    Mux(self.add, operands[0], first) + Mux(self.add, operands[1], scale.bias)
                )
            i, settings = requantiser.i.payload, requantiser.settings[0]
            m.d.comb += [
                requantiser.i.valid.eq(summed),
                i.bias.eq(wrap(total, BIAS_WIDTH)),
                i.multiplier.eq(scale.multiplier),
                i.shift.eq(scale.shift),
                i.tag.eq(summed_ends),
                settings.zp_out.eq(scale.zp_out),
                settings.act_min.eq(scale.act_min),
                settings.act_max.eq(scale.act_max),
                settings.rounding.eq(scale.rounding),
            ]
        self._collect(m, requantisers, targets)
        return m

    def _collect(self, m: Module, requantisers: list[Requantiser], targets: Any) -> None:
        """Puts the lanes' values together to words."""
        got = Cat(lane.o.payload.y for lane in requantisers)
        earlier = Signal(WORD_BITS)
        there, ends = requantisers[0].o.valid, requantisers[0].o.payload.tag
        take = Signal()
        m.d.comb += [
            self.o.valid.eq(there & ends),
            self.o.payload.target.eq(targets.o.payload),
            self.o.payload.word.eq(Cat(earlier, got)[len(got):]),
            take.eq(there & (~ends | self.o.ready)),
            targets.o.ready.eq(take & ends),
            *(lane.o.ready.eq(take) for lane in requantisers),
        ]
        with m.If(take):
            m.d.sync += earlier.eq(self.o.payload.word)
