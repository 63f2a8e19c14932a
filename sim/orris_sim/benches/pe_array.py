"""The PE array: whole passes through both networks against a direct convolution."""

import random
from collections.abc import Iterator
from typing import Any

import cocotb
import numpy as np

from orris_hw.config import AcceleratorConfig
from orris_hw.gateware.beats import PassField, RowField, filter_lanes, ifmap_lanes
from orris_hw.gateware.pe_array import PEArray

from .bench import STALLS, configuration, generator, settings, start
from .networks import ASSIGN, CLEAR, PARAMETER, VALUE
from .streams import StreamSink, StreamSource


class ArrayPass:
    """A random pass: e ofmap rows x F positions x p filters in each of several sets, `rows` logical rows.

    Logical row i is filter row i mod R of channel group i div R, a group being q channels.
    """

    def __init__(self, rng: random.Random, config: AcceleratorConfig):
        self.config = config
        self.lanes = ifmap_lanes(config)
        columns, spads = config.array.columns, config.scratchpads
        self.rows = rng.randint(1, config.array.rows)
        self.e = rng.randint(1, columns)
        self.sets = rng.randint(1, columns // self.e)
        self.R, self.U, self.V = rng.randint(1, 4), rng.randint(1, 2), rng.randint(1, 2)
        self.q = rng.choice([q for q in (1, 2, 4, 8) if q <= self.lanes and q <= spads.ifmap])
        self.S = rng.randint(self.V, max(self.V, min(4, spads.ifmap // self.q)))
        if self.q * self.S > spads.ifmap:
            self.V = self.S = 1
        self.p = rng.randint(1, min(spads.psum, spads.filter // (self.q * self.S)))
        self.F = rng.randint(1, 5)
        self.first, self.last = rng.getrandbits(1), rng.getrandbits(1)
        self.groups = -(-self.rows // self.R)
        self.chunks = -(-self.groups * self.q // self.lanes)
        self.height, self.width = (self.e - 1) * self.U + self.R, (self.F - 1) * self.V + self.S
        draw = np.random.default_rng(rng.getrandbits(32))
        # Channels fill whole beats; small enough for any sum to fit 16 bits.
        shape = (self.chunks * self.lanes, self.height, self.width)
        self.ifmap = draw.integers(-99, 100, shape) * (draw.random(shape) < rng.choice((0.4, 1)))
        self.filters = draw.integers(-5, 6, (self.sets, self.rows, self.q * self.S, self.p))

    def filter_beats(self) -> Iterator[dict[str, int]]:
        """Columns of each set, description of the pass, then the filters of every set and row."""
        beat = {"distance": self.config.array.rows - 1, "tag": 0, "last": 0, "count": 0, "data": 0}
        yield beat | {"kind": CLEAR}
        for number in range(self.sets):
            yield beat | {"kind": ASSIGN, "tag": number, "data": (number + 1) * self.e - 1}
        beat["distance"] = self.rows - 1
        step = self.q * self.V
        fields = {
            PassField.FILTERS: self.p - 1,
            PassField.TAPS: self.q * self.S - 1,
            PassField.STEP: step,
            PassField.POSITIONS_HIGH: 0,
            PassField.POSITIONS_LOW: self.F - 1,
            PassField.FORWARD: 0,
            PassField.FLAGS: 1 | self.first << 1 | self.last << 2,
        }
        for field, value in fields.items():
            yield beat | {"kind": PARAMETER, "tag": int(field), "data": value}
        lanes, width = filter_lanes(self.config), self.config.data_width
        for number in range(self.sets):
            for row in range(self.rows):
                values = self.filters[number, row].reshape(-1).tolist()
                for start_at in range(0, len(values), lanes):
                    part = values[start_at : start_at + lanes]
                    yield {
                        "kind": VALUE,
                        "distance": row,
                        "tag": number,
                        "last": int(start_at + lanes >= len(values)),
                        "count": len(part) - 1,
                        "data": _join(part, width),
                    }

    def ifmap_beats(self) -> Iterator[dict[str, int]]:
        """What every row listens to, then the values, column by column, each row of each chunk once."""
        idle = {"distance": 0, "chunk": 0, "phase": 0, "tag": 0, "data": 0}
        for row in range(self.config.array.rows):
            beat = idle | {"distance": row}
            group, r = divmod(row, self.R)
            chunk, lane = divmod(group * self.q, self.lanes)
            used = row < self.rows
            fields = {
                RowField.CHUNK: chunk if used else 63,  # no value has it
                RowField.CHUNKS: 0,
                RowField.PHASE: r % self.U,
                RowField.LANES: lane | (self.q - 1) << 3,
                RowField.SPLIT: 1,  # one lane further from beat to beat
            }
            for field, value in fields.items():
                yield beat | {"kind": PARAMETER, "tag": int(field), "data": value}
            yield beat | {"kind": CLEAR}
            for number in range(self.sets if used else 0):
                first, last = number * self.e, (number + 1) * self.e - 1
                yield beat | {"kind": ASSIGN, "tag": (r // self.U - first) % 64, "data": last}
        for x in range(self.width):
            for y in range(self.height):
                for chunk in range(self.chunks):
                    values = self.ifmap[chunk * self.lanes : (chunk + 1) * self.lanes, y, x].tolist()
                    yield idle | {
                        "kind": VALUE,
                        "chunk": chunk,
                        "phase": y % self.U,
                        "tag": y // self.U,
                        "data": _join(values, self.config.operand_width),
                    }

    def psums(self, column: int) -> Iterator[dict[str, int]]:
        """What leaves above a column."""
        number, row_of_tile = divmod(column, self.e)
        if number >= self.sets:
            return
        sums = np.zeros((self.F, self.p), np.int64)
        for row in range(self.rows):
            group, r = divmod(row, self.R)
            line = self.ifmap[group * self.q : (group + 1) * self.q, row_of_tile * self.U + r]
            for f in range(self.F):
                window = line[:, f * self.V : f * self.V + self.S]  # q x S
                sums[f] += window.T.reshape(-1) @ self.filters[number, row]
        for index, value in enumerate(sums.reshape(-1).tolist()):
            end = int(index == sums.size - 1)
            yield {"psum": value, "first": self.first, "last": self.last, "end": end}


def _join(values: list[int], width: int) -> int:
    return sum((value & ((1 << width) - 1)) << (width * lane) for lane, value in enumerate(values))


@cocotb.test()
@cocotb.parametrize(stall=STALLS)
async def random_passes(dut: Any, stall: float) -> None:
    """Every psum of every column, pass after pass of another shape."""
    config = configuration()
    array, rng = PEArray(config), generator("passes")
    passes = [ArrayPass(rng, config) for _ in range(settings()["passes"])]
    ifmap = StreamSource(dut, array, "ifmap", stall)
    filters = StreamSource(dut, array, "filter", stall)
    psums = [StreamSink(dut, array, f"psum_{c}", stall).start() for c in range(config.array.columns)]
    await start(dut, array)
    cocotb.start_soon(ifmap.send(beat for one in passes for beat in one.ifmap_beats()))
    cocotb.start_soon(filters.send(beat for one in passes for beat in one.filter_beats()))
    for column, sink in enumerate(psums):
        await sink.check([psum for one in passes for psum in one.psums(column)], 100_000)
