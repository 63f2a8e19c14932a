"""The global buffer: every client at once, each read exact.

In each round the writers fill one part of the words while the readers read the rest. The next round may read
what was written as soon as its last write was accepted, and write what was read once that was answered: a
write may overtake reads that wait for their bank. The psum ports have an area of their own: the upper half of
each column's bank.
"""

import random
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import cocotb
from cocotb.triggers import Combine, RisingEdge

from orris_hw.config import AcceleratorConfig
from orris_hw.gateware.global_buffer import PSUM_READ_LATENCY, READ_CLIENTS, WRITE_CLIENTS, GlobalBuffer

from .bench import STALLS, configuration, generator, known, settings, start
from .streams import StreamSink, StreamSource


def merge(old: int, new: int, mask: int) -> int:
    """`old` with the bytes of `new` that `mask` selects."""
    chosen = sum(255 << 8 * byte for byte in range(8) if mask >> byte & 1)
    return old & ~chosen | new & chosen


Writes = dict[str, list[dict[str, int]]]
"""By writer."""


class Contents:
    """What the clients' words hold, and rounds of work on them."""

    def __init__(self, config: AcceleratorConfig):
        banks, depth, columns = config.global_buffer.banks, config.global_buffer.depth, config.array.columns
        psum_area = {j * depth + offset for j in range(columns) for offset in range(depth // 2, depth)}
        self._addresses = [a for a in range(banks * depth) if a not in psum_area]
        self._words: dict[int, int] = {}

    def fill(self, rng: random.Random) -> Writes:
        """Writes of all words, shared among the writers: what they held is unknown."""
        return self._writes(rng, self._addresses, whole=True)

    def round(self, rng: random.Random, count: int) -> tuple[Writes, dict[str, list[tuple[int, int]]]]:
        """Writes of each writer, and (address, word) of each reader's reads, which may go side by side."""
        addresses = rng.sample(self._addresses, len(self._addresses))
        half = len(addresses) // 2
        read = {name: rng.choices(addresses[half:], k=count) for name in READ_CLIENTS}
        expected = {name: [(a, self._words[a]) for a in chosen] for name, chosen in read.items()}
        return self._writes(rng, rng.choices(addresses[:half], k=2 * count), whole=False), expected

    def _writes(self, rng: random.Random, addresses: list[int], whole: bool) -> Writes:
        writes: Writes = {name: [] for name in WRITE_CLIENTS}
        for address in addresses:
            mask = 255 if whole else rng.choice((255, rng.getrandbits(8)))
            value = rng.getrandbits(64)
            # One writer per word: between two of them the order is not defined.
            name = WRITE_CLIENTS[address % len(WRITE_CLIENTS)]
            writes[name].append({"addr": address, "data": value, "mask": mask})
            self._words[address] = merge(self._words.get(address, 0), value, mask)
        return writes


@dataclass
class PsumRead:
    """A read under way: its `word`, of which the `certain` bytes count."""

    offset: int
    word: int
    certain: int = 255


class PsumPorts:
    """Reads and writes at every psum port, in any cycle; each word must come after exactly the latency."""

    def __init__(self, dut: Any, config: AcceleratorConfig):
        self._dut, self._rng = dut, generator("psum ports")
        self._area = range(config.global_buffer.depth // 2, config.global_buffer.depth)
        self._columns = range(config.array.columns)
        self.reads = 0
        for j in self._columns:
            self._drive(f"psum_read_{j}", {"en": 0, "offset": 0})
            self._drive(f"psum_write_{j}", {"en": 0, "offset": 0, "data": 0, "mask": 0})

    def _drive(self, port: str, values: dict[str, int]) -> None:
        for field, value in values.items():
            getattr(self._dut, f"{port}_{field}").value = value

    async def run(self) -> None:
        """To the end of the bench; the whole area is written first."""
        edge, rng = RisingEdge(self._dut.clk), self._rng
        words: dict[tuple[int, int], int] = {}
        due: list[dict[int, PsumRead]] = [{} for _ in range(PSUM_READ_LATENCY)]  # by column
        for offset in self._forever():
            asked = {}
            for j in self._columns:
                ready = len(words) == len(self._columns) * len(self._area)
                read = {"en": int(ready and rng.random() < 0.4), "offset": rng.choice(self._area)}
                write = {"en": 1, "offset": offset, "data": rng.getrandbits(64), "mask": 255}
                if ready:
                    some = {"offset": rng.choice(self._area), "mask": rng.getrandbits(8)}
                    write |= some | {"en": int(rng.random() < 0.4)}
                if write["en"]:  # seen by a read in the same cycle; bytes that come a cycle after it are open
                    old = words.get((j, write["offset"]), 0)
                    words[j, write["offset"]] = merge(old, write["data"], write["mask"])
                    before = due[-1].get(j)
                    if before and before.offset == write["offset"]:
                        before.certain &= ~write["mask"]
                if read["en"]:
                    asked[j] = PsumRead(read["offset"], words[j, read["offset"]])
                self._drive(f"psum_read_{j}", read)
                self._drive(f"psum_write_{j}", write)
            await edge
            due.append(asked)
            for j, read in due.pop(0).items():
                got = known(getattr(self._dut, f"psum_data_{j}"))
                right = merge(read.word, got, read.certain) == read.word
                assert right, f"psum_data_{j} is {got:#x}, not {read.word:#x} in bytes {read.certain:#x}"
                self.reads += 1
            assert known(self._dut.address_error) == 0, "address_error is raised"

    def _forever(self) -> Iterator[int]:
        while True:
            yield from self._area


@cocotb.test()
@cocotb.parametrize(stall=STALLS)
async def rounds(dut: Any, stall: float) -> None:
    """Readers, writers and psum ports at once."""
    config = configuration()
    buffer, rng, contents = GlobalBuffer(config), generator("rounds"), Contents(config)
    requests = {n: StreamSource(dut, buffer, f"{n}_req", stall) for n in READ_CLIENTS}
    # The answers of `store_read` are taken as they come.
    stalls = {n: 0.0 if n == "store_read" else stall for n in READ_CLIENTS}
    answers = {n: StreamSink(dut, buffer, f"{n}_resp", stalls[n]).start() for n in READ_CLIENTS}
    writers = {n: StreamSource(dut, buffer, n, stall) for n in WRITE_CLIENTS}
    psum_ports = PsumPorts(dut, config)
    await start(dut, buffer)
    cocotb.start_soon(psum_ports.run())

    writes = contents.fill(rng)
    await Combine(*(cocotb.start_soon(writers[n].send(writes[n])) for n in WRITE_CLIENTS))
    expected: dict[str, list[int]] = {n: [] for n in READ_CLIENTS}

    async def write(name: str, words: list[dict[str, int]], answered: dict[str, int]) -> None:
        while any(len(answers[n].received) < count for n, count in answered.items()):
            await RisingEdge(dut.clk)
        await writers[name].send(words)

    for _ in range(settings()["rounds"]):
        writes, reads = contents.round(rng, 60)
        before = {n: len(words) for n, words in expected.items()}
        for name, pairs in reads.items():
            expected[name] += [word for _, word in pairs]
        await Combine(
            *(cocotb.start_soon(write(n, writes[n], before)) for n in WRITE_CLIENTS),
            *(cocotb.start_soon(requests[n].send([a for a, _ in reads[n]])) for n in READ_CLIENTS),
        )
    for name in READ_CLIENTS:
        await answers[name].check(expected[name], 20_000)
    assert psum_ports.reads > 100, f"only {psum_ports.reads} psum words were read"
