"""Hardware with one thing wrong: the blocks' own tests must see it.

Each test runs on the right hardware first, so that it is the mutation it fails of.
"""

import inspect
import sys
import textwrap
from collections.abc import Callable
from typing import Any, NamedTuple

import pytest
from amaranth.sim import Simulator

from orris_hw.gateware.ifmap_columns import IfmapColumns
from orris_hw.gateware.pe import PE
from orris_hw.gateware.psum_port import PsumPort
from orris_hw.gateware.read_dma import ReadDma
from orris_hw.gateware.requantiser import Requantiser, Rounding
from orris_hw.gateware.write_dma import WriteDma
from orris_hw.gateware.x_bus import FilterStop, IfmapStop
from orris_hw.gateware.y_bus import IfmapRow
from unit import (
    test_ifmap_feeder,
    test_pe,
    test_psum_port,
    test_read_dma,
    test_requantiser,
    test_write_dma,
    test_x_bus,
    test_y_bus,
)

MOST_CYCLES = 5_000
"""After which a simulation is given up: wrong hardware often waits for ever."""

INT8 = test_requantiser.CONFIGS["int8"]


class Mutation(NamedTuple):
    """In `method` of `component`, or of its base, the text `right` becomes `wrong`, which `test` must see."""

    component: type
    right: str
    wrong: str
    test: Callable[[], None]
    method: str = "elaborate"


MUTATIONS = {
    "ifmap X-bus: the PE beside takes the value": Mutation(
        IfmapStop, "beat.tag == column_id", "beat.tag == column_id + 1",
        lambda: test_x_bus.test_multicast_by_tag(2, True, 0.3),
    ),
    "ifmap X-bus: every column on the same diagonal": Mutation(
        IfmapStop, "beat.tag + column if", "beat.tag if",
        lambda: test_x_bus.test_multicast_by_tag(2, True, 0.3),
    ),
    "filter X-bus: the set beside takes the value": Mutation(
        FilterStop, "beat.tag == column_id", "beat.tag == column_id + 1",
        lambda: test_x_bus.test_multicast_by_tag(2, False, 0.3),
    ),
    "ifmap Y-bus: a row takes another phase of the stride": Mutation(
        IfmapRow, "beat.phase == phase", "beat.phase == phase + 1",
        lambda: test_y_bus.test_multicast_to_rows("ifmap", 0.3),
    ),
    "PE: the last psum of a pass is lost": Mutation(
        PE, 'valid["product"] & summing.last_tap)', 'valid["product"] & summing.last_tap & ~summing.end)',
        lambda: test_pe.test_one_mac_every_cycle((2, 3, 2, 20), "lut_ram"),
    ),
    "PE: the psum from below is lost": Mutation(
        PE, "Mux(waits, waiting, below.payload.psum)", "Mux(waits, waiting, 0)",
        lambda: test_pe.test_random_passes("tiny", "lut_ram", 0.3),
    ),
    "PE: the psum from below that has to wait is lost": Mutation(
        PE, "waiting.eq(below.payload.psum)", "waiting.eq(0)",
        lambda: test_pe.test_random_passes("tiny", "lut_ram", 0.3),
    ),
    "psum port: the psum of the passes before is lost": Mutation(
        PsumPort, "Mux(returning.first, 0, slot_of_word)", "0",
        lambda: test_psum_port.test_random_runs(2, True, 32, "integer"),
    ),
    "PE: the window moves one value too far": Mutation(
        PE, "tap < current.step", "tap <= current.step",
        lambda: test_pe.test_one_mac_every_cycle((2, 3, 1, 20), "lut_ram"),
    ),
    "PE: the window is one value short": Mutation(
        PE, "tap == current.taps", "tap + 1 == current.taps",
        lambda: test_pe.test_one_mac_every_cycle((2, 3, 2, 20), "lut_ram"),
    ),
    "ifmap walk: one column of padding too many": Mutation(
        IfmapColumns, "before.eq(run.pad_left)", "before.eq(run.pad_left + 1)",
        lambda: test_ifmap_feeder.test_beats_of_random_runs("tiny", 1),
    ),
    "requantiser: double for single rounding": Mutation(
        Requantiser, "rounding == Rounding.DOUBLE", "rounding == Rounding.SINGLE",
        lambda: test_requantiser.test_bit_exact(INT8, Rounding.SINGLE), "_requantise",
    ),
    "requantiser: single for double rounding": Mutation(
        Requantiser, "rounding == Rounding.DOUBLE", "rounding == Rounding.SINGLE",
        lambda: test_requantiser.test_bit_exact(INT8, Rounding.DOUBLE), "_requantise",
    ),
    "read DMA: a beat of a burst is dropped": Mutation(
        ReadDma, "accept & ~bad", "accept & ~bad & (index != 3)",
        lambda: test_read_dma.test_values(0.2, 5, 1),
    ),
    "write DMA: a beat of a burst is dropped": Mutation(
        WriteDma, "bus.wvalid.eq(1)", "bus.wvalid.eq(sent != 3)",
        lambda: test_write_dma.test_values(0.2, 5, 1),
    ),
}  # fmt: skip


@pytest.fixture(autouse=True)
def bounded(monkeypatch):
    """Gives up simulations after `MOST_CYCLES`."""
    run = Simulator.run

    async def deadline(ctx: Any) -> None:
        for _ in range(MOST_CYCLES):
            await ctx.tick()
        raise AssertionError(f"not done after {MOST_CYCLES} cycles")

    def bounded_run(simulator: Simulator) -> None:
        simulator.add_testbench(deadline, background=True)
        run(simulator)

    monkeypatch.setattr(Simulator, "run", bounded_run)


def mutate(monkeypatch: pytest.MonkeyPatch, mutation: Mutation) -> None:
    """Exchanges the method that holds the text; it must be there, and only once."""
    name = mutation.method
    owners = [cls for cls in mutation.component.__mro__ if name in vars(cls)]
    sources = [(cls, inspect.getsource(vars(cls)[name])) for cls in owners if cls.__module__ != "builtins"]
    found = [(cls, source) for cls, source in sources if mutation.right in source]
    assert sum(source.count(mutation.right) for _, source in found) == 1, (
        f"{mutation.right!r} is not just once in {name} of {mutation.component.__name__}: adapt the mutation"
    )
    owner, source = found[0]
    changed: dict[str, Any] = {}
    text = textwrap.dedent(source).replace(mutation.right, mutation.wrong)
    exec(text, vars(sys.modules[owner.__module__]), changed)
    monkeypatch.setattr(owner, name, changed[name])


# Benches that an assertion leaves behind in the middle of a wait complain when they are collected.
@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
@pytest.mark.parametrize("name", MUTATIONS)
def test_goes_red(name, monkeypatch):
    mutation = MUTATIONS[name]
    mutation.test()
    mutate(monkeypatch, mutation)
    with pytest.raises(AssertionError):
        mutation.test()
