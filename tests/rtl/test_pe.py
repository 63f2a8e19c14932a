"""The PE's emitted Verilog."""

import pytest

from orris_hw.config import preset
from orris_hw.gateware.pe import PE
from rtl.benches import SIMULATORS, bench


@pytest.mark.parametrize("stall", [0.0, 0.4])
@pytest.mark.parametrize("name", ["tiny", "eyeriss-v1"])
@pytest.mark.parametrize("simulator", SIMULATORS)
def test_random_passes(simulator, name, stall, seed, tmp_path):
    config = preset(name)
    bench(PE(config), "pe", simulator, config, seed, tmp_path, stall=stall, passes=12)
