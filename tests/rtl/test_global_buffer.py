"""The emitted Verilog of the global buffer and the psum port."""

import pytest

from orris_hw.config import preset
from orris_hw.gateware.global_buffer import GlobalBuffer
from orris_hw.gateware.psum_port import PsumPort
from rtl.benches import SIMULATORS, bench


def small(columns, banks, **changes):
    array = {"columns": columns}
    buffer = {"banks": banks, "depth": 16}
    changes = {"array": array, "global_buffer": buffer, "post_processing": {"lanes": 1}} | changes
    return preset("tiny").derive(changes)


@pytest.mark.parametrize("columns, banks", [(3, 5), (1, 2)])
@pytest.mark.parametrize("simulator", SIMULATORS)
def test_rounds(simulator, columns, banks, seed, tmp_path):
    config = small(columns, banks)
    bench(GlobalBuffer(config), "global_buffer", simulator, config, seed, tmp_path, rounds=4)


WIDTHS = {
    "integer 32": {},
    "fixed point 16": {"arithmetic": "fixed_point", "data_width": 16, "psum_width": 16},
}


@pytest.mark.parametrize(
    "queues, width", [(((0, 2), (1,)), "integer 32"), (((0,),), "fixed point 16")], ids=str
)
@pytest.mark.parametrize("simulator", SIMULATORS)
def test_sums(simulator, queues, width, seed, tmp_path):
    config = small(sum(map(len, queues)), 4, **WIDTHS[width])
    more = dict(queues=queues, psums=200)
    bench(PsumPort(config, queues), "psum_port", simulator, config, seed, tmp_path, **more)
