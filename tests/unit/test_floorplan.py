"""PEs of an array get sites of their own, in the array's order."""

import re

import pytest

from orris_fpga.floorplan import LFE5U_85F


def _cell(row, column, name):
    """Tiles of two columns, called by the first."""
    return f"core.grid.row_{row}.pe_tile_{column // 2 * 2}.pe_{column % 2}.{name}"


def _module(rows, columns):
    cells = {
        _cell(row, column, name): {"type": kind, "attributes": {}}
        for row in range(rows) for column in range(columns)
        for name, kind in (("product", "MULT18X18D"), ("filter_spad", "DP16KD"), ("own", "TRELLIS_FF"))
    }  # fmt: skip
    cells["core.global_buffer.bank_0"] = {"type": "DP16KD", "attributes": {}}
    return {"cells": cells}


def _site(module, row, column, name):
    bel = module["cells"][_cell(row, column, name)]["attributes"]["BEL"]
    x, y, kind = re.fullmatch(r"X(\d+)/Y(\d+)/(EBR|MULT18_)\d", bel).groups()
    return int(x), int(y), kind


@pytest.mark.parametrize(("rows", "columns"), [(12, 12), (12, 8), (1, 1), (3, 4), (7, 12)])
def test_every_pe_has_its_sites(rows, columns):
    module = _module(rows, columns)
    assert LFE5U_85F.lock(module) == 2 * rows * columns
    bels = [cell["attributes"]["BEL"] for cell in module["cells"].values() if "BEL" in cell["attributes"]]
    assert len(set(bels)) == 2 * rows * columns
    for name, kind in (("product", "MULT18_"), ("filter_spad", "EBR")):
        sites = {
            (row, column): _site(module, row, column, name)
            for row in range(rows) for column in range(columns)
        }  # fmt: skip
        assert {site[2] for site in sites.values()} == {kind}
        for (row, column), (x, y, _) in sites.items():
            if column:
                assert x > sites[row, column - 1][0]
            if row:  # row 0 at the bottom; the sites of a group lie side by side
                assert y <= sites[row - 1, column][1]


def test_a_larger_array_is_left_to_the_placer():
    module = _module(13, 2)
    assert LFE5U_85F.lock(module) == 0
    assert not any(cell["attributes"] for cell in module["cells"].values())
