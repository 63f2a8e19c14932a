"""The command line's frame: help, exit statuses, errors, and the commands about configurations."""

import json
import subprocess
import sys
import time

import pytest
import typer
from typer.testing import CliRunner

from orris.cli import app
from orris.cli.errors import ErrorReportingGroup
from orris_hw.config import PRESETS, ConfigError, load_config, preset, to_toml
from orris_hw.errors import OrrisError


def orris(*words: str):
    return CliRunner().invoke(app, list(words), prog_name="orris")


# -- the frame ---------------------------------------------------------------------------------
def test_help_lists_every_command():
    result = orris("--help")
    assert result.exit_code == 0
    for command in ("doctor", "presets", "config"):
        assert command in result.stdout


@pytest.mark.parametrize("command", ["doctor", "presets", "config"])
def test_every_command_has_help(command):
    result = orris(command, "--help")
    assert result.exit_code == 0
    assert f"Usage: orris {command}" in result.stdout


def test_version():
    result = orris("--version")
    assert result.exit_code == 0
    assert result.stdout.startswith("orris 0.")


@pytest.mark.parametrize("words", [("nonsense",), ("presets", "--nonsense"), ("config", "--preset")])
def test_wrong_use_is_status_2(words):
    assert orris(*words).exit_code == 2


def test_help_needs_nothing_heavy():
    """Every command imports what it needs itself, so that help is quick."""
    heavy = "amaranth", "numpy", "matplotlib", "pydantic", "cocotb", "orris_sim", "orris_fpga"
    program = f"import sys, orris.cli; print([name for name in {heavy!r} if name in sys.modules])"
    begin = time.monotonic()
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
    assert time.monotonic() - begin < 5  # about 0.2 s; generous, for a busy machine


# -- errors ------------------------------------------------------------------------------------
def failing(error: Exception) -> typer.Typer:
    app = typer.Typer(cls=ErrorReportingGroup)

    @app.callback()
    def top() -> None: ...

    @app.command()
    def fail() -> None:
        raise error

    return app


def test_user_errors_are_one_line_on_stderr_and_status_2():
    result = CliRunner().invoke(failing(OrrisError("the layer does not map")), ["fail"])
    assert (result.exit_code, result.stdout, result.stderr) == (2, "", "error: the layer does not map\n")


def test_several_problems_are_a_line_each():
    result = CliRunner().invoke(failing(ConfigError(["one", "two"])), ["fail"])
    assert (result.exit_code, result.stderr) == (2, "error: one\nerror: two\n")


def test_user_errors_are_red_on_a_terminal():
    result = CliRunner().invoke(failing(OrrisError("no")), ["fail"], color=True)
    assert result.stderr == "\x1b[31merror: no\x1b[0m\n"


def test_defects_keep_their_traceback():
    result = CliRunner().invoke(failing(RuntimeError("ours")), ["fail"])
    assert result.exit_code == 1
    assert isinstance(result.exception, RuntimeError)


# -- presets and configurations ----------------------------------------------------------------
def test_presets_table():
    result = orris("presets")
    assert result.exit_code == 0
    for word in (*PRESETS, "12 x 14", "fixed_point", "474", "108"):
        assert word in result.stdout


def test_presets_json():
    result = orris("presets", "--json")
    entries = {entry["name"]: entry for entry in json.loads(result.stdout)}
    assert entries.keys() == PRESETS.keys()
    flagship = entries["orris-168"]
    assert flagship["pes"] == 168
    assert flagship["scratchpad_bytes"] == 474
    assert flagship["content_hash"] == preset("orris-168").content_hash()
    assert flagship["config"]["array"] == {"rows": 12, "columns": 14}


def test_config_prints_what_load_config_reads(tmp_path):
    path = tmp_path / "mine.toml"
    path.write_text(orris("config", "--preset", "tiny").stdout)
    assert load_config(path) == preset("tiny")
    again = orris("config", "--config", str(path))
    assert (again.exit_code, again.stdout) == (0, path.read_text())


def test_config_without_options_is_the_flagship():
    assert orris("config").stdout == to_toml(preset("orris-168"))


def test_config_json():
    result = orris("config", "--preset", "tiny", "--json")
    assert json.loads(result.stdout) == preset("tiny").model_dump()


def test_config_refuses_with_status_2(tmp_path):
    path = tmp_path / "mine.toml"
    path.write_text('base = "tiny"\n[global_buffer]\ndepth = 300\n')
    result = orris("config", "--config", str(path))
    assert (result.exit_code, result.stdout) == (2, "")
    assert result.stderr == (
        f"error: {path}: global_buffer.depth = 300: must be a power of two, for example 256 or 512 "
        "(address = bank*depth + offset is split by bits)\n"
    )


def test_preset_and_config_exclude_each_other():
    result = orris("config", "--preset", "tiny", "--config", "x.toml")
    assert result.exit_code == 2
    assert result.stderr == "error: give a preset (tiny) or a configuration file (x.toml), not both\n"
