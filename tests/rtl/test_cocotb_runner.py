"""The runner itself: what fails is reported, and a seed repeats a run."""

import pytest

from orris_hw.config import preset
from orris_hw.gateware.x_bus import IfmapStop
from orris_sim.cocotb_runner import BenchFailure, run_bench
from rtl.benches import SIMULATORS


def run(simulator, directory, module="orris_sim.benches.networks", seed=1, **settings):
    config = preset("tiny")
    settings = {"config": config.model_dump(), "block": "ifmap_stop", "beats": 40} | settings
    run_bench(IfmapStop(config, 1), module, simulator, seed=seed, settings=settings, directory=directory)


@pytest.mark.parametrize("simulator", SIMULATORS)
def test_failure_names_bench_seed_and_reason(simulator, tmp_path):
    with pytest.raises(BenchFailure, match=rf"networks on {simulator}, seed 7: random_beats.*: \w+"):
        run(simulator, tmp_path, seed=7, block="ifmap_row")  # the bench of another design


@pytest.mark.parametrize("module, reason", [
    ("orris_sim.benches.streams", "results"),  # has no tests
    ("orris_sim.benches.nothing", "results"),  # does not exist
])  # fmt: skip
def test_a_bench_that_does_not_run_is_no_success(module, reason, tmp_path):
    with pytest.raises(BenchFailure, match=reason):
        run("verilator", tmp_path, module)


@pytest.mark.parametrize("simulator", SIMULATORS)
def test_same_seed_same_run(simulator, tmp_path):
    ends = []
    for number, seed in enumerate((5, 5, 6)):
        place = tmp_path / str(number)
        place.mkdir()
        run(simulator, place, seed=seed)
        log = (place / "bench.log").read_text()
        # Simulated time of each test.
        ends.append([line.partition(" PASS ")[2].split()[0] for line in log.splitlines() if " PASS " in line])
    assert len(ends[0]) == 2 and ends[0] == ends[1] != ends[2]


def test_unknown_simulator(tmp_path):
    with pytest.raises(ValueError, match="simulator must be one of verilator, icarus, not 'modelsim'"):
        run("modelsim", tmp_path)
