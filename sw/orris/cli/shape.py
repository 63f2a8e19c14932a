"""The layers a user names, or describes by their shape letters."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import cast

from orris.layers import (
    ConvLayer,
    LayerError,
    NumberFormat,
    Padding,
    find_layer,
    find_network,
    same_padding,
)


def chosen_layers(names: Sequence[str], shape: Mapping[str, int | None], pad: str | None) -> list[ConvLayer]:
    """Layers by name (of a layer or of a network), or the one of that shape.

    Raises
    ------
    LayerError
        A name that is not in the tables, a shape that is impossible or incomplete, or both or neither given.
    """
    letters = {letter: value for letter, value in shape.items() if value is not None}
    if names and (letters or pad is not None):
        raise LayerError("give --layer or a shape, not both")
    if names:
        return [layer for name in names for layer in _named(name)]
    if not letters:
        raise LayerError("nothing to simulate: give --layer NAME, or a shape (--M, --C, --H, --R at least)")
    return [_shaped(letters, pad)]


def in_format(layer: ConvLayer, number_format: str | None) -> ConvLayer:
    """The layer in a number format, if one is named; LayerError if there is none of that name."""
    return replace(layer, number_format=cast(NumberFormat | None, number_format)) if number_format else layer


def _named(name: str) -> Sequence[ConvLayer]:
    return [find_layer(name)] if "." in name else find_network(name).layers


def _shaped(letters: dict[str, int], pad: str | None) -> ConvLayer:
    missing = [letter for letter in "MCHR" if letter not in letters]
    if missing:
        raise LayerError(f"the shape lacks --{', --'.join(missing)}: M, C, H and R are needed")
    complete = letters | {"W": letters.get("W", letters["H"]), "S": letters.get("S", letters["R"])}
    return ConvLayer(name="layer", padding=_padding(pad, complete), number_format=None, **complete)


def _padding(pad: str | None, letters: dict[str, int]) -> Padding:
    if pad is None:
        return Padding()
    if pad == "same":
        return same_padding(**{letter: letters[letter] for letter in "HWRSUVD" if letter in letters})
    try:
        sides = [int(side) for side in pad.split(",")]
    except ValueError:
        sides = []
    if len(sides) == 1:
        return Padding.all(sides[0])
    if len(sides) == 4:
        return Padding(*sides)
    raise LayerError(f"--pad {pad}: expected one number, four (top,left,bottom,right) or the word same")
