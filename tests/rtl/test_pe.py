"""The PE's emitted Verilog."""

import pytest

from orris_hw.config import preset
from orris_hw.gateware.pe import PE
from rtl.benches import SIMULATORS, bench


@pytest.mark.parametrize("name", ["tiny", "eyeriss-v1"])
@pytest.mark.parametrize("simulator", SIMULATORS)
def test_random_passes(simulator, name, seed, tmp_path):
    config = preset(name)
    bench(PE(config), "pe", simulator, config, seed, tmp_path, passes=12)
