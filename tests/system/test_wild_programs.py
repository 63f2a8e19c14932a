"""Whatever the program, the accelerator ends in a defined state in time, and writes only where it may."""

import random

import numpy as np
import pytest

from orris.compiler import compile_layer
from orris.driver import Device
from orris.golden import conv2d, random_layer_data
from orris.layers import ConvLayer, Padding
from orris.mapper import map_layer
from orris_hw.config import PRESETS
from orris_hw.register_map import REGISTER, ErrorCode
from orris_sim import Simulator
from wild_programs import COMMAND_BYTES, MOST_CYCLES, Program, Wild, bound

TINY = PRESETS["tiny"]
MEMORY = 1 << 16
READABLE = (0x1000, 0xE000)
WRITABLE = (0x4000, 0x9000)
CODE = 0xC000
STANDSTILL = 600
"""Cycles without progress after which the accelerator gives up."""
GOOD = ConvLayer(name="good", M=8, C=8, H=6, W=6, R=3, S=3, padding=Padding.all(1))
PROGRAMS = 5_000
LONG_PROGRAMS = 100_000


class Bench:
    """An accelerator whose memory may be read and written in part."""

    def __init__(self, seed: int, **memory: float):
        self.simulator = Simulator(TINY, memory_bytes=MEMORY, seed=seed, **memory)
        self.device = Device(self.simulator, TINY)
        self.data = random_layer_data(GOOD, seed)
        weights, requant = self.data.weights, self.data.requant
        self.good = compile_layer(GOOD, map_layer(GOOD, TINY), TINY, weights, requant, base=WRITABLE[0])
        self.golden = conv2d(GOOD, self.data.ifmap, weights, requant)

    def write(self, name: str, value: int) -> None:
        self.simulator.write_register(REGISTER[name].offset, value)

    def read(self, name: str) -> int:
        return self.simulator.read_register(REGISTER[name].offset)

    def problem(self, program: Program) -> str | None:
        """What is wrong with how a program ends."""
        content = b"".join(program)
        self.simulator.write_memory(CODE, content)
        before = self.simulator.memory.copy()
        self.device.reset()
        for name, value in (
            ("PROGRAM_ADDRESS", CODE),
            ("PROGRAM_COMMANDS", len(program)),
            ("READ_BASE", READABLE[0]),
            ("READ_LIMIT", READABLE[1]),
            ("WRITE_BASE", WRITABLE[0]),
            ("WRITE_LIMIT", WRITABLE[1]),
            ("TIMEOUT", STANDSTILL),
        ):
            self.write(name, value)
        self.write("CONTROL", REGISTER["CONTROL"].pack(start=1, irq_enable=1))
        limit = bound(program) * 10 + 10 * STANDSTILL
        ended = self.simulator.wait(limit)
        status = REGISTER["STATUS"].unpack(self.read("STATUS"))
        code = self.read("ERROR_CODE")
        if not ended or status["busy"]:
            return f"has not ended after {limit} cycles: {status}"
        if status["done"] == status["error"]:
            return f"ends as {status}"
        if status["error"] and code not in list(ErrorCode)[1:]:
            return f"ends with the unknown error {code}"
        # The end of the program is a command, too: the one behind the last.
        if status["error"] and self.read("ERROR_INDEX") > len(program):
            return f"ends with an error in command {self.read('ERROR_INDEX')} of {len(program)}"
        after = self.simulator.memory
        base, end = WRITABLE
        if not (np.array_equal(before[:base], after[:base]) and np.array_equal(before[end:], after[end:])):
            return "has written outside its window"
        return None

    def recovers(self) -> bool:
        """The next good program runs, whatever came before it."""
        result = self.device.run_layer(self.good, self.data.ifmap, max_cycles=100_000)
        return np.array_equal(result.ofmap, self.golden)


def campaign(seed: int, programs: int) -> None:
    wild = Wild(TINY, MEMORY, WRITABLE[0])
    numbers = random.Random(seed)
    problems, ends = [], dict.fromkeys(ErrorCode, 0)
    for start in range(seed, seed + programs, 500):
        memory = numbers.choice((dict(latency=0, bandwidth=16.0), dict(latency=9, stalls=0.3)))
        bench = Bench(start, **memory)
        with bench.simulator:
            fill = np.random.default_rng(start)
            bench.simulator.memory[:] = fill.integers(0, 256, MEMORY, np.uint8)
            for number in range(start, min(start + 500, seed + programs)):
                kind, program = wild.draw(number)
                if problem := bench.problem(program):
                    again = f"pytest '{__file__}::test_one_wild_program' --seed {number}"
                    problems.append(f"{kind} {number} ({memory}): {problem}\n{again}")
                    break
                ends[ErrorCode(bench.read("ERROR_CODE"))] += 1
                if number % 10 == 0 and not bench.recovers():
                    problems.append(f"{kind} {number} ({memory}): the next program is not right")
                    break
    print({code.name: count for code, count in ends.items()})
    assert not problems, "\n".join(problems)
    # A campaign that only ever sees its commands refused tests little.
    assert all(count for code, count in ends.items() if code not in (ErrorCode.BUS_READ, ErrorCode.BUS_WRITE))


@pytest.mark.parametrize("part", range(2))
def test_wild_programs(seed, part):
    campaign(seed, PROGRAMS)


@pytest.mark.long
def test_many_wild_programs(seed):
    campaign(seed, LONG_PROGRAMS)


def test_one_wild_program(seed):
    """A single program; it is what a failing campaign names, with its seed."""
    kind, program = Wild(TINY, MEMORY, WRITABLE[0]).draw(seed)
    print(kind, len(program), bound(program))
    bench = Bench(seed, latency=9, stalls=0.3)
    with bench.simulator:
        assert bench.problem(program) is None
        assert bench.recovers()


def test_programs_are_short_enough(seed):
    """Also those of real layers, or none of their mutants would be run."""
    wild = Wild(TINY, MEMORY, WRITABLE[0])
    kinds = set()
    for number in range(seed, seed + 300):
        kind, program = wild.draw(number)
        kinds.add(kind)
        assert bound(program) <= MOST_CYCLES and all(len(command) == COMMAND_BYTES for command in program)
    assert kinds == {"bits", "fields", "changed", "shuffled", "tokens", "overlapping", "bits_flipped"}
