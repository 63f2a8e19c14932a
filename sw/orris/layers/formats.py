"""Number formats of layers, and what a configuration must be like to compute in them."""

from dataclasses import dataclass
from typing import Literal, get_args

from orris_hw.config import AcceleratorConfig

NumberFormat = Literal["int8", "int16x8", "fixed16"]
NUMBER_FORMATS: tuple[NumberFormat, ...] = get_args(NumberFormat)


@dataclass(frozen=True)
class Needs:
    """Values and settings of a format.

    weight_bits : of a weight; an ifmap value has `data_width`. psum_width : (least, most) bits.
    """

    text: str
    data_width: int
    weight_bits: int
    psum_width: tuple[int, int]
    arithmetic: str

    def met(self, config: AcceleratorConfig) -> bool:
        least, most = self.psum_width
        return (
            config.data_width == self.data_width
            and config.arithmetic == self.arithmetic
            and least <= config.psum_width <= most
        )

    def __str__(self) -> str:
        least, most = self.psum_width
        psums = f"{least}" if least == most else f"{least} to {most}"
        return f'data_width = {self.data_width}, psum_width = {psums} and arithmetic = "{self.arithmetic}"'


FORMATS: dict[NumberFormat, Needs] = {
    "int8": Needs("int8 activations and weights, 32-bit sums", 8, 8, (32, 48), "integer"),
    "int16x8": Needs("int16 activations, int8 weights, 48-bit sums", 16, 8, (48, 48), "integer"),
    "fixed16": Needs("16 bits: truncated products, saturating sums", 16, 16, (16, 16), "fixed_point"),
}


def supported_formats(config: AcceleratorConfig) -> tuple[NumberFormat, ...]:
    """The formats that follow from a configuration's data and psum widths, if any."""
    return tuple(name for name in NUMBER_FORMATS if FORMATS[name].met(config))


def missing_format(number_format: NumberFormat | None, config: AcceleratorConfig) -> str | None:
    """Why the configuration does not compute in a format, in one sentence; None if it does."""
    if number_format is None or FORMATS[number_format].met(config):
        return None
    offered = ", ".join(supported_formats(config)) or "no named format"
    return (
        f"number_format = {number_format}: {config.name} computes in {offered}; "
        f"{number_format} takes a configuration with {FORMATS[number_format]}"
    )
