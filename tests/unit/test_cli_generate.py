"""`orris generate`: what it writes and says, and that it writes nothing when it refuses."""

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner

from orris.cli import app
from orris_hw.commands import FORMATS
from orris_hw.config import AcceleratorConfig, load_config, preset
from orris_hw.emission.product import describe, header, module_name
from orris_hw.register_map import REGISTERS, counter_offset

SMALLEST = """\
array = { rows = 1, columns = 1 }
scratchpads = { filter = 8, ifmap = 4, psum = 1 }
global_buffer = { banks = 2, depth = 16 }
networks = { psum_bits = 32 }
"""


def orris(*words: str):
    return CliRunner().invoke(app, list(words), prog_name="orris")


@pytest.fixture(scope="module")
def written(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, str]:
    """The folder and the output of one `orris generate`."""
    folder = tmp_path_factory.mktemp("generate")
    (folder / "one-pe.toml").write_text(SMALLEST)
    result = orris("generate", "--config", str(folder / "one-pe.toml"), "-o", str(folder / "new" / "out"))
    assert (result.exit_code, result.stderr) == (0, "")
    return folder / "new" / "out", result.stdout


def test_it_writes_two_files_and_says_so(written):
    folder, said = written
    assert sorted(path.name for path in folder.iterdir()) == ["one_pe.json", "one_pe.v"]
    text = (folder / "one_pe.v").read_text()
    lines, modules = len(text.splitlines()), text.count("\nmodule ")
    assert said.splitlines()[0] == f"{folder / 'one_pe.v'}  {lines:,} lines, {modules} modules"
    assert said.splitlines()[1].startswith(f"{folder / 'one_pe.json'}  ")


def test_the_verilog_says_what_it_is(written):
    folder, _ = written
    config = load_config(folder.parent.parent / "one-pe.toml")
    head = (folder / "one_pe.v").read_text().split("\n\n", 1)[0]
    assert config.content_hash() in head
    for words in ("// one_pe\n", "accelerator of 1 x 1 PEs", "amaranth 0.5", "//   rows = 1"):
        assert words in head
    for word in (str(folder), "20" + "26"):  # neither paths nor dates
        assert word not in head


def test_the_json_describes_the_module(written):
    folder, _ = written
    described = json.loads((folder / "one_pe.json").read_text())
    config = load_config(folder.parent.parent / "one-pe.toml")
    assert described["name"] == "one_pe"
    assert described["content_hash"] == config.content_hash()
    assert AcceleratorConfig(**described["config"]) == config
    ports = {port["name"]: port for port in described["ports"]}
    assert ports["m_axi_rdata"] == {"name": "m_axi_rdata", "direction": "input", "width": 64, "signed": False}
    text = (folder / "one_pe.v").read_text()
    top = text[text.index("module one_pe(") :]
    assert [name.strip() for name in top[top.index("(") + 1 : top.index(")")].split(",")] == list(ports)


def test_the_toml_in_the_json_is_the_configuration(tmp_path):
    config = preset("eyeriss-v1")
    (tmp_path / "again.toml").write_text(describe(config)["config_toml"])
    assert load_config(tmp_path / "again.toml") == config


def test_registers_are_described():
    described = describe(preset("tiny"))["register_map"]
    assert [register["name"] for register in described["registers"]] == [r.name for r in REGISTERS]
    offsets = {counter["name"]: counter["offset_lo"] for counter in described["counters"]}
    assert offsets["mac_done"] == counter_offset("mac_done")


def test_command_fields_are_where_commands_are_packed():
    described = {command["name"]: command for command in describe(preset("tiny"))["commands"]["formats"]}
    assert described.keys() == FORMATS.keys()
    for name, command in FORMATS.items():
        fields = {field["name"]: field for field in described[name]["fields"]}
        assert list(fields) == [field.name for field in command.fields]
        for field in command.fields:
            packed = int.from_bytes(command.pack({field.name: field.limits[1]}), "little")
            place = fields[field.name]
            assert packed == described[name]["opcode"] | field.limits[1] << place["offset"]
            assert (place["bits"], place["signed"]) == (field.bits, field.signed)


def test_the_header_is_the_same_every_time():
    assert header(preset("orris-168")) == header(preset("orris-168"))


@pytest.mark.parametrize("name, module", [("orris-168", "orris_168"), ("4x4", "orris_4x4"), ("a.b", "a_b")])
def test_module_names(name, module):
    assert module_name(preset("tiny").derive({"name": name})) == module


@pytest.mark.parametrize(
    "words, complaint",
    [
        (("--preset", "tinny"), "no preset 'tinny'"),
        (("--preset", "tiny", "--name", "a b"), "the name 'a b' is no Verilog identifier"),
        (("--preset", "tiny", "--config", "x.toml"), "not both"),
    ],
)
def test_refusals_write_nothing(tmp_path, words, complaint):
    result = orris("generate", *words, "-o", str(tmp_path / "out"))
    assert (result.exit_code, result.stdout) == (2, "")
    assert result.stderr.startswith("error: ") and complaint in result.stderr
    assert list(tmp_path.iterdir()) == []


def test_a_folder_that_cannot_be_made(tmp_path, monkeypatch):
    """The design is not emitted again for this: only the writing matters."""
    import orris_hw.emission.files as files
    from orris_hw.emission import Emitted

    monkeypatch.setattr(files, "emit", lambda *_: Emitted("tiny", "module tiny();\nendmodule\n", ()))
    (tmp_path / "file").write_text("here already")
    result = orris("generate", "--preset", "tiny", "-o", str(tmp_path / "file"))
    assert (result.exit_code, result.stdout) == (2, "")
    assert result.stderr.startswith(f"error: cannot write to {tmp_path / 'file'}: ")
    assert (tmp_path / "file").read_text() == "here already"
