"""The annealer: every placement is legal, better than its start, and the same for a seed."""

import json
from dataclasses import replace

import pytest

from orris_fpga.errors import BoardError
from orris_fpga.placement.placing import place_netlist
from orris_fpga.placement.settings import AnnealerSettings
from orris_hw.errors import OrrisError
from packed_netlists import SMALL, Packed, random_netlist

QUICK = AnnealerSettings(moves_per_cell=500, phases=20)
ONLY_WIRE = replace(QUICK, timing_weight=0, connection_weight=0, congestion_weight=0)


def _place(packed, directory, *, seed=1, settings=QUICK, progress=None):
    directory.mkdir(exist_ok=True)
    (directory / "packed.json").write_text(json.dumps({"modules": {"top": packed.module}}))
    placed = directory / "placed.json"
    phases = place_netlist(
        directory / "packed.json", placed, SMALL, 80e6, seed=seed, settings=settings, progress=progress
    )
    cells = json.loads(placed.read_text())["modules"]["top"]["cells"]
    return phases, {name: cell["attributes"]["NEXTPNR_BEL"] for name, cell in cells.items()}


def test_legal_and_better_than_its_start(tmp_path, seed):
    """`place_netlist` checks legality itself, with a check that has its own tests."""
    seen = []
    phases, sites = _place(random_netlist(seed), tmp_path, settings=ONLY_WIRE, progress=seen.append)
    assert seen == phases and [phase.done for phase in phases] == list(range(21))
    assert phases[-1].wirelength < 0.85 * phases[0].wirelength
    assert len(set(sites.values())) == len(sites)


def test_a_seed_gives_one_placement(tmp_path, seed):
    first, again, other = (
        _place(random_netlist(seed), tmp_path / name, seed=number)
        for name, number in (("first", 5), ("again", 5), ("other", 6))
    )
    assert first == again
    assert first[1] != other[1]


def test_a_full_device(tmp_path):
    """Four of five flip-flops taken, by two resets: nothing but legal tiles."""
    packed = Packed()
    reset = packed.pad("reset", packed.net(), "X0/Y3/PIOA")
    nets = [packed.clock]
    for index in range(8 * len(SMALL.tiles) * 4 // 5):
        wanted = reset if index % 16 < 8 else None
        nets.append(packed.flip_flop(f"flip_flop_{index}", nets[-1], reset=wanted))
    phases, _ = _place(packed, tmp_path)
    assert phases[-1].wirelength < phases[0].wirelength


def test_no_legal_place(tmp_path):
    """One flip-flop more of one reset than its tiles take, although the device has room."""
    packed = Packed()
    for index in range(len(SMALL.tiles) + 1):
        reset = packed.pad(f"reset_{index}", packed.net(), f"X0/Y{index}/PIOA")
        packed.flip_flop(f"flip_flop_{index}", reset, reset=reset)
    message = r"^the device has no legal place for 1 flip-flops \(.*fewer different resets"
    with pytest.raises(BoardError, match=message):
        _place(packed, tmp_path)


def test_a_path_through_a_multiplier_without_registers(tmp_path):
    """It counts from register to register, with the multiplication; with registers it ends there."""
    slowest = []
    for registers in (True, False):
        packed = Packed()
        product = packed.multiplier("multiplier", packed.flip_flop("from", packed.clock))
        names = [f"REG_{name}_CLK" for name in ("INPUTA", "INPUTB", "OUTPUT")]
        packed.cells["multiplier"]["parameters"] = dict.fromkeys(names, "CLK0") if registers else {}
        packed.flip_flop("to", product)
        phases, _ = _place(packed, tmp_path / str(registers), settings=ONLY_WIRE)
        slowest.append(phases[-1].slowest_ns)
    assert slowest[0] < 3.93 and slowest[1] > 3.93 + 0.62 + 2 * 0.4  # registers, and two wires


def test_no_compiler(tmp_path, monkeypatch):
    monkeypatch.setenv("CXX", "no-such-compiler")
    with pytest.raises(OrrisError, match=r"^there is no C\+\+ compiler 'no-such-compiler': install g\+\+"):
        _place(random_netlist(1), tmp_path)
