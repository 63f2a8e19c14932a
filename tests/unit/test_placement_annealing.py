"""The annealer: every placement is legal, better than its start, and the same for a seed."""

import json
from dataclasses import replace

import pytest

from orris_fpga.errors import BoardError
from orris_fpga.placement.packed_netlist import location
from orris_fpga.placement.placing import place_netlist
from orris_fpga.placement.settings import AnnealerSettings
from orris_hw.errors import OrrisError
from packed_netlists import SMALL, Packed, random_netlist

QUICK = AnnealerSettings(moves_per_cell=500, phases=20)
FOR_TIMING = AnnealerSettings(moves_per_cell=3000, phases=30, urgent_share=0)
ONLY_WIRE = replace(QUICK, timing_weight=0, connection_weight=0, congestion_weight=0)


def _place(packed, directory, *, seed=1, settings=QUICK, clock_hz=80e6, progress=None):
    directory.mkdir(exist_ok=True)
    (directory / "packed.json").write_text(json.dumps({"modules": {"top": packed.module}}))
    placed = directory / "placed.json"
    phases = place_netlist(
        directory / "packed.json", placed, SMALL, clock_hz, seed=seed, settings=settings, progress=progress
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


def test_cells_come_home(tmp_path):
    """Without a move by chance: the start leaves flip-flops far from their nets where tiles are full."""
    packed = Packed()
    resets = [None, *(packed.pad(f"reset_{i}", packed.net(), f"X0/Y{3 + i}/PIOA") for i in range(2))]
    net = packed.clock
    for index in range(8 * len(SMALL.tiles) * 7 // 10):
        net = packed.flip_flop(f"flip_flop_{index}", net, reset=resets[index // 3 % 3])
    phases, _ = _place(packed, tmp_path, settings=replace(QUICK, moves_per_cell=0, phases=4))
    assert [phase.wirelength for phase in phases[:2]] == 2 * [phases[0].wirelength]
    assert phases[-1].wirelength < 0.99 * phases[0].wirelength


def test_sites_at_the_start(tmp_path):
    """The first block RAM may not take what suits the second better, and send the last across the device."""
    packed = Packed()
    memories = SMALL.memories
    columns = [location(site)[0] for site in memories]
    for index, column in enumerate(columns):
        # The first is drawn to the left of where the second wants to be, but that is nearer than its own.
        wanted = (columns[1] - 1, columns[1]) if index == 0 else (column,)
        pads = {
            f"DIA{i}": packed.pad(f"pad_{index}_{i}", packed.net(), f"X{at}/Y0/PIO{'AB'[i]}")
            for i, at in enumerate(wanted)
        }
        packed.add(f"memory_{index}", "DP16KD", pads, {"DOA0": packed.net()})
    _, sites = _place(packed, tmp_path, settings=replace(QUICK, moves_per_cell=0, phases=1))
    assert [sites[f"memory_{index}"] for index in range(len(memories))] == list(memories)


def test_a_slow_path_weighs_more_until_it_is_fast(tmp_path):
    """Many nets draw its LUTs away from where it begins and ends; what draws it back has to grow."""
    packed = Packed()
    net = packed.net()
    packed.add("memory", "DP16KD", {}, {"DOA0": net}, site=SMALL.memories[-1])
    for index in range(4):
        pads = [packed.pad(f"pad_{index}{p}", packed.net(), f"X0/Y{2 + index}/PIO{p}") for p in "ABC"]
        net = packed.lut(f"lut_{index}", net, *pads)
    packed.add("end", "TRELLIS_IO", {"I": net}, {}, site="X14/Y5/PIOA")
    slowest = {}
    for most in (1, 16):
        settings = replace(FOR_TIMING, most_pressure=most)
        runs = [_place(packed, tmp_path, seed=seed, settings=settings, clock_hz=90e6)[0] for seed in range(5)]
        slowest[most] = sum(phases[-1].slowest_ns for phases in runs) / len(runs)
    assert slowest[16] < slowest[1] - 0.5


def test_the_fastest_of_the_last_phases_is_kept(tmp_path):
    """Of a quarter of the phases here; the last one is seldom it."""
    differs = 0
    for seed in range(4):
        settings = AnnealerSettings(moves_per_cell=150, phases=20)
        phases, _ = _place(random_netlist(seed), tmp_path, settings=settings, clock_hz=150e6)
        assert phases[-1].slowest_ns == min(phase.slowest_ns for phase in phases[-5:])
        differs += phases[-1].wirelength > phases[-2].wirelength
    assert differs


def test_cells_of_slow_paths_get_moves_of_their_own(tmp_path):
    """One slow path among hundreds of cells, and hardly any moves."""
    packed = random_netlist(1, 300)
    net = packed.pad("start", packed.net(), "X14/Y2/PIOA")
    for index in range(25):
        net = packed.lut(f"slow_{index}", net)
    packed.add("end", "TRELLIS_IO", {"I": net}, {}, site="X14/Y3/PIOA")
    slowest = {}
    for share in (0, 0.3):
        settings = AnnealerSettings(moves_per_cell=20, phases=20, urgent_share=share, congestion_weight=3)
        runs = [_place(packed, tmp_path, seed=seed, settings=settings)[0] for seed in range(5)]
        slowest[share] = sum(phases[-1].slowest_ns for phases in runs) / len(runs)
    assert slowest[0.3] < slowest[0] - 1


def test_no_compiler(tmp_path, monkeypatch):
    monkeypatch.setenv("CXX", "no-such-compiler")
    with pytest.raises(OrrisError, match=r"^there is no C\+\+ compiler 'no-such-compiler': install g\+\+"):
        _place(random_netlist(1), tmp_path)
