"""The whole accelerator's emitted Verilog, against an AXI memory and host that are not ours."""

import pytest

from orris_hw.config import preset
from orris_sim.benches.accelerator import top
from rtl.benches import SIMULATORS, bench

THREE = dict(name="3x3", N=1, G=1, M=8, C=8, H=4, W=6, R=3, S=3, padding=(1, 1, 1, 1))
POINTWISE = dict(name="pointwise", N=1, G=1, M=5, C=12, H=3, W=3, R=1, S=1)
STRIDED = dict(name="strided", N=2, G=2, M=6, C=4, H=7, W=7, R=3, S=3, U=2, padding=(1, 0, 1, 0))
SMALL = dict(name="small", N=1, G=1, M=3, C=2, H=4, W=5, R=3, S=2, padding=(0, 1, 1, 0))
CONFIGURATIONS = {
    "tiny": preset("tiny"),
    "1x1": preset("tiny").derive({
        "array": {"rows": 1, "columns": 1}, "post_processing": {"lanes": 1}, "networks": {"psum_bits": 32},
    }),
}
LAYERS = {"tiny": [THREE, POINTWISE, STRIDED], "1x1": [POINTWISE, SMALL]}


@pytest.mark.parametrize("name", CONFIGURATIONS)
@pytest.mark.parametrize("simulator", SIMULATORS)
def test_layers(simulator, name, seed, tmp_path):
    config = CONFIGURATIONS[name]
    more = dict(layers=LAYERS[name], cycles=60_000)
    bench(top(config), "accelerator", simulator, config, seed, tmp_path, **more)


@pytest.mark.parametrize("simulator", SIMULATORS[:1])  # to others, what nobody wrote in the RAM is unknown
def test_layers_by_firmware(simulator, seed, tmp_path):
    config = preset("icebreaker")
    bench(top(config), "accelerator", simulator, config, seed, tmp_path, layers=[SMALL], cycles=400_000)


@pytest.mark.parametrize("simulator", SIMULATORS[:1])
def test_layers_through_a_port_of_256_bits(simulator, seed, tmp_path):
    """Bursts begin and end anywhere in a beat of 32 bytes."""
    config = preset("tiny").derive({"memory": {"port_bits": 256}})
    more = dict(layers=[POINTWISE, SMALL], cycles=60_000)
    bench(top(config), "accelerator", simulator, config, seed, tmp_path, **more)
