"""The configuration a user writes: frozen, validated, loadable from TOML."""

from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field


class _Part(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class Array(_Part):
    rows: Annotated[int, Field(ge=1, le=16)]
    columns: Annotated[int, Field(ge=1, le=16)]


class Scratchpads(_Part):
    """Depths in words, per PE; the filter scratchpad has two banks of `filter` words."""

    filter: Annotated[int, Field(ge=8, le=1024)]
    ifmap: Annotated[int, Field(ge=4, le=64)]
    psum: Annotated[int, Field(ge=1, le=64)]


class GlobalBuffer(_Part):
    banks: Annotated[int, Field(ge=2, le=64)]
    depth: Annotated[int, Field(ge=16, le=4096)]  # a power of two


class Networks(_Part):
    """Widths in bits of the Y-buses (one beat a cycle) and of the psum output network."""

    ifmap_bits: int = 64
    filter_bits: int = 64
    psum_bits: int
    fifo_depth: Annotated[int, Field(ge=2, le=16)] = 4


class PostProcessing(_Part):
    lanes: Annotated[int, Field(ge=1, le=16)] = 4
    channels: Annotated[int, Field(ge=8, le=4096)] = 512


class AcceleratorConfig(_Part):
    name: str
    array: Array
    data_width: Literal[8, 16] = 8
    psum_width: Annotated[int, Field(ge=16, le=48)] = 32
    arithmetic: Literal["integer", "fixed_point"] = "integer"
    scratchpads: Scratchpads
    global_buffer: GlobalBuffer
    networks: Networks
    post_processing: PostProcessing = PostProcessing()
    zero_gating: bool = True

    # -- derived ---------------------------------------------------------------------------
    @property
    def pes(self) -> int:
        return self.array.rows * self.array.columns

    @property
    def block(self) -> int:
        """Values per 64-bit word."""
        return 64 // self.data_width

    @property
    def operand_width(self) -> int:
        """Bits of an ifmap value once its zero point is subtracted."""
        return 9 if self.data_width == 8 else 16

    @property
    def psums_per_word(self) -> int:
        return 4 if self.psum_width <= 16 else 2 if self.psum_width <= 32 else 1

    @property
    def psum_ports(self) -> int:
        """Columns that can hand over a psum in the same cycle."""
        return max(1, min(self.array.columns, self.networks.psum_bits // self.psum_width))

    @property
    def glb_words(self) -> int:
        return self.global_buffer.banks * self.global_buffer.depth

    @property
    def glb_addr_width(self) -> int:
        return max(1, (self.glb_words - 1).bit_length())
