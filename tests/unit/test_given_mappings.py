"""Mappings that a user gives in a file: kept where they are legal, and the limit named where they are not."""

import csv
import json
from pathlib import Path

import pytest
from typer.testing import CliRunner

from orris.cli import app
from orris.cost import Criteria, ranked_mappings
from orris.layers import NETWORKS, ConvLayer, find_layer
from orris.mapper import Mapping, MappingError, MappingFileError, mapping_table
from orris.report import silicon
from orris_hw.config import preset

EYERISS, TINY = preset("eyeriss-v1"), preset("tiny")
LAYER = ConvLayer(name="layer", C=8, M=8, H=12, W=12, R=3, S=3)
ALEXNET = NETWORKS["alexnet"].layers


def table(tmp_path: Path, text: str):
    (tmp_path / "mappings.toml").write_text(text)
    return mapping_table(str(tmp_path / "mappings.toml"))


def test_what_is_given_is_kept_and_the_rest_searched(tmp_path):
    letters = "p = 4\nq = 2\ne = 2\nt = 2\nr = 1\nn = 1\nm = 8\norder = 'windows'"
    text = f"[layer]\n{letters}\n[other.layer]\np = 1\n"
    given = table(tmp_path, text).of(LAYER)
    for candidate in ranked_mappings(LAYER, TINY, Criteria(given=given)):
        mapping = candidate.mapping
        assert isinstance(mapping, Mapping)
        assert (mapping.p, mapping.q, mapping.e, mapping.t, mapping.rows) == (4, 2, 2, 2, 3)
        assert mapping.order == "windows"


def test_a_layer_that_is_not_there_is_searched(tmp_path):
    given = table(tmp_path, "[other]\np = 1\n").of(LAYER)
    assert ranked_mappings(LAYER, TINY, Criteria(given=given)) == ranked_mappings(LAYER, TINY)
    assert ranked_mappings(LAYER, TINY, Criteria(given=mapping_table(None).of(LAYER))) == ranked_mappings(
        LAYER, TINY
    )


@pytest.mark.parametrize(
    "text, message",
    [
        ("[layer]\nz = 1", "[layer] unknown parameter 'z' (parameters: m, n, e, p, q, r, t, rows, "),
        ("[layer]\np = 0", "[layer] p = 0: expected a whole number of at least 1"),
        ("[layer]\np = true", "[layer] p = True: expected a whole number of at least 1"),
        ("[a.b]\norder = 'both'", "[a.b] order = 'both': expected filters or windows"),
        ("[layer\n", "mappings "),
    ],
)
def test_a_wrong_file_is_a_sentence(tmp_path, text, message):
    with pytest.raises(MappingFileError) as error:
        table(tmp_path, text)
    assert message in str(error.value)


def test_no_such_file():
    message = "no mappings 'none.toml': it is neither a name (published) nor a file that can be read"
    with pytest.raises(MappingFileError) as error:
        mapping_table("none.toml")
    assert str(error.value) == message


@pytest.mark.parametrize(
    "text, message",
    [
        ("n = 4", "layer: n = 4: a pass works on one image (n = 1)"),
        ("m = 9\np = 4\nt = 2", "layer: m = 9: a pass has p t ofmap channels, and p = 4, t = 2"),
        ("r = 1\nrows = 3", "layer: r = 1 and rows = 3: give one of them"),
        ("r = 2", "layer: rows = 6: must be 1 to 3 (PE rows)"),
        ("e = 3\nt = 2", "layer: e t = 6: must be 1 to 4 (PE columns)"),
    ],
)
def test_what_no_mapping_has_is_refused(tmp_path, text, message):
    with pytest.raises(MappingError) as error:
        ranked_mappings(LAYER, TINY, Criteria(given=table(tmp_path, f"[layer]\n{text}\n").of(LAYER)))
    assert str(error.value) == message


# -- the chip's -------------------------------------------------------------------------------------------
def published() -> dict[str, dict[str, int]]:
    """The chip's own letters, from its published table."""
    file = Path(silicon.__file__).parent / "published" / "eyeriss_alexnet.csv"
    lines = [line for line in file.read_text().splitlines() if not line.startswith("#")]
    return {row["layer"]: {letter: int(row[letter]) for letter in "epqrt"} for row in csv.DictReader(lines)}


@pytest.mark.parametrize("layer", ALEXNET, ids=lambda layer: layer.name)
def test_published_mappings_are_the_chips_or_the_limit_is_named(layer, tmp_path):
    chip = published()[layer.name]
    entry = {letter: mapping_table("published").entries[layer.name][letter] for letter in "epqrt"}
    mapping = ranked_mappings(layer, EYERISS, Criteria(given=mapping_table("published").of(layer)))[0].mapping
    assert isinstance(mapping, Mapping)
    assert {letter: getattr(mapping, letter) for letter in "epqrt"} == entry
    assert (entry == chip) == (layer.name == "alexnet.conv1")
    if entry != chip:
        letters = "\n".join(f"{letter} = {value}" for letter, value in chip.items())
        with pytest.raises(MappingError) as error:
            ranked_mappings(
                layer, EYERISS, Criteria(given=table(tmp_path, f"[{layer.name}]\n{letters}").of(layer))
            )
        assert "must be" in str(error.value)


def test_bench_and_map_take_the_table():
    words = ["--preset", "eyeriss-v1", "--mapping", "published"]
    bench = CliRunner().invoke(app, ["bench", "alexnet", "--model", "-j", "1", *words, "--json", "-"])
    mapped = CliRunner().invoke(app, ["map", "--layer", "alexnet", *words, "--json"])
    assert (bench.exit_code, mapped.exit_code) == (0, 0), bench.output + mapped.output
    for entry, found in zip(json.loads(bench.stdout)["layers"], json.loads(mapped.stdout), strict=True):
        assert entry["mapping"] == found["candidates"][0]["mapping"]
        assert entry["cycles"] == found["candidates"][0]["cycles"]
        wanted = mapping_table("published").entries[entry["layer"]]
        assert {letter: entry["mapping"][letter] for letter in wanted} == wanted
        assert entry["macs"] == find_layer(entry["layer"]).macs
