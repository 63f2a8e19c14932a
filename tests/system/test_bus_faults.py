"""A memory that refuses or is slow: a defined error or the right result, and the next layer runs."""

import random

import numpy as np
import pytest

from campaign import MEMORY_BYTES, PLACES, Case, draw
from orris.driver import Device, DeviceError
from orris_hw.register_map import ErrorCode
from orris_sim import Simulator

NAMES = ("tiny", "five-by-three", "fixed-point")
FAULTS = 120
CYCLES = 2_000_000


def run(device: Device, case: Case, timeout: int = 1 << 14) -> str:
    """The name of the error the case ends with, or "right" or "wrong"."""
    try:
        tensors = case.data.ifmap, *case.operands
        result = device.run_layer(case.compiled, *tensors, timeout=timeout, max_cycles=CYCLES)
    except DeviceError as error:
        assert error.code is not None, error  # it has ended, with a code
        return error.code.name
    return "right" if np.array_equal(result.ofmap, case.golden()) else "wrong"


def small_case(name: str, numbers: random.Random) -> Case:
    while True:
        case = draw(PLACES[name], numbers.getrandbits(32))
        if case.layer.macs < 20_000:
            return case


@pytest.mark.parametrize("name", NAMES)
def test_refused_reads_and_writes(name, seed):
    numbers = random.Random(seed)
    ends: dict[str, int] = {}
    config = PLACES[name].config
    with Simulator(config, memory_bytes=MEMORY_BYTES, latency=20, stalls=0.2, seed=seed) as simulator:
        device = Device(simulator, config)
        for number in range(FAULTS // 5):
            case = small_case(name, numbers)
            for _ in range(5):
                reads = numbers.random() < 0.6
                base, limit = case.compiled.read_window if reads else case.compiled.write_window
                first = numbers.randrange(base, limit)
                fail = simulator.fail_reads if reads else simulator.fail_writes
                fail(first, first + numbers.choice((1, 8, 64, 4096)))
                end = run(device, case)
                fail(0, 0)
                print(number, case.seed, "reads" if reads else "writes", first - base, end)
                assert end in ("right", "BUS_READ" if reads else "BUS_WRITE")
                ends[end] = ends.get(end, 0) + 1
            assert run(device, case) == "right"  # nothing of the fault is left
    assert set(ends) == {"right", "BUS_READ", "BUS_WRITE"}, ends


@pytest.mark.parametrize("latency, stalls", [(5_000, 0.0), (300, 0.97)])
def test_a_memory_that_stalls_for_long(latency, stalls, seed):
    """Slow, but within the timeout: right. Slower than it: stopped, and the next program runs."""
    config = PLACES["tiny"].config
    case = small_case("tiny", random.Random(seed))
    with Simulator(
        config, memory_bytes=MEMORY_BYTES, latency=latency, stalls=stalls, seed=seed
    ) as simulator:
        device = Device(simulator, config)
        assert run(device, case) == "right"
        assert run(device, case, timeout=latency // 10) == ErrorCode.TIMEOUT.name
        assert run(device, case) == "right"
