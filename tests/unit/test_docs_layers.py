"""docs/layers.md says what is legal: every option is there, and both ends of every range are as it says."""

from dataclasses import fields, replace
from pathlib import Path

import numpy as np
import pytest

from orris.compiler import compile_layer
from orris.golden import Requant, TensorError
from orris.layers import (
    FORMATS,
    AddLayer,
    ConcatLayer,
    ConvLayer,
    LayerError,
    Padding,
    PoolLayer,
    UpsampleLayer,
    supported_formats,
)
from orris.mapper import MappingError, map_layer
from orris_hw.config import PRESETS

PAGE = Path(__file__).parents[2] / "docs" / "layers.md"
TINY = PRESETS["tiny"]
KINDS = {"ConvLayer": ConvLayer, "PoolLayer": PoolLayer, "AddLayer": AddLayer, "ConcatLayer": ConcatLayer,
         "UpsampleLayer": UpsampleLayer}  # fmt: skip
NOT_OPTIONS = {"name", "ifmap_zeros"}


def tables() -> list[tuple[str, list[dict[str, str]]]]:
    """(heading, rows) of every table of the page."""
    found: list[tuple[str, list[dict[str, str]]]] = []
    heading, columns = "", []
    for line in PAGE.read_text(encoding="utf-8").splitlines():
        if line.startswith("#"):
            heading = line.strip("# ")
        if not line.startswith("|"):
            columns = []
        elif not columns:
            columns = [cell.strip() for cell in line.strip("|").split("|")]
            found.append((heading, []))
        elif not line.startswith("|---"):
            cells = [cell.strip() for cell in line.strip("|").split("|")]
            found[-1][1].append(dict(zip(columns, cells, strict=True)))
    return found


def layer_tables() -> dict[str, list[dict[str, str]]]:
    return {
        name: rows
        for name in KINDS
        for heading, rows in tables()
        if f"`{name}`" in heading and rows[0]["option"] not in {f.name for f in fields(Requant)}
    }


def small(kind: str, **changes):
    """A small legal layer, with options changed and the others made to suit."""
    if kind == "ConvLayer":
        G, M = changes.get("G", 1), changes.get("M", 1)
        R, S, D = changes.get("R", 2), changes.get("S", 2), changes.get("D", 1)
        if D > 1:  # one axis is enough: an image of D x D would be large
            changes["S"] = S = 1
        base = dict(G=G, M=M if "M" in changes else G, C=1, R=R, S=S)
        base |= dict(H=(R - 1) * D + 1, W=(S - 1) * D + 1)
        for size, taps in (("H", "R"), ("W", "S")):
            if changes.get(size) == 1:
                base[taps] = 1
        return ConvLayer(**(base | changes))
    base = {
        "PoolLayer": dict(kind="max", C=1, H=2, W=2, R=1, S=1),
        "AddLayer": dict(C=1, H=1, W=1),
        "ConcatLayer": dict(channels=(1, 1), H=1, W=1),
        "UpsampleLayer": dict(C=1, H=1, W=1, factor=1),
    }[kind]
    return KINDS[kind](**(base | changes))


def legal(layer) -> None:
    """Raises unless it can be run."""
    if isinstance(layer, ConvLayer):
        map_layer(layer, TINY)


SLOW = {("ConvLayer", letter) for letter in "NGMCHW"}
"""Options whose largest value takes seconds to map."""
NUMBERS = [
    pytest.param(
        kind, row["option"], int(row["from"]), int(row["to"]),
        marks=[pytest.mark.long] if (kind, row["option"]) in SLOW else [],
    )
    for kind, rows in layer_tables().items()
    for row in rows
    if row["from"].isdigit() and row["to"].isdigit()
]  # fmt: skip


@pytest.mark.parametrize("kind", KINDS)
def test_every_option_is_in_the_table(kind):
    named = {row["option"] for row in layer_tables()[kind]}
    assert named == {field.name for field in fields(KINDS[kind])} - NOT_OPTIONS


@pytest.mark.parametrize("kind, option, least, most", NUMBERS)
def test_ends_of_ranges(kind, option, least, most):
    for value in (least, most):
        legal(small(kind, **{option: value}))
    beyond = [most + 1]
    if not (kind == "ConvLayer" and option == "V" or kind == "PoolLayer" and option in "RSUV"):
        beyond.append(least - 1)  # there 0 means "not given"
    for value in beyond:
        with pytest.raises((LayerError, MappingError), match=option):
            legal(small(kind, **{option: value}))


@pytest.mark.parametrize("option", "NGMCHW")
def test_thousands(option):
    """In every dimension; the very ends of these ranges are tried by the long test."""
    for value in (1, 4096):
        legal(small("ConvLayer", **{option: value}))
    with pytest.raises(LayerError, match=option):
        small("ConvLayer", **{option: 0})


@pytest.mark.parametrize("taps, size", [("R", "H"), ("S", "W")])
def test_filters_as_large_as_the_ifmap(taps, size):
    legal(ConvLayer(**(dict(M=1, C=1, H=1, W=1, R=1, S=1) | {taps: 300, size: 300})))
    for kind in ("ConvLayer", "PoolLayer"):
        with pytest.raises(LayerError, match=f"{taps}.* = 5 .*{size} = 4"):
            small(kind, **{taps: 5, size: 4})


def test_dilation():
    for D in (1, 8, 65534):
        legal(small("ConvLayer", D=D))
    with pytest.raises(LayerError, match="D is 0"):
        small("ConvLayer", D=0)
    with pytest.raises(LayerError, match=r"spans \(R-1\)\*D\+1 = 10 of the padded ifmap's H = 9"):
        ConvLayer(M=1, C=1, H=9, W=1, R=4, S=1, D=3)


@pytest.mark.parametrize("side", range(4))
def test_padding_of_each_side(side):
    reach = (2 * 3, 1 * 3) * 2  # of a filter of 3 x 2, dilated by 3
    for width, fine in ((0, True), (reach[side], True), (reach[side] + 1, False)):
        padding = Padding(*(width if n == side else 0 for n in range(4)))
        try:
            legal(ConvLayer(M=1, C=1, H=9, W=9, R=3, S=2, D=3, padding=padding))
            assert fine
        except LayerError as error:
            assert not fine and f"padding {Padding._fields[side]} is {width}" in str(error)


@pytest.mark.parametrize("side", range(4))
def test_padding_of_windows(side):
    for width, fine in ((1, True), (2, False)):
        padding = Padding(*(width if n == side else 0 for n in range(4)))
        try:
            small("PoolLayer", R=2, S=2, padding=padding)
            assert fine
        except LayerError as error:
            assert not fine and f"padding {Padding._fields[side]} is {width}" in str(error)


def test_groups_and_filters():
    with pytest.raises(LayerError, match="M = 3 filters is not a multiple of G = 2"):
        ConvLayer(G=2, M=3, C=1, H=1, W=1, R=1, S=1)
    with pytest.raises(LayerError, match=r"G\*C is 65536"):
        ConvLayer(G=256, M=256, C=256, H=1, W=1, R=1, S=1)


def test_parameters():
    """Each at both ends of its range, and beyond."""
    (rows,) = (rows for _, rows in tables() if rows[0].get("option") == "bias")
    assert [row["option"] for row in rows] == [field.name for field in fields(Requant)]
    layer = ConvLayer(M=1, C=1, H=1, W=1, R=1, S=1)
    mapping, weights = map_layer(layer, TINY), np.ones((1, 1, 1, 1), np.int8)
    one = np.array([1])
    plain = Requant(one, one, one, 0, 0, -128, 127, "single")

    def compiled(**changes):
        changed = {
            name: np.array([value]) if name in ("bias", "multiplier", "shift") else value
            for name, value in changes.items()
        }
        compile_layer(layer, mapping, TINY, weights, replace(plain, **changed))

    for row in rows:
        if row["from"] == "":
            continue
        least, most = int(row["from"]), int(row["to"])
        for value in (least, most):
            compiled(**{row["option"]: value})
        for value in (least - 1, most + 1):
            with pytest.raises(TensorError, match=f"{row['option']}.* {value}"):
                compiled(**{row["option"]: value})
    for rounding in ("none", "single", "double"):
        compiled(rounding=rounding)
    with pytest.raises(TensorError, match="rounding is 'up'"):
        compiled(rounding="up")


def test_formats():
    (rows,) = (rows for _, rows in tables() if "format" in rows[0])
    assert [(row["format"], row["values"], row["takes"]) for row in rows] == [
        (name, needs.text, str(needs)) for name, needs in FORMATS.items()
    ]
    assert supported_formats(TINY) == ("int8",)
    assert supported_formats(PRESETS["eyeriss-v1"]) == ("fixed16",)
    assert supported_formats(TINY.derive({"data_width": 16, "psum_width": 48})) == ("int16x8",)
    assert supported_formats(TINY.derive({"psum_width": 24})) == ()


def test_a_format_that_a_configuration_does_not_have():
    layer = ConvLayer(name="one", M=1, C=1, H=1, W=1, R=1, S=1, number_format="int16x8")
    with pytest.raises(MappingError) as error:
        map_layer(layer, TINY)
    assert str(error.value) == (
        "one: number_format = int16x8: tiny computes in int8; int16x8 takes a configuration with "
        'data_width = 16, psum_width = 48 and arithmetic = "integer"'
    )
    sixteen = TINY.derive({"data_width": 16, "psum_width": 48})
    mapping = map_layer(layer, sixteen)
    requant = Requant.int16x8(np.array([0]), [0.5])
    with pytest.raises(TensorError, match="weights hold 128, but 8-bit values are -128 to 127"):
        compile_layer(layer, mapping, sixteen, np.full((1, 1, 1, 1), 128), requant)
    with pytest.raises(LayerError, match="number_format is 'int4', expected one of int8, int16x8, fixed16"):
        ConvLayer(M=1, C=1, H=1, W=1, R=1, S=1, number_format="int4")  # type: ignore[arg-type]
