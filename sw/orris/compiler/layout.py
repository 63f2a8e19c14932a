"""Activations in memory: [image][channel block][row][word of X pixels of cb channels]."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from orris_hw.config import AcceleratorConfig

from ..golden import TensorError
from ..golden.tensors import IntArray, check_tensor
from ..mapper.tiling import ceil_div

WORD_BYTES = 8


@dataclass(frozen=True)
class ActivationLayout:
    """A tensor (N, C, H, W) of `data_width`-bit values in 64-bit words.

    A word holds block / pixel_lanes pixels of pixel_lanes channels each, lane 0 in its lowest bits; channels
    and columns beyond the tensor fill up words and hold anything.
    """

    N: int
    C: int
    H: int
    W: int
    data_width: int
    pixel_lanes: int

    @property
    def dtype(self) -> np.dtype:
        return np.dtype(f"<i{self.data_width // 8}")

    @property
    def pixels(self) -> int:
        """Pixels of a word."""
        return 64 // self.data_width // self.pixel_lanes

    @property
    def blocks(self) -> int:
        """Channel blocks."""
        return ceil_div(self.C, self.pixel_lanes)

    @property
    def row_words(self) -> int:
        return ceil_div(self.W, self.pixels)

    @property
    def plane_words(self) -> int:
        """Words of one channel block."""
        return self.H * self.row_words

    @property
    def bytes(self) -> int:
        return self.N * self.blocks * self.plane_words * WORD_BYTES

    def offset(self, image: int, block: int, row: int, word: int) -> int:
        """Byte offset of a word."""
        return (((image * self.blocks + block) * self.H + row) * self.row_words + word) * WORD_BYTES

    @property
    def shape(self) -> tuple[int, int, int, int]:
        return self.N, self.C, self.H, self.W


def pack_activations(tensor: IntArray, layout: ActivationLayout, fill: int = 0) -> NDArray[np.uint8]:
    """The bytes of `tensor` (N, C, H, W) in `layout`; `fill` is what lies beyond the tensor.

    Raises
    ------
    TensorError
        A tensor of another shape, or whose type or values do not fit.
    """
    check_tensor("activations (N, C, H, W)", tensor, layout.shape)
    values = fit("activations", tensor, layout.dtype)
    lanes, pixels = layout.pixel_lanes, layout.pixels
    extra = (0, layout.blocks * lanes - layout.C), (0, layout.row_words * pixels - layout.W)
    padded = np.pad(values, ((0, 0), extra[0], (0, 0), extra[1]), constant_values=fill)
    words = padded.reshape(layout.N, layout.blocks, lanes, layout.H, layout.row_words, pixels)
    packed = np.ascontiguousarray(words.transpose(0, 1, 3, 4, 5, 2))
    return packed.view(np.uint8).reshape(-1)


def unpack_activations(content: NDArray[np.uint8] | bytes, layout: ActivationLayout) -> IntArray:
    """The tensor (N, C, H, W) in `content`, which holds `layout.bytes` bytes."""
    if len(content) != layout.bytes:
        raise TensorError(f"activations of {layout.shape} take {layout.bytes} bytes, not {len(content)}")
    lanes, pixels = layout.pixel_lanes, layout.pixels
    values = np.frombuffer(content, dtype=layout.dtype)
    words = values.reshape(layout.N, layout.blocks, layout.H, layout.row_words, pixels, lanes)
    padded = words.transpose(0, 1, 5, 2, 3, 4).reshape(layout.N, layout.blocks * lanes, layout.H, -1)
    return np.ascontiguousarray(padded[:, : layout.C, :, : layout.W]).astype(layout.dtype.newbyteorder("="))


def value_type(config: AcceleratorConfig) -> np.dtype:
    """Type of ifmap, filter and ofmap values in memory."""
    return np.dtype(f"<i{config.data_width // 8}")


def fit(what: str, tensor: IntArray, dtype: np.dtype) -> NDArray:
    """`tensor` as `dtype`; TensorError names the value that does not fit."""
    info = np.iinfo(dtype)
    low, high = int(tensor.min(initial=0)), int(tensor.max(initial=0))
    for value in (low, high):
        if not info.min <= value <= info.max:
            raise TensorError(
                f"{what} hold {value}, but {info.bits}-bit values are {info.min} to {info.max}"
            )
    return tensor.astype(dtype)
