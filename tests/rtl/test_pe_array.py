"""The PE array's emitted Verilog."""

import pytest

from orris_hw.config import preset
from orris_hw.gateware.pe_array import PEArray
from rtl.benches import SIMULATORS, bench

CONFIGURATIONS = {
    "3x3": preset("tiny").derive({"array": {"rows": 3, "columns": 3}, "post_processing": {"lanes": 1}}),
    "1x1": preset("tiny").derive({
        "array": {"rows": 1, "columns": 1}, "post_processing": {"lanes": 1},
        "networks": {"ifmap_bits": 16, "filter_bits": 8, "psum_bits": 32, "fifo_depth": 2},
    }),
}  # fmt: skip


@pytest.mark.parametrize("name", CONFIGURATIONS)
@pytest.mark.parametrize("simulator", SIMULATORS)
def test_random_passes(simulator, name, seed, tmp_path):
    config = CONFIGURATIONS[name]
    bench(PEArray(config), "pe_array", simulator, config, seed, tmp_path, passes=8)
