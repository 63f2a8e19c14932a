"""The emitted Verilog of the DMA engines, against an AXI memory that is not ours."""

import pytest

from orris_hw.config import preset
from orris_sim.benches.dma import top
from rtl.benches import SIMULATORS, bench


@pytest.mark.parametrize("block", ["read_dma", "write_dma"])
@pytest.mark.parametrize("simulator", SIMULATORS)
def test_random_transfers(simulator, block, seed, tmp_path):
    bench(top(block), "dma", simulator, preset("tiny"), seed, tmp_path, block=block, transfers=12)
