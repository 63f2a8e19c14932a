"""Configurations in and out of TOML, and by name."""

from pathlib import Path

import pytest

from orris_hw.config import PRESET_NOTES, PRESETS, ConfigError, load_config, preset, resolve, to_toml

EXAMPLES = Path(__file__).parents[2] / "examples"


def refusal(path: Path) -> str:
    with pytest.raises(ConfigError) as caught:
        load_config(path)
    return str(caught.value)


@pytest.fixture
def toml(tmp_path):
    """Writes a configuration file called mine.toml."""

    def write(text: str) -> Path:
        path = tmp_path / "mine.toml"
        path.write_text(text, encoding="utf-8")
        return path

    return write


@pytest.mark.parametrize("name", PRESETS)
def test_presets_survive_toml(name, toml):
    assert load_config(toml(to_toml(preset(name)))) == preset(name)


def test_changed_values_survive_toml(toml):
    config = preset("tiny").derive({"name": "odd.one-2", "zero_gating": False, "networks": {"fifo_depth": 7}})
    assert load_config(toml(to_toml(config))) == config


def test_base_holds_what_the_file_leaves_out(toml):
    config = load_config(toml('base = "orris-168"\n[array]\nrows = 6\n'))
    assert config == preset("orris-168").derive({"name": "mine", "array": {"rows": 6}})


def test_name_in_the_file_wins(toml):
    assert load_config(toml('base = "tiny"\nname = "its-own"\n')).name == "its-own"


def test_problems_begin_with_the_file(toml):
    path = toml('base = "tiny"\n[array]\nrows = 99\ncolums = 3\n')
    assert refusal(path).splitlines() == [
        f"{path}: array.rows = 99: must be at most 16 (1 <= array.rows <= 16; PE rows)",
        f"{path}: array.colums: no such key; did you mean 'columns'? (known here: rows, columns)",
    ]


def test_unknown_base(toml):
    path = toml('base = "eyeris-v1"\n')
    assert refusal(path) == (
        f"{path}: no preset 'eyeris-v1'; did you mean 'eyeriss-v1'? "
        "(presets: tiny, eyeriss-v1, orris-168, ulx3s-85f, ecp5-25f, icebreaker, tang-nano-9k)"
    )


def test_base_must_be_a_name(toml):
    path = toml("base = 3\n")
    assert refusal(path) == f"{path}: base = 3: must be the name of a preset, in quotes"


def test_broken_toml(toml):
    path = toml("[array\nrows = 3\n")
    assert refusal(path).startswith(f"{path}: is not valid TOML: ")
    assert "line 1" in refusal(path)


def test_unreadable_files(tmp_path):
    absent = tmp_path / "absent.toml"
    assert refusal(absent) == f"{absent}: cannot be read (No such file or directory)"
    assert refusal(tmp_path) == f"{tmp_path}: cannot be read (Is a directory)"
    binary = tmp_path / "binary.toml"
    binary.write_bytes(b"a = \xff")
    assert refusal(binary) == f"{binary}: is not UTF-8 text (byte 4)"


def test_unknown_preset_names_the_nearest_and_all():
    with pytest.raises(ConfigError) as caught:
        preset("oris-168")
    assert str(caught.value) == (
        "no preset 'oris-168'; did you mean 'orris-168'? "
        "(presets: tiny, eyeriss-v1, orris-168, ulx3s-85f, ecp5-25f, icebreaker, tang-nano-9k)"
    )
    with pytest.raises(ConfigError) as caught:
        preset("zzz")
    assert str(caught.value) == (
        "no preset 'zzz' "
        "(presets: tiny, eyeriss-v1, orris-168, ulx3s-85f, ecp5-25f, icebreaker, tang-nano-9k)"
    )


def test_every_preset_says_what_it_is_for():
    assert PRESET_NOTES.keys() == PRESETS.keys()
    assert all(PRESET_NOTES.values())


def test_resolve(toml):
    path = toml('base = "tiny"\n')
    assert resolve() is preset("orris-168")
    assert resolve(preset="tiny") is preset("tiny")
    assert resolve(config=path) == load_config(path)
    with pytest.raises(ConfigError) as caught:
        resolve(preset="tiny", config=path)
    assert str(caught.value) == f"give a preset (tiny) or a configuration file ({path}), not both"


@pytest.mark.parametrize("path", sorted(EXAMPLES.glob("*.toml")), ids=lambda path: path.stem)
def test_examples_load(path):
    load_config(path)
