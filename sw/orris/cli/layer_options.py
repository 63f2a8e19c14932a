"""The options that say which layers a command works on: by name, or by the letters of a shape."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from functools import wraps
from typing import TYPE_CHECKING, Annotated, Any, get_type_hints

import typer

if TYPE_CHECKING:
    from orris.layers import ConvLayer

    Layers = list[ConvLayer]
else:  # the tables of layers are loaded when a command runs
    Layers = list

_PANEL = "A layer by its shape, instead of --layer"
_LETTERS = {
    "M": "Filters, over all groups.",
    "C": "Channels of a group.",
    "H": "Rows of the ifmap.",
    "W": "Columns of the ifmap; H if not given.",
    "R": "Rows of a filter.",
    "S": "Columns of a filter; R if not given.",
    "U": "Vertical stride; 1 if not given.",
    "V": "Horizontal stride; U if not given.",
    "D": "Dilation; 1 if not given.",
    "G": "Groups; 1 if not given.",
    "N": "Images; 1 if not given.",
}
_LAYER = typer.Option(
    "--layer",
    "-l",
    metavar="NAME",
    help="A layer such as alexnet.conv2, or a whole network: alexnet, vgg16, resnet18, mobilenetv1. "
    "May be given several times.",
)
_PAD = typer.Option(
    "--pad",
    metavar="P",
    help="Padding: one number, top,left,bottom,right or the word same.",
    rich_help_panel=_PANEL,
)


def takes_layers(command: Callable[..., None]) -> Callable[..., None]:
    """`command` with --layer and the options of a shape for its parameter `layers: Layers`.

    What it becomes raises LayerError for a name or a shape that is wrong.
    """

    @wraps(command)
    def run(*, layer: list[str] | None, pad: str | None, **given: Any) -> None:
        from .shape import chosen_layers

        shape = {letter: given.pop(letter) for letter in _LETTERS}
        command(layers=chosen_layers(layer or [], shape, pad), **given)

    hints = get_type_hints(command, include_extras=True)
    parameters = [
        parameter.replace(annotation=hints[name], kind=inspect.Parameter.KEYWORD_ONLY)
        for name, parameter in inspect.signature(command).parameters.items()
        if name != "layers"
    ]
    letters = [
        _parameter(
            letter, int, typer.Option(f"--{letter}", metavar="N", help=meaning, rich_help_panel=_PANEL)
        )
        for letter, meaning in _LETTERS.items()
    ]
    parameters = [_parameter("layer", list[str], _LAYER), *parameters, *letters]
    parameters.append(_parameter("pad", str, _PAD))
    run.__signature__ = inspect.Signature(parameters)  # pyright: ignore[reportAttributeAccessIssue]
    run.__annotations__ = {parameter.name: parameter.annotation for parameter in parameters}
    return run


def _parameter(name: str, kind: Any, option: Any) -> inspect.Parameter:
    """One that need not be given."""
    return inspect.Parameter(
        name, inspect.Parameter.KEYWORD_ONLY, default=None, annotation=Annotated[kind | None, option]
    )
