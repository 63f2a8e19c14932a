"""What firmware is tested with, on the model of its machine and in RTL."""

from collections.abc import Callable
from typing import Any

import numpy as np

from campaign import Place
from orris.compiler import compile_layer
from orris.driver import Device
from orris.golden import conv2d, random_layer_data
from orris.layers import ConvLayer, Padding
from orris.mapper import map_layer
from orris_hw.commands import BARRIER, END, LOAD, RUN, SEMAPHORES, SIGNAL, STORE
from orris_hw.config import AcceleratorConfig
from orris_hw.register_map import REGISTER, ErrorCode
from wild_programs import Wild


def configuration(name: str, pads: tuple[int, int, int], glb: tuple[int, int], channels: int):
    """One PE; scratchpads (filter, ifmap, psum), global buffer (banks, depth), parameter entries."""
    return AcceleratorConfig(
        name=name,
        array=dict(rows=1, columns=1),
        scratchpads=dict(zip(("filter", "ifmap", "psum"), pads, strict=True)),
        global_buffer=dict(zip(("banks", "depth"), glb, strict=True)),
        networks=dict(psum_bits=32),
        post_processing=dict(lanes=1, channels=channels),
        vector=dict(lanes=0),
        control=dict(kind="microcontroller", counters="few"),
    )


PLACES = {
    place.config.name: place
    for place in (
        Place(configuration("usual", (256, 16, 16), (2, 1024), 64), 20_000, 1),
        Place(configuration("least", (8, 4, 1), (4, 16), 8), 3_000, 1),
        Place(configuration("odd", (72, 13, 7), (3, 128), 40), 10_000, 1),
        Place(configuration("most", (1024, 63, 64), (3, 1024), 256), 20_000, 1),
    )
}
USUAL = PLACES["usual"].config


class Bench:
    """The usual configuration with a memory of random bytes, of which it may read and write a part.

    simulate : makes the machine; takes what `Simulator` takes.
    memory : more of that, of the memory.
    """

    MEMORY, READABLE, WRITABLE, CODE = 1 << 16, (0x1000, 0xE000), (0x4000, 0x9000), 0xC000

    def __init__(self, simulate: Callable[..., Any], seed: int, **memory: float):
        self.machine = simulate(USUAL, memory_bytes=self.MEMORY, seed=seed, **{"latency": 0, **memory})
        self.machine.memory[:] = np.random.default_rng(seed).integers(0, 256, self.MEMORY, np.uint8)
        self.device = Device(self.machine, USUAL)
        self.registers = {
            "READ_BASE": self.READABLE[0], "READ_LIMIT": self.READABLE[1],
            "WRITE_BASE": self.WRITABLE[0], "WRITE_LIMIT": self.WRITABLE[1], "TIMEOUT": 5_000,
        }  # fmt: skip
        layer = ConvLayer(name="good", M=8, C=8, H=6, W=6, R=3, S=3, padding=Padding.all(1))
        self.data = random_layer_data(layer, seed)
        self.good = compile_layer(
            layer, map_layer(layer, USUAL), USUAL, self.data.weights, self.data.requant, base=self.WRITABLE[0]
        )
        self.golden = conv2d(layer, self.data.ifmap, self.data.weights, self.data.requant)

    def read(self, name: str) -> int:
        return self.machine.read_register(REGISTER[name].offset)

    def write(self, name: str, value: int) -> None:
        self.machine.write_register(REGISTER[name].offset, value)

    def run(self, program: list[bytes], cycles: int = 100_000_000) -> tuple[ErrorCode, int]:
        """How a program ends, and where; it writes nothing outside of what it may."""
        self.machine.write_memory(self.CODE, b"".join(program))
        before = self.machine.memory.copy()
        self.device.reset()
        settings = {"PROGRAM_ADDRESS": self.CODE, "PROGRAM_COMMANDS": len(program)}
        for name, value in (self.registers | settings).items():
            self.write(name, value)
        self.write("CONTROL", REGISTER["CONTROL"].pack(start=1, irq_enable=1))
        assert self.machine.wait(cycles)
        code = ErrorCode(self.read("ERROR_CODE"))
        status = REGISTER["STATUS"].unpack(self.read("STATUS"))
        assert status == {"busy": 0, "done": code == 0, "error": code != 0}
        first, behind = self.WRITABLE
        changed = np.flatnonzero(before != self.machine.memory)
        assert ((changed >= first) & (changed < behind)).all()
        return code, self.read("ERROR_INDEX")

    def recovers(self) -> bool:
        """The next good program runs."""
        result = self.device.run_layer(self.good, self.data.ifmap, max_cycles=10_000_000)
        return np.array_equal(result.ofmap, self.golden)

    def run_waits(self, token: str) -> bool:
        """Whether the good program's last RUN takes that token: without it nothing goes on, with it all."""
        commands = [self.good.program[at : at + 64] for at in range(0, len(self.good.program), 64)]
        at = max(number for number, command in enumerate(commands) if command[0] == RUN.opcode)
        fields = RUN.unpack(commands[at])
        commands[at] = RUN.pack(fields | {f"wait_{token}": SEMAPHORES})
        tokens = SIGNAL.pack({"semaphore": SEMAPHORES, "count": fields["passes"]})
        self.device.load(self.good, self.data.ifmap)
        (without, _), (with_tokens, _) = self.run(commands), self.run([tokens, *commands])
        return without == ErrorCode.TIMEOUT and with_tokens == ErrorCode.NONE

    def close(self) -> None:
        self.machine.close()

    def wild(self, seed: int, count: int) -> set[ErrorCode]:
        """How so many wild programs end; every tenth is followed by a good one."""
        wild, ends = Wild(USUAL, self.MEMORY, self.WRITABLE[0]), set()
        for number in range(seed, seed + count):
            _, program = wild.draw(number)
            code, index = self.run(program)
            assert index <= len(program), number
            ends.add(code)
            assert number % 10 or self.recovers(), number
        return ends


def load(**fields: int) -> bytes:
    """From the beginning of the readable memory to that of the buffer, one word, unless told otherwise."""
    return LOAD.pack({"address": Bench.READABLE[0], "row_words": 1, "rows": 1, "planes": 1} | fields)


def store(**fields: int) -> bytes:
    return STORE.pack({"address": Bench.WRITABLE[0], "row_words": 1, "rows": 1, "planes": 1} | fields)


LAST_WORD = USUAL.glb_words - 1
LAST_PARAMETER = 2 * USUAL.post_processing.channels - 1


ENDS = [
    ([], ErrorCode.NONE, 0),
    ([load(), store(), END.pack({}), bytes(64)], ErrorCode.NONE, 0),
    ([load(), store(), BARRIER.pack({})], ErrorCode.NONE, 0),
    ([load(), bytes(64)], ErrorCode.BAD_OPCODE, 1),
    ([load(), bytes([7]) + bytes(63)], ErrorCode.BAD_OPCODE, 1),  # VECTOR: there is no vector unit
    ([load(planes=0)], ErrorCode.BAD_FIELD, 0),
    ([load(rows=0)], ErrorCode.BAD_FIELD, 0),
    ([load(row_words=0)], ErrorCode.BAD_FIELD, 0),
    ([load(ring=2, ring_start=2)], ErrorCode.BAD_FIELD, 0),
    ([load(address=Bench.READABLE[0] + 4)], ErrorCode.BAD_FIELD, 0),
    ([store(planes=0)], ErrorCode.BAD_FIELD, 0),
    ([RUN.pack({})], ErrorCode.BAD_FIELD, 0),
    ([load(address=Bench.READABLE[0] - 8)], ErrorCode.MEMORY_RANGE, 0),
    ([load(address=Bench.READABLE[1] - 8)], ErrorCode.NONE, 0),
    ([load(address=Bench.READABLE[1] - 8, row_words=2)], ErrorCode.MEMORY_RANGE, 0),
    ([load(address=Bench.READABLE[1])], ErrorCode.MEMORY_RANGE, 0),
    ([load(address=(1 << 32) - 8)], ErrorCode.MEMORY_RANGE, 0),
    ([load(), store(address=Bench.WRITABLE[1])], ErrorCode.MEMORY_RANGE, 1),
    ([load(), store(address=Bench.WRITABLE[0] - 8)], ErrorCode.MEMORY_RANGE, 1),
    ([load(buffer_address=LAST_WORD)], ErrorCode.NONE, 0),
    ([load(buffer_address=LAST_WORD, row_words=2)], ErrorCode.GLB_RANGE, 0),
    ([store(buffer_address=LAST_WORD + 1)], ErrorCode.GLB_RANGE, 0),
    ([load(parameters=1, buffer_address=LAST_PARAMETER)], ErrorCode.NONE, 0),
    ([load(parameters=1, buffer_address=LAST_PARAMETER + 1)], ErrorCode.GLB_RANGE, 0),
    ([load(wait=3)], ErrorCode.TIMEOUT, 0),
    ([SIGNAL.pack({"semaphore": 3, "count": 1}), load(wait=3)], ErrorCode.NONE, 0),
    ([SIGNAL.pack({"semaphore": 3, "count": n}) for n in (254, 1)], ErrorCode.NONE, 0),
    ([SIGNAL.pack({"semaphore": 3, "count": n}) for n in (255, 1)], ErrorCode.SEMAPHORE, 1),
    ([SIGNAL.pack({"semaphore": 0, "count": 255})] * 2, ErrorCode.NONE, 0),
    ([SIGNAL.pack({"semaphore": 3, "count": 2}), load(planes=2, each=1, wait=3)], ErrorCode.NONE, 0),
    ([SIGNAL.pack({"semaphore": 3, "count": 1}), load(planes=2, each=1, wait=3)], ErrorCode.TIMEOUT, 1),
    # A barrier takes tokens away.
    ([SIGNAL.pack({"semaphore": 3, "count": 1}), BARRIER.pack({}), load(wait=3)], ErrorCode.TIMEOUT, 2),
    # Units overtake each other, by as many commands as are queued; those of a unit do not.
    ([*[store(wait=1)] * 5, load(signal=1, planes=5, each=1)], ErrorCode.NONE, 0),
    ([*[store(wait=1)] * 6, load(signal=1, planes=6, each=1)], ErrorCode.TIMEOUT, 5),
    ([load(wait=1), load(signal=1)], ErrorCode.TIMEOUT, 1),
]
"""(commands, how they end, at which of them)"""
