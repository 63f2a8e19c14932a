"""Read and write DMA, with cocotbext-axi as the memory."""

import random
from typing import Any

import cocotb
from amaranth.lib import wiring
from cocotb.triggers import RisingEdge

from orris_hw.gateware.read_dma import Destination, ReadDma
from orris_hw.gateware.write_dma import WriteDma

from .axi import CANARY, Memory, WithIds
from .bench import STALLS, generator, known, settings, start
from .streams import StreamSink, StreamSource

SIZE = 1 << 15
ADDRESS_MASK = (1 << 20) - 1


def top(block: str) -> WithIds:
    """What the bench runs on: `read_dma` or `write_dma`."""
    return WithIds(ReadDma() if block == "read_dma" else WriteDma(), block, "axi")


def rectangle(rng: random.Random, address: int) -> dict[str, int]:
    """Rows of a transfer from byte `address` on, often across a 4 KiB boundary, none on top of another."""
    row_words, rows = rng.choice((1, 2, 5, 13, 33, 70)), rng.randint(1, 4)
    stride = 8 * (row_words + rng.choice((0, 0, 1, 7)))
    return {"addr": address, "row_words": row_words, "rows": rows, "row_stride": stride}


def transfers(rng: random.Random, count: int) -> list[dict[str, int]]:
    """Rectangles one behind the other in memory, each with a place in the buffer."""
    result, address = [], 4096 - 8 * rng.randint(1, 40)
    for _ in range(count):
        shape = rectangle(rng, address)
        address += shape["rows"] * shape["row_stride"] + 8 * rng.randrange(3)
        result.append(shape | {"place": rng.getrandbits(20), "place_stride": rng.getrandbits(20)})
    assert address <= SIZE, "the memory is too small for the transfers"
    return result


def words(transfer: dict[str, int]) -> list[tuple[int, int]]:
    """(byte address in memory, word address in the buffer) of every word, in order."""
    return [
        (
            transfer["addr"] + row * transfer["row_stride"] + 8 * k,
            (transfer["place"] + row * transfer["place_stride"] + k) & ADDRESS_MASK,
        )
        for row in range(transfer["rows"])
        for k in range(transfer["row_words"])
    ]


def fields(transfer: dict[str, int], place: str, stride: str) -> dict[str, int]:
    """The payload of a transfer, whose place in the buffer has names of the block's own."""
    rest = {name: transfer[name] for name in ("addr", "row_words", "rows", "row_stride")}
    return rest | {place: transfer["place"], stride: transfer["place_stride"]}


class Watch:
    """Counts `done`, and fails on an error."""

    def __init__(self, dut: Any):
        self._dut, self.done = dut, 0

    async def run(self) -> None:
        """To the end of the bench."""
        edge = RisingEdge(self._dut.clk)
        while True:
            await edge
            self.done += known(self._dut.done)
            assert not known(self._dut.error), f"error {known(self._dut.error_code)}"

    async def wait(self, count: int, cycles: int) -> None:
        """Until so many transfers are done and the block is idle."""
        edge = RisingEdge(self._dut.clk)
        for _ in range(cycles):
            await edge
            if self.done >= count and known(self._dut.idle):
                break
        assert self.done == count, f"{self.done} of {count} transfers are done after {cycles} cycles"


async def _begin(dut: Any, component: wiring.Component) -> Watch:
    dut.window_base.value, dut.window_limit.value, dut.halt.value = 0, SIZE, 0
    await start(dut, component)
    watch = Watch(dut)
    cocotb.start_soon(watch.run())
    return watch


async def _read(dut: Any, dma: WithIds, stall: float) -> None:
    rng = generator("transfers")
    memory = Memory(dut, "axi", SIZE, stall)
    memory.content[:] = rng.randbytes(SIZE)
    work = [(t, rng.choice(list(Destination)).value) for t in transfers(rng, settings()["transfers"])]
    source = StreamSource(dut, dma, "transfer", stall)
    sink = StreamSink(dut, dma, "write", stall).start()
    watch = await _begin(dut, dma)
    cocotb.start_soon(
        source.send(fields(t, "dest_addr", "dest_stride") | {"dest": destination} for t, destination in work)
    )
    await watch.wait(len(work), 30_000)
    expected = [
        {"dest": destination, "addr": place, "data": int.from_bytes(memory.content[a : a + 8], "little")}
        for t, destination in work
        for a, place in words(t)
    ]
    await sink.check(expected, 0)


async def _write(dut: Any, dma: WithIds, stall: float) -> None:
    rng = generator("transfers")
    memory = Memory(dut, "axi", SIZE, stall)
    memory.content[:] = bytes([CANARY]) * SIZE
    work = transfers(rng, settings()["transfers"])
    source = StreamSource(dut, dma, "transfer", stall)
    requests = StreamSink(dut, dma, "read", stall).start()
    answers = StreamSource(dut, dma, "data", stall)

    def word(place: int) -> int:
        return place * 0x9E3779B97F4A7C15 % (1 << 64)  # of the buffer: any function of the address

    async def buffer() -> None:
        edge = RisingEdge(dut.clk)
        while True:
            if answers.sent < len(requests.received):
                await answers.send([word(requests.received[answers.sent]["addr"])])
            else:
                await edge

    watch = await _begin(dut, dma)
    cocotb.start_soon(buffer())
    cocotb.start_soon(source.send(fields(t, "src_addr", "src_stride") for t in work))
    await watch.wait(len(work), 30_000)
    await requests.check([{"addr": place} for t in work for _, place in words(t)], 0)
    expected = bytearray([CANARY]) * SIZE
    for t in work:
        for address, place in words(t):
            expected[address : address + 8] = word(place).to_bytes(8, "little")
    wrong = [a for a in range(SIZE) if memory.content[a] != expected[a]]
    assert not wrong, f"{len(wrong)} bytes of memory are wrong, the first is {wrong[0]:#x}"


@cocotb.test()
@cocotb.parametrize(stall=STALLS)
async def random_transfers(dut: Any, stall: float) -> None:
    """Every word of every transfer arrives, in order, and nothing else changes."""
    block = settings()["block"]
    await (_read if block == "read_dma" else _write)(dut, top(block), stall)
