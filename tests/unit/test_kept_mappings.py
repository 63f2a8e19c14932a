"""Mappings kept from one process to the next: found again, and nothing wrong believed."""

import json
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest

from orris.cost import Criteria, MemoryTiming, choice, kept, ranked_mappings
from orris.layers import ConvLayer, Padding
from orris_hw.config import preset

TINY = preset("tiny")
LAYER = ConvLayer(name="small", C=8, M=8, H=12, W=12, R=3, S=3, padding=Padding.all(1))
DEPTHWISE = replace(LAYER, C=1, G=8)


@pytest.fixture
def searches(monkeypatch, tmp_path: Path) -> list[str]:
    """Names of the layers that were really searched; the cache is in tmp_path."""
    names: list[str] = []
    search = choice.best_mappings

    def counted(layer, *rest, **named):
        names.append(layer.name)
        return search(layer, *rest, **named)

    monkeypatch.setenv("ORRIS_CACHE", str(tmp_path))
    monkeypatch.setattr(choice, "best_mappings", counted)
    return names


def files(tmp_path: Path) -> list[Path]:
    return sorted(tmp_path.rglob("*.json"))


@pytest.mark.parametrize("layer", [LAYER, DEPTHWISE], ids=["conv", "depthwise"])
def test_the_same_answer_without_a_search(searches, layer):
    first = ranked_mappings(layer, TINY)
    assert ranked_mappings(layer, TINY) == first
    assert searches == ["small"]


def test_another_name_is_the_same_question(searches):
    ranked_mappings(LAYER, TINY)
    (best, *_) = ranked_mappings(replace(LAYER, name="other"), TINY.derive({"name": "mine"}))
    assert (best.mapping.layer.name, best.mapping.config.name) == ("other", "mine")
    assert searches == ["small"]


@pytest.mark.parametrize(
    "changed",
    [
        dict(layer=replace(LAYER, M=16)),
        dict(layer=replace(LAYER, ifmap_zeros=0.5)),
        dict(config=TINY.derive({"scratchpads": {"psum": 8}})),
        dict(criteria=Criteria(aim=0.0)),
        dict(criteria=Criteria(memory=MemoryTiming(latency=10))),
        dict(criteria=Criteria(pixel_lanes=8)),
    ],
    ids=["filters", "zeros", "config", "aim", "memory", "pixel_lanes"],
)
def test_another_question_is_searched(searches, changed):
    ranked_mappings(LAYER, TINY)
    ranked_mappings(**(dict(layer=LAYER, config=TINY) | changed))
    assert len(searches) == 2


def test_other_sources_are_asked_anew(searches, monkeypatch):
    ranked_mappings(LAYER, TINY)
    monkeypatch.setattr(kept, "_version", lambda: "another")
    ranked_mappings(LAYER, TINY)
    assert len(searches) == 2


def faster(content: dict) -> None:
    content["answer"][0]["timing"]["cycles"] //= 2


def illegal(content: dict) -> None:
    content["answer"][0]["mapping"]["p"] = 1000
    sign(content)


def foreign(content: dict) -> None:
    content["question"]["layer"]["M"] = 16
    sign(content)


def another_version(content: dict) -> None:
    del content["answer"][0]["mapping"]["order"]
    content["answer"][0]["mapping"]["unknown"] = 1
    sign(content)


def sign(content: dict) -> None:
    del content["digest"]
    content["digest"] = kept._digest(content)


@pytest.mark.parametrize("harm", [faster, illegal, foreign, another_version])
def test_a_wrong_file_is_not_believed(searches, tmp_path, harm):
    first = ranked_mappings(LAYER, TINY)
    (file,) = files(tmp_path)
    content = json.loads(file.read_text())
    harm(content)
    file.write_text(json.dumps(content))
    assert ranked_mappings(LAYER, TINY) == first
    assert len(searches) == 2
    assert ranked_mappings(LAYER, TINY) == first  # and has been replaced
    assert len(searches) == 2


@pytest.mark.parametrize("text", ["", "{", "[]", "7", '{"digest": 1}', "\0"])
def test_a_broken_file_is_ignored(searches, tmp_path, text):
    first = ranked_mappings(LAYER, TINY)
    files(tmp_path)[0].write_text(text)
    assert ranked_mappings(LAYER, TINY) == first
    assert len(searches) == 2


def test_a_cache_that_cannot_be_written_is_none(searches, monkeypatch, tmp_path):
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("ORRIS_CACHE", str(tmp_path / "file"))
    assert ranked_mappings(LAYER, TINY) == ranked_mappings(LAYER, TINY)
    assert len(searches) == 2


def test_all_sources_of_an_answer_count():
    # All that the cost model imports, but for what only finds and writes the files of the cache.
    code = "import sys, orris.cost; print(*(getattr(m, '__file__', '') for m in sys.modules.values()))"
    loaded = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
    inside = {
        Path(name): root
        for name in loaded.split()
        for root in kept.SOURCES
        if Path(name).is_relative_to(root)
    }
    assert inside
    rest = {
        path.relative_to(root).as_posix()
        for path, root in inside.items()
        if path.relative_to(root).parts[0] not in kept.SOURCES[root]
    }
    assert rest <= {"__init__.py", "cache.py"}
