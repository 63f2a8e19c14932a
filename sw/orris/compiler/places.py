"""Commands, and where they find things in memory and in the buffer."""

from dataclasses import dataclass

from orris_hw.commands import Format

from .layout import WORD_BYTES, ActivationLayout


@dataclass(frozen=True)
class Placement:
    """A tensor in memory: byte address and layout."""

    address: int
    layout: ActivationLayout


@dataclass(frozen=True)
class Addresses:
    """Byte addresses of what a program works on; `operand` is that of a fused addition beside the ofmap."""

    parameters: int
    filters: int
    ifmap: Placement
    ofmap: Placement
    operand: Placement | None = None


Command = tuple[Format, dict[str, int]]


def pack_program(commands: list[Command]) -> bytes:
    """The bytes of a program, 64 a command."""
    return b"".join(command.pack(fields) for command, fields in commands)


def rectangle(
    address: int,
    words_rows_planes: tuple[int, int, int],
    strides: tuple[int, int],
    buffer_address: int,
    buffer_strides: tuple[int, int],
) -> dict[str, int]:
    """Fields of a transfer; rows that follow each other on both sides become one, then planes likewise."""
    words, rows, planes = words_rows_planes
    (row_stride, plane_stride), (buffer_row_stride, buffer_plane_stride) = strides, buffer_strides
    if row_stride == words * WORD_BYTES and buffer_row_stride == words and words * rows < 1 << 16:
        words, rows = words * rows, 1
    return {
        "address": address,
        "row_words": words,
        "rows": rows,
        "row_stride": row_stride,
        "planes": planes,
        "plane_stride": plane_stride,
        "buffer_address": buffer_address,
        "buffer_row_stride": buffer_row_stride,
        "buffer_plane_stride": buffer_plane_stride,
    }
