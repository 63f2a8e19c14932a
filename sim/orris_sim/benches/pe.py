"""The PE: random passes against a direct evaluation of its equation."""

import random
from collections.abc import Iterator
from typing import Any

import cocotb

from orris_hw.config import AcceleratorConfig
from orris_hw.gateware.beats import PassField
from orris_hw.gateware.pe import PE

from .bench import STALLS, configuration, generator, settings, start
from .numbers import add, signed
from .streams import StreamSink, StreamSource


class Pass:
    """A random pass: its shape, its filters, its ifmap row and the psums that come from below."""

    def __init__(self, rng: random.Random, config: AcceleratorConfig):
        self.config = config
        spads = config.scratchpads
        self.taps = rng.randint(1, spads.ifmap)
        self.p = rng.randint(1, min(spads.psum, spads.filter // self.taps))
        self.step, self.positions = rng.randint(1, self.taps), rng.randint(1, 6)
        self.flags = {"join": rng.getrandbits(1), "first": rng.getrandbits(1), "last": rng.getrandbits(1)}
        self.shift = rng.randrange(16) if config.arithmetic == "fixed_point" else 0
        self.filters = [[signed(rng, config.data_width) for _ in range(self.p)] for _ in range(self.taps)]
        zeros = rng.choice((0, 0.5, 0.9))
        most = (1 << (config.operand_width - 1)) - 1  # of 8-bit data: the difference of two values
        self.ifmap = [
            0 if rng.random() < zeros else max(-most, signed(rng, config.operand_width))
            for _ in range((self.positions - 1) * self.step + self.taps)
        ]
        self.forward = rng.choice((0, rng.randint(1, 5)))
        self.each = self.flags["join"] + self.forward  # psums from below for each own one
        below = self.p * self.positions * self.each
        self.below = [signed(rng, config.link_width) for _ in range(below)]

    def beats(self) -> Iterator[dict[str, int]]:
        """What goes into the filter port, as the PE's documentation has it."""
        flags = self.flags["join"] | self.flags["first"] << 1 | self.flags["last"] << 2 | self.shift << 3
        fields = {
            PassField.FILTERS: self.p - 1,
            PassField.TAPS: self.taps - 1,
            PassField.STEP: self.step,
            PassField.POSITIONS_HIGH: (self.positions - 1) >> 8,
            PassField.POSITIONS_LOW: (self.positions - 1) & 255,
            PassField.FORWARD: self.forward,
            PassField.FLAGS: flags,
        }
        for field, value in fields.items():
            yield {"parameter": 1, "field": int(field), "last": 0, "data": value}
        weights = [weight for tap in self.filters for weight in tap]
        mask = (1 << self.config.data_width) - 1
        for number, weight in enumerate(weights, start=1):
            yield {"parameter": 0, "field": 0, "last": int(number == len(weights)), "data": weight & mask}

    def psums(self) -> Iterator[dict[str, int]]:
        """What has to come out."""
        for f in range(self.positions):
            for m in range(self.p):
                total = 0
                for j in range(self.taps):
                    product = self.ifmap[f * self.step + j] * self.filters[j][m]
                    total = add(self.config, self.config.link_width, total, product >> self.shift)
                start = (f * self.p + m) * self.each
                below = self.below[start : start + self.each]
                if self.flags["join"]:
                    total = add(self.config, self.config.link_width, total, below.pop(0))
                last = f == self.positions - 1 and m == self.p - 1
                for index, psum in enumerate(leaving := [total, *below], start=1):
                    end = int(last and index == len(leaving))
                    yield {"psum": psum, "first": self.flags["first"], "last": self.flags["last"], "end": end}


@cocotb.test()
@cocotb.parametrize(stall=STALLS)
async def random_passes(dut: Any, stall: float) -> None:
    """Every psum of every pass, whatever stalls."""
    config = configuration()
    pe = PE(config)
    rng = generator("passes")
    passes = [Pass(rng, config) for _ in range(settings()["passes"])]
    expected = [psum for one in passes for psum in one.psums()]

    ifmap = StreamSource(dut, pe, "ifmap", stall)
    filters = StreamSource(dut, pe, "filter", stall)
    psum_in = StreamSource(dut, pe, "psum_in", stall)
    psum_out = StreamSink(dut, pe, "psum_out", stall).start()
    await start(dut, pe)
    cocotb.start_soon(ifmap.send(value for one in passes for value in one.ifmap))
    cocotb.start_soon(filters.send(beat for one in passes for beat in one.beats()))
    # Only the sum of what comes from below counts: its flags are not looked at.
    cocotb.start_soon(psum_in.send(
        {"psum": value, "first": 0, "last": 1, "end": 0} for one in passes for value in one.below))
    await psum_out.check(expected, 50_000)
