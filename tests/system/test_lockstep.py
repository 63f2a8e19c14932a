"""The PE grid in lockstep and in Verilator side by side, on the same traffic: no output ever differs."""

import random
from functools import partial

import pytest

import orris_sim.simulator
from orris.layers import ConvLayer
from orris_hw.config import preset
from orris_sim import Simulator
from orris_sim.layer_run import MemoryModel, run_layer
from orris_sim.lockstep import with_lockstep

TINY = preset("tiny")
ODD = TINY.derive({
    "name": "odd", "array": {"rows": 5, "columns": 3}, "psum_width": 40,
    "networks": {"psum_bits": 64, "stop_columns": 2},
})  # fmt: skip
ONE_PE = TINY.derive({
    "name": "one-pe", "array": {"rows": 1, "columns": 1}, "networks": {"psum_bits": 32},
    "post_processing": {"lanes": 1},
})  # fmt: skip
FIXED_POINT = TINY.derive({
    "name": "fixed-point", "data_width": 16, "psum_width": 16, "arithmetic": "fixed_point",
    "scratchpads": {"filter": 48, "ifmap": 12, "psum": 8},
})  # fmt: skip


@pytest.fixture
def differences(monkeypatch):
    """Cycles with a difference, of every simulator once it is closed."""
    found = []
    close = Simulator.close

    def record(simulator):
        if simulator._machine:
            found.append(simulator._library.lockstep_differences())
        close(simulator)

    monkeypatch.setattr(Simulator, "close", record)
    monkeypatch.setattr(orris_sim.simulator, "with_lockstep", partial(with_lockstep, check=True))
    return found


@pytest.mark.parametrize("config", [
    TINY, *(pytest.param(config, marks=pytest.mark.long) for config in (ODD, ONE_PE, FIXED_POINT)),
], ids=lambda config: config.name)  # fmt: skip
def test_side_by_side(config, seed, differences):
    numbers = random.Random(seed)
    for number in range(2):
        layer = ConvLayer(M=7, C=5, H=9, W=numbers.randint(7, 12), R=3, S=3, U=number + 1, ifmap_zeros=0.4)
        run = run_layer(layer, config, seed=seed, memory=MemoryModel(20, 8.0, 0.3 * number))
        assert run.report.problem is None and run.report.mismatches == 0
        assert run.report.counters["mac_done"] > 1000
    assert differences == [0, 0]
