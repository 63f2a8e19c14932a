"""What the tests of the emitted Verilog share."""

import pytest

from orris_sim.cocotb_runner import is_installed, run_bench

SIMULATORS = [
    pytest.param(name, marks=pytest.mark.skipif(not is_installed(name), reason=f"{name} is not installed"))
    for name in ("verilator", "icarus")
]


def bench(design, module, simulator, config, seed, directory, **settings):
    """Run the tests of `orris_sim.benches.<module>` on the design's Verilog."""
    run_bench(
        design,
        f"orris_sim.benches.{module}",
        simulator,
        seed=seed,
        settings={"config": config.model_dump(), **settings},
        directory=directory,
    )
