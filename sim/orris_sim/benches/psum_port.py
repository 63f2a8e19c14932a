"""The psum port: sums over passes, with banks of fixed latency behind it."""

import random
from typing import Any

import cocotb
from cocotb.triggers import RisingEdge
from cocotb.types import LogicArray, Range

from orris_hw.config import AcceleratorConfig
from orris_hw.gateware.global_buffer import PSUM_READ_LATENCY
from orris_hw.gateware.psum_port import PsumPort

from .bench import STALLS, configuration, four_valued, generator, known, settings, start
from .global_buffer import merge
from .numbers import add, signed
from .streams import StreamSource
from .sums import SumSink

UNKNOWN = LogicArray("X" * 64, Range(63, "downto", 0))


class Banks:
    """A bank for each column: a word at a fixed time after its read, X whenever none was asked for.

    A read sees a write in its own cycle; bytes that are written in the next one come inverted.
    """

    def __init__(self, dut: Any, columns: int):
        self._dut, self._columns = dut, range(columns)
        for c in self._columns:
            getattr(dut, f"bank_data_{c}").value = 0

    async def run(self) -> None:
        """To the end of the bench."""
        edge = RisingEdge(self._dut.clk)
        words: dict[tuple[int, int], int] = {}
        # A word driven after edge k is seen at edge k + 1.
        due: list[dict[int, tuple[int, int]]] = [{} for _ in range(PSUM_READ_LATENCY - 1)]  # offset, word
        while True:
            await edge
            asked = {}
            for c in self._columns:
                read, write = f"bank_read_{c}", f"bank_write_{c}"
                if known(getattr(self._dut, f"{write}_en")):
                    offset, value, mask = (
                        known(getattr(self._dut, f"{write}_{field}")) for field in ("offset", "data", "mask")
                    )
                    words[c, offset] = merge(words.get((c, offset), 0), value, mask)
                    before, word = due[-1].get(c, (None, 0))
                    if before == offset:
                        due[-1][c] = offset, merge(word, ~word, mask)
                if known(getattr(self._dut, f"{read}_en")):
                    offset = known(getattr(self._dut, f"{read}_offset"))
                    asked[c] = offset, words.get((c, offset), 0)
            due.append(asked)
            now = due.pop(0)
            for c in self._columns:
                unasked = UNKNOWN if four_valued() else 0xDEAD << 40
                getattr(self._dut, f"bank_data_{c}").value = now[c][1] if c in now else unasked


def runs(rng: random.Random, config: AcceleratorConfig, count: int) -> list[dict[str, int]]:
    """Run after run of several passes of n psums: `first` in the first pass, `last` in the last."""
    psums = []
    slots = config.global_buffer.depth * config.psums_per_word
    while len(psums) < count:
        n, passes = rng.choice((1, 2, 5, 6, 7, rng.randint(1, min(slots, 40)))), rng.randint(1, 4)
        psums += [
            {
                "psum": signed(rng, config.link_width),
                "first": int(k == 0),
                "last": int(k == passes - 1),
                "end": int(i == n - 1),
            }
            for k in range(passes)
            for i in range(n)
        ]
    return psums


def finals(config: AcceleratorConfig, psums: list[dict[str, int]]) -> list[int]:
    """The finished sums of a column."""
    slots: dict[int, int] = {}
    slot, done = 0, []
    for psum in psums:
        total = psum["psum"] if psum["first"] else add(config, config.psum_width, slots[slot], psum["psum"])
        if psum["last"]:
            done.append(total)
        slots[slot] = total
        slot = 0 if psum["end"] else slot + 1
    return done


@cocotb.test()
@cocotb.parametrize(stall=STALLS)
async def random_runs(dut: Any, stall: float) -> None:
    """Every finished sum of every column, in order."""
    config, queues = configuration(), tuple(map(tuple, settings()["queues"]))
    columns = sum(map(len, queues))
    port, rng = PsumPort(config, queues), generator("runs")
    streams = [runs(rng, config, settings()["psums"]) for _ in range(columns)]
    sources = [StreamSource(dut, port, f"psum_{c}", stall) for c in range(columns)]
    sink = SumSink(dut, queues, stall)
    banks = Banks(dut, columns)
    await start(dut, port)
    cocotb.start_soon(banks.run())
    cocotb.start_soon(sink.run())
    for source, stream in zip(sources, streams, strict=True):
        cocotb.start_soon(source.send(stream))
    expected = {c: [total % (1 << config.psum_width) for total in finals(config, stream)]
                for c, stream in enumerate(streams)}  # fmt: skip
    edge = RisingEdge(dut.clk)
    for _ in range(20_000):
        await edge
        if all(len(sink.received[c]) >= len(sums) for c, sums in expected.items()):
            break
    for _ in range(30):  # nothing may follow
        await edge
    assert sink.received == expected
