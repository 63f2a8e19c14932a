"""Post-processing's emitted Verilog."""

import pytest

from orris_hw.config import preset
from orris_hw.gateware.post_processing import PostProcessing
from rtl.benches import SIMULATORS, bench

CONFIGURATIONS = {
    "tiny": preset("tiny"),
    "one column": preset("tiny").derive({"array": {"columns": 1}, "post_processing": {"lanes": 1}}),
}


@pytest.mark.parametrize("name", CONFIGURATIONS)
@pytest.mark.parametrize("simulator", SIMULATORS)
def test_random_jobs(simulator, name, seed, tmp_path):
    config = CONFIGURATIONS[name]
    bench(PostProcessing(config), "post_processing", simulator, config, seed, tmp_path, jobs=10)
