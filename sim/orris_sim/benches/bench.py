"""What every bench begins with: clock, reset, settings, seed, and an eye on unknown outputs."""

import json
import os
import random
from collections.abc import Iterable
from typing import Any

import cocotb
from amaranth.lib import wiring
from cocotb.clock import Clock
from cocotb.triggers import RisingEdge

from orris_hw.config import AcceleratorConfig
from orris_hw.emission.ports import component_ports

PERIOD = 10
"""Clock period in ns."""
STALLS = (0.0, 0.4)
"""Every bench runs without stalls; then, after a reset from where that ended, with stalls on every port."""


def settings() -> dict[str, Any]:
    """What `run_bench` was given for the bench."""
    return json.loads(os.environ["ORRIS_BENCH"])


def configuration() -> AcceleratorConfig:
    """The configuration of the design, from the settings."""
    return AcceleratorConfig.model_validate(settings()["config"])


def generator(name: str) -> random.Random:
    """Random numbers of their own for each part of a bench, from the run's seed."""
    return random.Random(f"{cocotb.RANDOM_SEED} {name}")  # type: ignore[attr-defined]


def four_valued() -> bool:
    """Whether the simulator knows X."""
    return "verilator" not in cocotb.SIM_NAME.lower()  # type: ignore[attr-defined]


def known(handle: Any) -> int:
    """The unsigned value of a signal, all of whose bits must be 0 or 1."""
    value = handle.value
    if hasattr(value, "is_resolvable") and not value.is_resolvable:
        raise AssertionError(f"{handle._name} is {value}")
    return int(value.to_unsigned()) if hasattr(value, "to_unsigned") else int(value)


async def known_after_reset(dut: Any, outputs: Iterable[str], cycles: int | None = None) -> None:
    """Fails if any bit of an output is X or Z at a clock edge.

    To be started when reset ends: the first edge it looks at is the first one after reset. It looks for
    `cycles`, or as long as the bench runs. A simulator without X has nothing to show.
    """
    handles = [getattr(dut, name) for name in outputs]
    edge, seen = RisingEdge(dut.clk), 0
    while four_valued() and seen != cycles:
        await edge
        for handle in handles:
            if not handle.value.is_resolvable:
                raise AssertionError(f"output {handle._name} is {handle.value}, {seen} cycles after reset")
        seen += 1


async def start(dut: Any, component: wiring.Component) -> None:
    """Starts the clock, resets, and watches all outputs from then on.

    Sources and sinks must be there already, so that every input is driven when reset ends.
    """
    names = [port.name for port, _ in component_ports(component) if port.direction == "output"]
    cocotb.start_soon(Clock(dut.clk, PERIOD, unit="ns").start())
    dut.rst.value = 1
    for _ in range(2):
        await RisingEdge(dut.clk)
    dut.rst.value = 0
    cocotb.start_soon(known_after_reset(dut, names))
