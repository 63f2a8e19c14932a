"""The fabric of an LFE5U-85F has as much as its data sheet says, each site once."""

import re

from orris_fpga.placement.fabric import LFE5U_85F


def test_as_much_as_the_data_sheet_says():
    assert 8 * len(set(LFE5U_85F.tiles)) == 83_640
    assert len(set(LFE5U_85F.memories)) == len(LFE5U_85F.memories) == 208
    assert len(set(LFE5U_85F.multipliers)) == len(LFE5U_85F.multipliers) == 156


def test_sites_lie_in_rows_without_logic():
    for site in (*LFE5U_85F.memories, *LFE5U_85F.multipliers):
        x, y, kind, number = re.fullmatch(r"X(\d+)/Y(\d+)/(EBR|MULT18_)(\d)", site).groups()
        assert (int(x), int(y)) not in LFE5U_85F.tiles
        first = int(x) - int(number) * (2 if kind == "EBR" else 1)
        assert first in LFE5U_85F.groups
