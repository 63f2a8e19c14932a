"""The fabric of an ECP5 has as much as its data sheet says, each site once."""

import re

import pytest

from orris_fpga.placement.fabric import LFE5U_25F, LFE5U_85F

FABRICS = pytest.mark.parametrize("fabric", [LFE5U_25F, LFE5U_85F], ids=lambda fabric: fabric.device)


@pytest.mark.parametrize(
    "fabric, luts, memories, multipliers", [(LFE5U_25F, 24_288, 56, 28), (LFE5U_85F, 83_640, 208, 156)]
)
def test_as_much_as_the_data_sheet_says(fabric, luts, memories, multipliers):
    assert 8 * len(set(fabric.tiles)) == luts
    assert len(set(fabric.memories)) == len(fabric.memories) == memories
    assert len(set(fabric.multipliers)) == len(fabric.multipliers) == multipliers


@FABRICS
def test_sites_lie_in_rows_without_logic(fabric):
    for site in (*fabric.memories, *fabric.multipliers):
        x, y, kind, number = re.fullmatch(r"X(\d+)/Y(\d+)/(EBR|MULT18_)(\d)", site).groups()
        assert (int(x), int(y)) not in fabric.tiles
        first = int(x) - int(number) * (2 if kind == "EBR" else 1)
        assert first in fabric.groups
