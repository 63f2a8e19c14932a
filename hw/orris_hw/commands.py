"""Commands: the one definition that hardware, compiler and documentation share.

A command is 64 bytes (eight little-endian 64-bit words): fields packed from bit 0 up in the order given
here, the opcode first. A program is an array of commands in memory, fetched by the accelerator.

Four units run commands side by side, each its own kind in program order: load, compute, store and vector.
They wait for each other only through tokens: 15 semaphores (1 to 15; 0 means none), counters that a
command takes one token from (`wait_*`: it does not start before there is one) and gives one to
(`signal_*`: when it is done). All are zero at the start of a program and after a BARRIER; `SIGNAL` gives the
first tokens.

Rule that keeps a program from waiting for itself: a command may wait for tokens of later commands only
while no more than `QUEUE_DEPTH` commands of its own kind are ahead of those. VECTOR commands have no queue:
while one of them waits or runs, nothing behind the next one is handed out.
"""

from collections.abc import Mapping
from dataclasses import dataclass

COMMAND_WORDS = 8
COMMAND_BITS = 64 * COMMAND_WORDS
QUEUE_DEPTH = 4
"""Commands of one kind that are taken in while the unit is busy with another."""

SEMAPHORES = 15
SEMAPHORE_MAX = 255


@dataclass(frozen=True)
class Field:
    """`bits` of a command; `signed` fields are two's complement."""

    name: str
    bits: int
    text: str
    signed: bool = False

    @property
    def limits(self) -> tuple[int, int]:
        """Smallest and largest value."""
        if self.signed:
            return -(1 << (self.bits - 1)), (1 << (self.bits - 1)) - 1
        return 0, (1 << self.bits) - 1


@dataclass(frozen=True)
class Format:
    """One kind of command: its opcode and its fields from bit 8 up."""

    name: str
    opcode: int
    text: str
    fields: tuple[Field, ...]

    def __post_init__(self) -> None:
        used = 8 + sum(field.bits for field in self.fields)
        if used > COMMAND_BITS:
            raise ValueError(f"command {self.name} takes {used} bits, more than {COMMAND_BITS}")

    def pack(self, values: Mapping[str, int]) -> bytes:
        """The command's 64 bytes; fields not named are zero.

        Raises
        ------
        ValueError
            For a field that this command does not have or a value that its bits do not hold.
        """
        known = {field.name for field in self.fields}
        for name in values:
            if name not in known:
                raise ValueError(f"command {self.name} has no field '{name}'")
        word, at = self.opcode, 8
        for field in self.fields:
            value = values.get(field.name, 0)
            low, high = field.limits
            if not low <= value <= high:
                raise ValueError(f"{self.name}.{field.name} = {value}, but must be {low} to {high}")
            word |= (value & ((1 << field.bits) - 1)) << at
            at += field.bits
        return word.to_bytes(COMMAND_BITS // 8, "little")

    def unpack(self, command: bytes) -> dict[str, int]:
        """The fields of a packed command."""
        word, values, at = int.from_bytes(command, "little"), {}, 8
        for field in self.fields:
            value = word >> at & ((1 << field.bits) - 1)
            values[field.name] = value - (1 << field.bits) if value > field.limits[1] else value
            at += field.bits
        return values


_GEOMETRY = (
    Field("address", 32, "byte address in memory, a multiple of 8"),
    Field("row_words", 16, "contiguous 64-bit words of a row"),
    Field("rows", 16, "rows of a plane"),
    Field("row_stride", 32, "bytes from row to row in memory"),
    Field("planes", 16, "planes"),
    Field("plane_stride", 32, "bytes from plane to plane in memory"),
    Field("buffer_address", 20, "word address in the global buffer (or in the parameter memory)"),
    Field("buffer_row_stride", 20, "words from row to row in the buffer"),
    Field("buffer_plane_stride", 20, "words from plane to plane in the buffer"),
)

LOAD = Format(
    "LOAD",
    1,
    "memory to global buffer or parameter memory: planes of rows of words",
    (
        Field("wait", 4, "semaphore to take a token from"),
        Field("signal", 4, "semaphore to give a token to"),
        Field("each", 1, "1: wait before and signal after every plane; 0: before the first, after the last"),
        Field("parameters", 1, "1: into the parameter memory, which takes single rows; 0: global buffer"),
        Field("ring", 8, "planes after which the buffer address starts again; 0: never"),
        Field("ring_start", 8, "plane of the ring that the first plane goes to"),
        *_GEOMETRY,
    ),
)

STORE = Format(
    "STORE",
    2,
    "global buffer to memory: planes of rows of words",
    (
        Field("wait", 4, "semaphore to take a token from before the first word is read"),
        Field("signal", 4, "semaphore to give a token to when all words are in memory"),
        *_GEOMETRY,
    ),
)

RUN = Format(
    "RUN",
    3,
    "passes over channel groups for one ofmap tile of e rows x positions x (sets p) filters",
    (
        # tokens
        Field("wait_ifmap", 4, "taken once, before the first ifmap value is read"),
        Field("signal_ifmap", 4, "given once, after the last ifmap value was read"),
        Field("wait_filter", 4, "taken for every pass, before its filters are read"),
        Field("signal_filter", 4, "given for every pass, after its filters were read"),
        Field("wait_ofmap", 4, "last = 1: taken before the first ofmap word is written"),
        Field("signal_ofmap", 4, "last = 1: given after the last ofmap word was written"),
        # passes
        Field("passes", 12, "passes K"),
        Field("first", 1, "1: the first pass starts the psums from zero; 0: it adds to those in the buffer"),
        Field("last", 1, "1: the last pass finishes the psums, which go to post-processing"),
        Field("rows", 5, "PE rows in use (all passes but the last one)"),
        Field("last_rows", 5, "PE rows in use in the last pass"),
        Field("e", 5, "PE columns of a set: ofmap rows of the tile"),
        Field("sets", 5, "filter sets side by side (t)"),
        # one pass in a PE
        Field("p", 7, "filters"),
        Field("taps", 7, "q S"),
        Field("step", 7, "q min(U, S): new ifmap values from one ofmap position to the next"),
        Field("positions", 12, "ofmap positions F of the tile"),
        Field("stacks", 4, "sets of R PE rows on top of each other with psums of their own, minus one"),
        Field("shift", 5, "fixed point: bits truncated from each product"),
        # filters in the global buffer
        Field("filter_base", 20, "word address of the ring of filter slots, one slot a pass"),
        Field("filter_stride", 16, "words from slot to slot"),
        Field("filter_slots", 8, "slots of the ring"),
        Field("filter_start", 8, "slot of the first pass"),
        Field("filter_words", 10, "words of one PE row and set: ceil(p taps / block)"),
        # logical rows: (channel group, filter row), laid over the PE rows pass after pass
        Field("R", 5, "filter rows"),
        Field("q", 4, "channels of a group"),
        Field("group_lanes", 4, "lanes from group to group: q, or pixel_lanes for one group a pixel"),
        Field("pixel_lanes", 4, "channels of a pixel in a word (cb), a power of two"),
        Field("first_lane", 4, "lane of the first group"),
        Field("split", 1, "1: each filter set takes a channel of its own, stacks + 1 lanes apart (q = 1)"),
        Field("keep_tags", 1, "1: rows and columns listen to the same as in the RUN before"),
        Field("stride", 4, "vertical stride U"),
        # the ifmap tile in the global buffer, in padded coordinates
        Field("ifmap_base", 20, "word address of the first row's first word, first channel block"),
        Field("ifmap_row_stride", 16, "words from row to row"),
        Field("ifmap_block_stride", 20, "words from channel block to channel block"),
        Field("first_pixel", 3, "pixel of the first word that the tile begins with"),
        Field("pad_left", 13, "zero columns before the first stored one"),
        Field("width", 13, "stored columns"),
        Field("full_width", 13, "columns in all: (positions - 1) V + S"),
        Field("period", 4, "horizontal stride V, where it exceeds S; else 1: of every `period` columns ..."),
        Field("kept", 4, "... the first `kept` are sent"),
        Field("pad_top", 8, "zero rows before the first stored one"),
        Field("height", 8, "stored rows"),
        Field("full_height", 8, "rows in all: (e - 1) U + R"),
        Field("zero_point", 8, "of the ifmap, subtracted from stored values (8-bit data)", signed=True),
        # post-processing
        Field("ofmap_base", 20, "word address of the ofmap tile"),
        Field("ofmap_row_stride", 16, "words from ofmap row to row"),
        Field("ofmap_block_stride", 20, "words from channel block to channel block"),
        Field("ofmap_lane", 3, "lane of the tile's first channel in its word"),
        Field("merge", 1, "1: the sets of an ofmap row fill a word together, in the same lane (e = lanes)"),
        Field("parameter_base", 12, "entry of the tile's first filter in the parameter memory"),
        Field("zp_out", 16, "zero point of the ofmap", signed=True),
        Field("act_min", 16, "lower clamp", signed=True),
        Field("act_max", 16, "upper clamp", signed=True),
        Field("rounding", 2, "0: none, 1: single, 2: double"),
    ),
)

VECTOR = Format(
    "VECTOR",
    7,
    "one word of the global buffer from a window of R x S words, at every place of planes x rows x columns; "
    "BAD_FIELD if that is more words to read than the square of the buffer's, rounded up to a power of two",
    (
        # tokens: all are taken before the first word is read, and given after the last one was written
        Field("wait_a", 4, "semaphore to take a token from"),
        Field("wait_b", 4, "another one"),
        Field("wait_out", 4, "another one"),
        Field("signal_a", 4, "semaphore to give a token to"),
        Field("signal_b", 4, "another one"),
        Field("signal_out", 4, "another one"),
        # what is done, lane by lane
        Field("op", 2, "0: MAX of the taps, 1: SUM of the taps, 2: ADD of taps (0, 0) and (1, 0), 3: COPY"),
        Field("first", 1, "1: the first place begins anew; 0: it goes on where the last command stopped"),
        Field("last", 1, "1: every place is written; 0: all but the last one, for the next command to go on"),
        # places and windows
        Field("planes", 12, "planes"),
        Field("rows", 13, "rows of places"),
        Field("columns", 13, "places of a row"),
        Field("R", 13, "rows of the window"),
        Field("S", 13, "words of a row of the window; ADD: R = 2 and S = 1"),
        Field("source", 20, "word address of the first place's first tap"),
        Field("source_tap_stride", 20, "words from row to row of the window; ADD: from a to b"),
        Field("source_column_stride", 20, "words from place to place"),
        Field("source_row_stride", 20, "words from row to row of places"),
        Field("source_plane_stride", 20, "words from plane to plane"),
        Field("target", 20, "word address of the first place's result"),
        Field("target_column_stride", 20, "words from place to place"),
        Field("target_row_stride", 20, "words from row to row"),
        Field("target_plane_stride", 20, "words from plane to plane"),
        Field("rotate", 3, "byte k of a result goes to byte (k + rotate) mod 8 of the word"),
        Field("mask", 8, "bytes of the word that are written"),
        # ADD: each operand is rescaled before the sum
        Field("zero_point_a", 8, "subtracted from a", signed=True),
        Field("zero_point_b", 8, "subtracted from b", signed=True),
        Field("multiplier_a", 31, "of a, in units of 2^-31"),
        Field("multiplier_b", 31, "of b"),
        Field("right_a", 5, "bits that a is shifted right by after its multiplication"),
        Field("right_b", 5, "bits that b is shifted right by"),
        # SUM and ADD: the sum is requantised as post-processing does it; MAX and COPY are only clamped
        Field("bias", 32, "added to a SUM", signed=True),
        Field("multiplier", 32, "of the sum"),
        Field("shift", 6, "of the sum, -31 to 30", signed=True),
        Field("rounding", 2, "0: none, 1: single, 2: double"),
        Field("zp_out", 16, "zero point of the result", signed=True),
        Field("act_min", 16, "lower clamp", signed=True),
        Field("act_max", 16, "upper clamp", signed=True),
    ),
)

VECTOR_OPS = ("max", "sum", "add", "copy")
"""The index is the value of VECTOR.op."""

SIGNAL = Format(
    "SIGNAL",
    4,
    "gives tokens to a semaphore, when it is decoded",
    (Field("semaphore", 4, "semaphore"), Field("count", 8, "tokens")),
)

BARRIER = Format(
    "BARRIER", 5, "nothing after it starts before everything ahead of it is done; all semaphores go to 0", ()
)

END = Format("END", 6, "a barrier, then the program is done", ())

FORMATS: dict[str, Format] = {f.name: f for f in (LOAD, STORE, RUN, SIGNAL, BARRIER, END, VECTOR)}
