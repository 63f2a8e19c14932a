"""What travels on the networks: the beats of Y-buses and X-buses, and the psum stream.

Both input networks carry their set-up in band, in order with the data it applies to: tags change
between two values of the stream, and nothing has to drain. `kind` says what a beat is:

* `VALUE`: data, taken where the tags match.
* `CLEAR`: every column forgets its ID (X-bus).
* `ASSIGN`: `Assignment` in the data; the next run of columns takes IDs (X-bus).
* `PARAMETER`: one field of a pass, its index in the tag; for every column with an ID (filters), or
  for the row itself (ifmaps).
"""

from amaranth.hdl import signed, unsigned
from amaranth.lib import data, enum
from amaranth.utils import bits_for

from ..config import AcceleratorConfig

DISTANCE_BITS = 4
"""Row tag of a beat meant for one row: rows still to travel."""
SET_BITS = 4
"""Column ID on the filter network: which of the filter sets side by side."""
ROW_TAG_BITS = 4
"""Row tag on the ifmap network: ifmap row modulo the stride."""
IDLE_PHASE = (1 << ROW_TAG_BITS) - 1
"""The row tag a row without work listens to; no stride is so large that a value has it."""
COLUMN_TAG_BITS = 6
"""Column ID on the ifmap network: the diagonal."""
COLUMN_BITS = 4
"""Number of a column."""
FIELD_BITS = 8
FORWARD_BITS = 4
"""Psums from below that a PE passes on: one for each set of rows under its own."""
PAIR_TAGS = 16
"""Column IDs of a pair of filter sets, where each takes ifmap values of its own."""


class Kind(enum.Enum, shape=2):
    VALUE = 0
    CLEAR = 1
    ASSIGN = 2
    PARAMETER = 3


class PassField(enum.IntEnum, shape=4):
    """Fields of a pass in a PE, sent as `PARAMETER` beats of 8 bits, in this order.

    The last two may be sent again, both: what was sent last counts.
    """

    FILTERS = 0  # p - 1
    TAPS = 1  # q S - 1
    STEP = 2  # new ifmap values per ofmap position: q min(U, S)
    POSITIONS_HIGH = 3  # F - 1
    POSITIONS_LOW = 4
    FORWARD = 5  # psums from below to pass on after each own one
    FLAGS = 6


class PassFlags(data.Struct):
    join: 1  # add the psum from the PE below
    first: 1  # no earlier channel group: the psum port reads nothing
    last: 1  # final channel group: the sums go to post-processing
    shift: 5  # fixed point: bits truncated from each product


class RowField(enum.IntEnum, shape=3):
    """Fields of a PE row on the ifmap network, sent as `PARAMETER` beats of 8 bits."""

    CHUNK = 0  # first chunk of channels the row takes
    CHUNKS = 1  # how many chunks, minus one
    PHASE = 2  # which ifmap rows it takes: ifmap row modulo stride
    LANES = 3  # `RowLanes`
    SPLIT = 4  # `Split`


class RowLanes(data.Struct):
    """What a row takes of a chunk."""

    first: 3  # its first lane
    beats: 3  # X-bus beats, minus one


class Split(data.Struct):
    """Which lanes of a chunk the X-bus beats of a row carry.

    Normally every filter set takes every value: beat i carries lane i. Where each set has a channel of its
    own (`split`), beat i carries those of a pair of sets, `second` lanes apart, and goes to the column IDs
    of that pair.
    """

    advance: 4  # lanes from beat to beat
    second: 3  # lanes from the first half of a beat to the second
    split: 1


class Assignment(data.Struct):
    """The columns up to `last` that have no ID yet take one: on the filter network the beat's tag, on the
    ifmap network the tag plus their number, modulo 2^`COLUMN_TAG_BITS`."""

    last: COLUMN_BITS


class HalfAssignment(data.Struct):
    """An assignment on an X-bus of two values a beat: the columns take that `half`."""

    columns: Assignment
    half: 1


def ifmap_lanes(config: AcceleratorConfig) -> int:
    """Ifmap values per Y-bus beat."""
    return config.networks.ifmap_bits // config.data_width


def filter_lanes(config: AcceleratorConfig) -> int:
    """Filter values per Y-bus beat."""
    return config.networks.filter_bits // config.data_width


def chunks_of_block(config: AcceleratorConfig) -> int:
    """Chunks (what a Y-bus beat carries) of a channel block, a power of two."""
    return max(1, config.block // ifmap_lanes(config))


def chunk_bits(config: AcceleratorConfig) -> int:
    """Row tag on the ifmap network: which chunk of channels of the pass, which has a block a row at most.

    With more than 64 of them a mapping has to do with fewer (`orris.mapper.limits`).
    """
    return min(6, bits_for(config.array.rows * chunks_of_block(config)))


def ifmap_y_beat(config: AcceleratorConfig) -> data.StructLayout:
    return data.StructLayout(
        {
            "kind": Kind,
            "distance": DISTANCE_BITS,
            "chunk": chunk_bits(config),
            "phase": ROW_TAG_BITS,
            "tag": COLUMN_TAG_BITS,
            "data": max(FIELD_BITS, ifmap_lanes(config) * config.operand_width),
        }
    )


def ifmap_row_beat(config: AcceleratorConfig) -> data.StructLayout:
    """A Y-bus beat once its row has taken it."""
    return data.StructLayout(
        {
            "kind": Kind,
            "tag": COLUMN_TAG_BITS,
            "data": max(FIELD_BITS, ifmap_lanes(config) * config.operand_width),
        }
    )


def ifmap_x_beat(config: AcceleratorConfig) -> data.StructLayout:
    return data.StructLayout(
        {
            "kind": Kind,
            "tag": COLUMN_TAG_BITS,
            "data": config.networks.x_lanes * config.operand_width,
        }
    )


def filter_y_beat(config: AcceleratorConfig) -> data.StructLayout:
    lanes = filter_lanes(config)
    return data.StructLayout(
        {
            "kind": Kind,
            "distance": DISTANCE_BITS,
            "tag": SET_BITS,
            "last": 1,
            "count": max(1, (lanes - 1).bit_length()),  # values in the beat, minus one
            "data": max(FIELD_BITS, lanes * config.data_width),
        }
    )


def filter_x_beat(config: AcceleratorConfig) -> data.StructLayout:
    return data.StructLayout({"kind": Kind, "tag": SET_BITS, "last": 1, "data": config.data_width})


def psum_beat(config: AcceleratorConfig) -> data.StructLayout:
    return data.StructLayout({"psum": signed(config.link_width), "first": 1, "last": 1, "end": 1})


def pe_filter_beat(config: AcceleratorConfig) -> data.StructLayout:
    """What a PE receives from its filter hop: a weight, or a field of the next pass."""
    return data.StructLayout(
        {"parameter": 1, "field": unsigned(4), "last": 1, "data": config.data_width}
    )
