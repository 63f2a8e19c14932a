"""The configuration a user writes: frozen, validated, and the quantities that follow from it."""

import hashlib
import json
from collections.abc import Mapping
from typing import Any, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from ..errors import ConfigError
from .messages import sentences
from .rules import broken_rules

WORD_BITS = 64
"""Bits of a global buffer, DMA and activation word."""


class _Part(BaseModel):
    # Strict: `rows = "12"`, `rows = 12.0` and `rows = true` are mistakes, not spellings of 12.
    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)


class Array(_Part):
    """The PE array."""

    rows: int = Field(ge=1, le=16, description="PE rows")
    columns: int = Field(ge=1, le=16, description="PE columns")


class Scratchpads(_Part):
    """Depths in words, and memories, per PE."""

    filter: int = Field(ge=8, le=1024, description="filter values per bank (there are two banks): p*q*S")
    ifmap: int = Field(ge=4, le=63, description="ifmap values of the sliding window: q*S")
    psum: int = Field(ge=1, le=64, description="partial sums: p")
    psum_memory: Literal["lut_ram", "block_ram"] = Field(
        default="lut_ram",
        description='what holds partial sums; "block_ram": they are read a cycle ahead, into a register',
    )


class GlobalBuffer(_Part):
    """Banks of 64-bit words, one read and one write port each."""

    banks: int = Field(ge=2, le=64, description="banks; bank j also holds the psums of column j")
    depth: int = Field(ge=16, le=4096, description="words of 64 bits per bank, a power of two")
    read_ports: int = Field(
        default=3,
        ge=1,
        le=3,
        description="3: ifmaps, filters, stores read at once; 2: filters share a port with stores; 1: all do",
    )
    write_ports: int = Field(
        default=2, ge=1, le=2, description="2: loads and post-processing write at once; 1: they share a port"
    )


class MemoryPort(_Part):
    """The AXI4 master to memory."""

    port_bits: Literal[64, 128, 256] = Field(
        default=64, description="data bits: 64-bit words in a beat, and in a row of a global buffer bank"
    )


class Networks(_Part):
    """Widths in bits of the on-chip networks: what each moves in a cycle."""

    ifmap_bits: int = Field(default=64, ge=8, le=64, description="ifmap Y-bus")
    filter_bits: int = Field(default=64, ge=8, le=64, description="filter Y-bus")
    psum_bits: int = Field(ge=16, le=1024, description="psum output network; psum_bits/psum_width ports")
    x_lanes: int = Field(
        default=1,
        ge=1,
        le=2,
        description="ifmap values of an X-bus beat: 2 serve two filter sets at once in depthwise layers",
    )
    stop_columns: int = Field(
        default=1,
        ge=1,
        le=2,
        description="columns that share a stop of the X-buses: 2 take fewer registers, and hold fewer beats",
    )
    fifo_depth: int = Field(default=4, ge=2, le=16, description="entries of the FIFO at the head of each row")
    spare_sums: int = Field(
        default=8, ge=0, le=16, description="finished sums a column holds beside scratchpads.psum of them"
    )


class PostProcessing(_Part):
    """Bias, requantisation and activation on the way out."""

    lanes: int = Field(
        default=4,
        ge=1,
        le=16,
        description="outputs finished per cycle (when not given: 4, or columns if fewer)",
    )
    channels: int = Field(
        default=512, ge=8, le=4096, description="filters whose bias and scale are held at once"
    )


class Vector(_Part):
    """Pooling, addition of feature maps, copies."""

    lanes: int = Field(
        default=1, ge=0, le=8, description="sums requantised per cycle, a power of two; 0: no vector unit"
    )


class Control(_Part):
    """Commands, checks and counters: what a small FPGA can do with less of."""

    kind: Literal["hardware", "microcontroller"] = Field(
        default="hardware",
        description='what executes commands; "microcontroller": firmware on a small core, with one PE',
    )
    commands: Literal["lut_ram", "block_ram"] = Field(
        default="lut_ram",
        description='where commands wait; "block_ram": they come and go word by word, 10 cycles more each',
    )

    checks: bool = Field(
        default=True,
        description="false: no BAD_FIELD of commands, GLB_RANGE or SEMAPHORE; buffer addresses wrap",
    )
    counters: Literal["all", "few"] = Field(
        default="all", description='performance counters; "few": cycles, commands and words of memory'
    )


class AcceleratorConfig(_Part):
    """One accelerator. Immutable, hashable, and valid: an instance that exists satisfies every rule.

    Raises
    ------
    ConfigError
        Some value is missing, unknown, of the wrong type or out of range; all problems at once,
        each naming the value, the limit and the formula.
    """

    name: str = Field(
        pattern=r"^[A-Za-z0-9][A-Za-z0-9_.-]*$", max_length=64, description="names the generated design"
    )
    array: Array
    data_width: Literal[8, 16] = Field(default=8, description="bits of an ifmap, filter and ofmap value")
    psum_width: int = Field(default=32, ge=16, le=48, description="bits of a partial sum")
    arithmetic: Literal["integer", "fixed_point"] = Field(
        default="integer",
        description='"integer": exact sums, requantised; "fixed_point": saturating 16-bit sums',
    )
    scratchpads: Scratchpads
    global_buffer: GlobalBuffer
    memory: MemoryPort = MemoryPort()
    networks: Networks
    post_processing: PostProcessing = PostProcessing()
    vector: Vector = Vector()
    control: Control = Control()
    zero_gating: bool = Field(
        default=True, description="a zero ifmap operand stills filter read and multiplier"
    )

    def __init__(self, **data: Any):
        try:
            super().__init__(**_with_lanes(data))
        except ValidationError as error:
            raise ConfigError(sentences(error, type(self))) from None
        if problems := broken_rules(self):
            raise ConfigError(problems)

    @classmethod
    def model_validate(cls, obj: Any, **options: Any) -> Self:
        """Build from nested mappings; raises `ConfigError` as the constructor does."""
        if isinstance(obj, cls):
            return obj
        if not isinstance(obj, Mapping):
            raise ConfigError(f"a configuration is a table of keys and values, not {obj!r}")
        return cls(**obj)

    def derive(self, changes: Mapping[str, Any]) -> Self:
        """A copy with nested `changes`, validated: `config.derive({"array": {"rows": 4}})`."""
        return type(self)(**merge(self.model_dump(), changes))

    # -- derived ---------------------------------------------------------------------------
    @property
    def pes(self) -> int:
        return self.array.rows * self.array.columns

    @property
    def block(self) -> int:
        """Values per 64-bit word."""
        return WORD_BITS // self.data_width

    @property
    def operand_width(self) -> int:
        """Bits of an ifmap value once its zero point is subtracted."""
        return 9 if self.data_width == 8 else 16

    @property
    def sum_width(self) -> int:
        """Bits of a partial sum in a PE: psum_width, or fewer where a filter row's sum needs no more."""
        return self._exact_width(min(self.scratchpads.ifmap, self.scratchpads.filter))

    @property
    def link_width(self) -> int:
        """Bits of a psum on its way up a column: psum_width, or fewer where a whole column needs no more."""
        return self._exact_width(self.array.rows * min(self.scratchpads.ifmap, self.scratchpads.filter))

    def _exact_width(self, products: int) -> int:
        """Bits that hold the sum of so many products whatever they are, up to psum_width."""
        if self.arithmetic == "fixed_point":  # psums saturate at psum_width, each at its own
            return self.psum_width
        # An operand of 8-bit data is a difference of two such values; one of 16-bit data is a value.
        operand = 255 if self.data_width == 8 else 1 << 15
        largest = products * operand << (self.data_width - 1)
        return min(self.psum_width, largest.bit_length() + 1)

    @property
    def port_words(self) -> int:
        """64-bit words that a beat of the memory port carries."""
        return self.memory.port_bits // WORD_BITS

    @property
    def port_bytes(self) -> int:
        """Bytes that the memory port can move in a cycle, each way."""
        return self.memory.port_bits // 8

    @property
    def psums_per_word(self) -> int:
        return 4 if self.psum_width <= 16 else 2 if self.psum_width <= 32 else 1

    @property
    def psum_ports(self) -> int:
        """Columns that can hand over a psum in the same cycle."""
        return max(1, min(self.array.columns, self.networks.psum_bits // self.psum_width))

    @property
    def stops(self) -> int:
        """Stops of a row's X-buses."""
        return self.stop_of(self.array.columns - 1) + 1

    def stop_of(self, column: int) -> int:
        """The stop of the X-buses that serves a column."""
        return column // self.networks.stop_columns

    @property
    def glb_words(self) -> int:
        return self.global_buffer.banks * self.global_buffer.depth

    @property
    def glb_bytes(self) -> int:
        return self.glb_words * WORD_BITS // 8

    @property
    def glb_addr_width(self) -> int:
        return max(1, (self.glb_words - 1).bit_length())

    @property
    def scratchpad_bytes(self) -> int:
        """Bytes of scratchpad in one PE, rounded up.

        ceil((2 * filter * data_width + ifmap * operand_width + psum * sum_width) / 8)
        """
        pads = self.scratchpads
        filter_bits = 2 * pads.filter * self.data_width
        return -(-(filter_bits + pads.ifmap * self.operand_width + pads.psum * self.sum_width) // 8)

    def content_hash(self) -> str:
        """SHA-256 (hex) of everything but the name: equal hashes mean equal hardware."""
        content = json.dumps(self.model_dump(exclude={"name"}), sort_keys=True, separators=(",", ":"))
        return hashlib.sha256(content.encode()).hexdigest()


def merge(base: Mapping[str, Any], changes: Mapping[str, Any]) -> dict[str, Any]:
    """`base` with `changes` on top, table by table."""
    merged = dict(base)
    for key, value in changes.items():
        if isinstance(value, Mapping) and isinstance(below := merged.get(key), Mapping):
            value = merge(below, value)
        merged[key] = value
    return merged


def _with_lanes(data: dict[str, Any]) -> dict[str, Any]:
    """`data` with the default number of lanes cut to the columns there are, when the user named none."""
    post = data.get("post_processing", {})
    array = data.get("array")
    columns = array.get("columns") if isinstance(array, Mapping) else getattr(array, "columns", None)
    if not isinstance(post, Mapping) or "lanes" in post or not isinstance(columns, int):
        return data
    default = PostProcessing.model_fields["lanes"].default
    return data | {"post_processing": {**post, "lanes": max(1, min(default, columns))}}
