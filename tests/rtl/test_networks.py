"""The emitted Verilog of the networks' parts."""

import pytest

from orris_hw.config import preset
from orris_sim.benches.networks import BLOCKS
from rtl.benches import SIMULATORS, bench


@pytest.mark.parametrize("block", BLOCKS)
@pytest.mark.parametrize("simulator", SIMULATORS)
def test_random_beats(simulator, block, seed, tmp_path):
    config = preset("tiny")
    bench(BLOCKS[block][0](config), "networks", simulator, config, seed, tmp_path, block=block, beats=300)
