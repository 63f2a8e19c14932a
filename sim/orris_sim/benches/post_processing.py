"""Post-processing: random jobs against the golden requantisation, byte for byte."""

import random
from typing import Any

import cocotb
import numpy as np
from cocotb.triggers import RisingEdge
from numpy.typing import NDArray

from orris.golden import ROUNDINGS, Requant, post_process
from orris.golden.quantise import sum_width
from orris_hw.config import AcceleratorConfig
from orris_hw.gateware.finished_sums import sum_queues
from orris_hw.gateware.post_processing import PostProcessing

from .bench import STALLS, configuration, generator, known, settings, start
from .streams import StreamSink, StreamSource
from .sums import SumSource


class Job:
    """A random job on an area of its own, with its psums and the bytes it has to write."""

    def __init__(self, rng: random.Random, config: AcceleratorConfig, base: int, entries: "Entries"):
        columns, block = config.array.columns, config.block
        self.e = rng.randint(1, columns)
        self.sets = rng.randint(1, columns // self.e)
        self.p = rng.choice((1, rng.randint(1, 9), rng.randint(1, config.scratchpads.psum)))
        self.positions = rng.randint(1, 6)
        channels = self.sets * self.p
        first = rng.randrange(entries.count - channels + 1)
        limit = 1 << (config.data_width - 1)
        low, high = sorted(rng.randrange(-limit, limit) for _ in range(2))
        low, high = rng.choice(((low, high), (-limit, limit - 1)))
        rounding = rng.choice(ROUNDINGS)
        requant = Requant(
            *(part[first : first + channels] for part in (entries.bias, entries.multiplier, entries.shift)),
            zp_in=0,
            zp_out=rng.randrange(-limit, limit) if config.data_width == 8 else 0,
            act_min=low,
            act_max=high,
            rounding=rounding,
        )
        row = self.positions + rng.randrange(2)
        plane = self.e * row + rng.randrange(2)
        self.fields = {
            "out_base": base,
            "out_stride_row": row,
            "out_stride_block": plane,
            "out_lane": rng.randrange(block),
            "param_base": first,
            "e": self.e,
            "sets": self.sets,
            "p": self.p,
            "last_position": self.positions - 1,
            "zp_out": requant.zp_out,
            "act_min": low,
            "act_max": high,
            "rounding": ROUNDINGS.index(rounding),
        }
        shape = (1, channels, self.e, self.positions)
        draw = np.random.default_rng(rng.getrandbits(32))
        # Of all magnitudes, so that results are in range for any shift.
        widest = draw.integers(-(1 << 18), 1 << 18, shape)
        self.psums: NDArray[np.int64] = widest >> draw.integers(0, 15, shape)
        dtype = np.dtype(f"int{config.data_width}")
        values = post_process(self.psums, requant, dtype, sum_width(config.psum_width))[0]
        self.bytes: dict[int, int] = {}
        for channel in range(channels):
            places, lane = divmod(self.fields["out_lane"] + channel, block)
            for y in range(self.e):
                for x in range(self.positions):
                    word = base + places * plane + y * row + x
                    for k, byte in enumerate(values[channel, y, x].tobytes()):
                        self.bytes[8 * word + lane * dtype.itemsize + k] = byte
        self.end = base + -(-(self.fields["out_lane"] + channels) // block) * plane

    def column(self, j: int) -> list[int]:
        """Sums that column j delivers: position by position, its p channels."""
        number, y = divmod(j, self.e)
        if number >= self.sets:
            return []
        return self.psums[0, number * self.p : (number + 1) * self.p, y].T.reshape(-1).tolist()


class Entries:
    """Random parameters for the whole memory, and the words that load them."""

    def __init__(self, rng: random.Random, config: AcceleratorConfig):
        self.count = config.post_processing.channels
        draw = np.random.default_rng(rng.getrandbits(32))
        self.bias = draw.integers(-9, 10, self.count) * draw.choice((1, 500), self.count)
        self.multiplier = draw.integers(1 << 30, 1 << 31, self.count)
        self.multiplier[::2] = 1 << 30  # halves: the rounding modes differ in ties, and there are many
        self.shift = draw.integers(-14, 1, self.count)
        self.multiplier[::7] = self.shift[::7] = 0

    def writes(self) -> list[dict[str, int]]:
        """Two words an entry: bias and shift, then the multiplier."""
        words = []
        for entry in range(self.count):
            bias, shift = int(self.bias[entry]) % (1 << 48), int(self.shift[entry]) % 256
            words.append({"addr": 2 * entry, "data": bias | shift << 48})
            words.append({"addr": 2 * entry + 1, "data": int(self.multiplier[entry])})
        return words


@cocotb.test()
@cocotb.parametrize(stall=STALLS)
async def random_jobs(dut: Any, stall: float) -> None:
    """Every byte of every job is written once, and no other; `done` comes once for each."""
    config, rng = configuration(), generator("jobs")
    post, entries = PostProcessing(config), Entries(rng, config)
    jobs, base = [], 5
    for _ in range(settings()["jobs"]):
        jobs.append(Job(rng, config, base, entries))
        base = jobs[-1].end + rng.randrange(3)
    parameters = StreamSource(dut, post, "param_write", stall)
    job_source = StreamSource(dut, post, "job", stall)
    columns = range(config.array.columns)
    sums = SumSource(dut, sum_queues(config), stall, config.psum_width)
    writes = StreamSink(dut, post, "write", stall).start()
    await start(dut, post)
    await parameters.send(entries.writes())
    cocotb.start_soon(job_source.send(job.fields for job in jobs))
    cocotb.start_soon(sums.send([[value for job in jobs for value in job.column(j)] for j in columns]))

    edge, done = RisingEdge(dut.clk), 0
    for _ in range(30_000):
        await edge
        done += known(dut.done)
        if done == len(jobs):
            break
    assert done == len(jobs), f"{done} of {len(jobs)} jobs are done"
    for _ in range(30):  # nothing may follow
        await edge
        assert known(dut.idle) and not known(dut.done), "post-processing goes on after the last job"
    _compare(writes.received, [job.bytes for job in jobs])


def _compare(writes: list[dict[str, int]], areas: list[dict[int, int]]) -> None:
    expected = {address: byte for area in areas for address, byte in area.items()}
    for write in writes:
        for lane in range(8):
            if write["mask"] >> lane & 1:
                address, got = 8 * write["addr"] + lane, write["data"] >> 8 * lane & 255
                assert address in expected, f"byte {address} is in no area, or is written twice"
                wanted = expected.pop(address)
                assert got == wanted, f"byte {address} is {got}, not {wanted}"
    assert not expected, f"{len(expected)} bytes are never written, the first is {min(expected)}"
