"""The cache of generated Verilog: used for equal hardware, and only then."""

from pathlib import Path
from types import SimpleNamespace

import pytest

from orris_hw.config import preset
from orris_sim import verilog_cache
from orris_sim.errors import SimulationError
from orris_sim.verilog_cache import cached_verilog

TINY = preset("tiny")


@pytest.fixture
def emitted(monkeypatch, tmp_path: Path) -> list[str]:
    """Names of the configurations that were really emitted; sources and cache are in tmp_path."""
    sources = tmp_path / "sources"
    sources.mkdir()
    (sources / "__init__.py").write_text("")
    (sources / "pe.py").write_text("one")
    names: list[str] = []

    def emit(accelerator, top):
        names.append(accelerator.config.name)
        return f"// {len(names)}\n"

    monkeypatch.setenv("ORRIS_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr(verilog_cache, "orris_hw", SimpleNamespace(__file__=str(sources / "__init__.py")))
    monkeypatch.setattr(verilog_cache, "emit_verilog", emit)
    return names


def test_emitted_once(emitted):
    told: list[str] = []
    texts = [cached_verilog(TINY, told.append) for _ in range(3)]
    assert texts == ["// 1\n"] * 3
    assert told == ["generating the Verilog"]


def test_equal_hardware_of_another_name(emitted):
    assert cached_verilog(TINY) == cached_verilog(TINY.derive({"name": "other"}))
    assert emitted == ["tiny"]


def test_another_configuration_is_emitted(emitted):
    assert cached_verilog(TINY) != cached_verilog(TINY.derive({"zero_gating": False}))


@pytest.mark.parametrize("name, text", [("pe.py", "two"), ("new.py", "")])
def test_changed_sources_are_emitted(emitted, tmp_path, name, text):
    before = cached_verilog(TINY)
    (tmp_path / "sources" / name).write_text(text)
    assert cached_verilog(TINY) != before


def test_another_tool_emits_again(emitted, monkeypatch):
    before = cached_verilog(TINY)
    monkeypatch.setattr(verilog_cache, "version", lambda tool: "99")
    assert cached_verilog(TINY) != before


def test_a_cache_that_cannot_be_written(emitted, tmp_path):
    (tmp_path / "cache").write_text("a file")
    with pytest.raises(SimulationError, match="cannot write to the cache"):
        cached_verilog(TINY)
