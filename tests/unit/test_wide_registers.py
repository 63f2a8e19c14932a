"""Registers that too many cells read have copies, and everything still reads what it did."""

import json
from collections import Counter

import pytest

from orris_fpga.wide_registers import MOST_READERS, copy_wide_registers

CLOCK, DATA, WIDE, NARROW = 2, 3, 4, 5


def register(data, output, **parameters):
    return {
        "type": "TRELLIS_FF",
        "parameters": {"SRMODE": "LSR_OVER_CE", **parameters},
        "attributes": {},
        "port_directions": {"CLK": "input", "DI": "input", "LSR": "input", "Q": "output"},
        "connections": {"CLK": [CLOCK], "DI": [data], "LSR": ["0"], "Q": [output]},
    }


def lut(first, second):
    return {
        "type": "LUT4",
        "parameters": {},
        "attributes": {},
        "port_directions": {"A": "input", "B": "input"},
        "connections": {"A": [first], "B": [second]},
    }


def design(readers, **parameters):
    """Two registers; `readers` names cells that read the wide one, at B, and the narrow one at A."""
    cells = {"wide": register(DATA, WIDE, **parameters), "narrow": register(DATA, NARROW)}
    cells |= {name: lut(NARROW if place < MOST_READERS else DATA, WIDE) for place, name in enumerate(readers)}
    nets = {name: {"bits": [bit], "hide_name": 0, "attributes": {}}
            for name, bit in (("clk", CLOCK), ("d", DATA), ("w", WIDE), ("n", NARROW))}
    return {"modules": {"top": {"ports": {}, "cells": cells, "netnames": nets}}}


def copied(content, tmp_path):
    path = tmp_path / "design.json"
    path.write_text(json.dumps(content))
    copy_wide_registers(path)
    return json.loads(path.read_text())["modules"]["top"]


@pytest.mark.parametrize("of_a_part", (1, 9, MOST_READERS, MOST_READERS + 1, 3 * MOST_READERS))
def test_copies(of_a_part, tmp_path):
    parts = -(-4 * MOST_READERS // of_a_part)
    readers = [f"core.part_{part}.lut_{number}" for part in range(parts) for number in range(of_a_part)]
    cells = copied(design(readers), tmp_path)["cells"]
    copies = {cell["connections"]["Q"][0]: name for name, cell in cells.items() if "wide" in name}
    for name in copies.values():
        assert cells[name] | {"connections": cells["wide"]["connections"]} == cells["wide"]
        assert cells[name]["connections"] | {"Q": None} == cells["wide"]["connections"] | {"Q": None}
    used = Counter(copies[cells[name]["connections"]["B"][0]] for name in readers)
    assert set(used) == set(copies.values()) and max(used.values()) <= MOST_READERS
    assert len(copies) <= 2 * -(-len(readers) // MOST_READERS)
    if of_a_part <= MOST_READERS:  # neighbours stay together
        for part in range(parts):
            inside = readers[part * of_a_part : (part + 1) * of_a_part]
            assert len({cells[name]["connections"]["B"][0] for name in inside}) == 1
    assert all(cells[name]["connections"]["A"][0] in (NARROW, DATA) for name in readers)
    assert "narrow_copy_1" not in cells  # it has as many readers as it may


@pytest.mark.parametrize("most", (1, 100, 1000))
def test_a_limit_of_a_board(most, tmp_path):
    path, readers = tmp_path / "design.json", 500
    path.write_text(json.dumps(design([f"core.lut_{number}" for number in range(readers)])))
    copy_wide_registers(path, most)
    cells = json.loads(path.read_text())["modules"]["top"]["cells"]
    used = Counter(cell["connections"]["B"][0] for cell in cells.values() if cell["type"] == "LUT4")
    assert used.total() == readers and len(used) == -(-readers // most) and max(used.values()) <= most


@pytest.mark.parametrize(
    ("readers", "parameters"), [(MOST_READERS, {}), (4 * MOST_READERS, {"SRMODE": "ASYNC"})]
)
def test_what_is_left_alone(readers, parameters, tmp_path):
    content = design([f"core.lut_{number}" for number in range(readers)], **parameters)
    assert copied(content, tmp_path) == content["modules"]["top"]


def test_copies_have_nets_of_their_own(tmp_path):
    module = copied(design([f"lut_{number}" for number in range(3 * MOST_READERS)]), tmp_path)
    bits = [net["bits"][0] for net in module["netnames"].values()]
    assert len(set(bits)) == len(bits) == 6
    assert not set(module["netnames"]) & set(module["cells"])  # Yosys takes no two things of one name
