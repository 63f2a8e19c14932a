"""Depthwise layers with every filter on a channel of its own: sets of PE rows and columns that share nothing
but the word their channels lie in.

A set of R rows and e columns works on one channel. `stacks` sets lie on top of each other (their psums follow
each other up the column) and `sets` side by side, so that a RUN takes `stacks * sets` lanes of a pixel at
once: set (stack s, place k) takes lane s + k * stacks. Several RUNs cover a word where the array is smaller.

The layer is cut into units, each a number of channel blocks of an ofmap tile (all blocks of a unit have the
whole tile; only units of whole planes have more than one block), and a tile into windows of e ofmap rows.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from typing import Any, NamedTuple

from orris_hw.commands import COMMAND_WORDS
from orris_hw.config import AcceleratorConfig

from ..golden import RowWork
from ..layers import ConvLayer
from ..layers.formats import missing_format
from .buffer import Ring
from .limits import POSITIONS, STRIDE, WORD_COLUMNS
from .tiling import Span, ceil_div, column_spans, row_span

_UNIT_WORDS = 1024
"""Ofmap words from which on a transfer is long enough to hide its command."""
_UNITS_AHEAD = 4
"""Units that the buffer holds the ifmaps of, if there is room."""
_PLANES = 255
"""Planes of a ring of LOADs."""
_STORES = 8
"""Ofmap areas beyond which more are of no use."""
PARAMETER_SLOTS = 2
"""Batches of channel blocks that have their parameters in post-processing, where not all fit."""
PAIR_TAGS = 16
"""Diagonals that a pair of filter sets can tell apart."""


class Unit(NamedTuple):
    """Channel blocks [first, first + blocks) of an ofmap tile of one image."""

    image: int
    first: int
    blocks: int
    rows: Span
    columns: Span


class Slice(NamedTuple):
    """Lanes of a word that one RUN computes."""

    lane: int
    stacks: int
    sets: int


@dataclass(frozen=True)
class DepthwisePlan:
    """Rings of the global buffer: planes of ifmap tiles, filters of channel blocks, ofmaps to be stored."""

    ifmap: Ring
    filters: Ring
    ofmap: Ring


@dataclass(frozen=True)
class DepthwiseMapping:
    """How a depthwise layer (C = 1, one filter a group, D = 1) is laid over the array.

    Parameters
    ----------
    layer, config
    stacks, sets : sets of PE rows on top of each other, and of columns side by side.
    e : ofmap rows of a window: PE columns of a set. positions : ofmap columns of a tile.
    tall : ofmap rows of a tile. blocks : channel blocks of a unit.
    """

    layer: ConvLayer
    config: AcceleratorConfig
    stacks: int
    sets: int
    e: int
    positions: int
    tall: int
    blocks: int

    # -- in the terms of a mapping -------------------------------------------------------------------------
    @property
    def block(self) -> int:
        return self.config.block

    @property
    def pixel_lanes(self) -> int:
        """Channels of a pixel in an ifmap word."""
        return self.block

    @property
    def rows(self) -> int:
        """PE rows in use."""
        return self.stacks * self.layer.R

    @property
    def channel_blocks(self) -> int:
        return ceil_div(self.layer.channels, self.block)

    @property
    def parameter_entries(self) -> int:
        """Channels, those that fill the last word included."""
        return self.channel_blocks * self.block

    @property
    def filter_words(self) -> int:
        """Words of one PE row's filters of a set."""
        return ceil_div(self.layer.S, self.block)

    @cached_property
    def slices(self) -> list[Slice]:
        """RUNs of a word, from lane 0 up."""
        together = self.stacks * self.sets
        return [Slice(lane, self.stacks, self.sets) for lane in range(0, self.block, together)]

    def merges(self, e: int) -> bool:
        """The sets of e ofmap rows fill words together, each row in one lane of post-processing."""
        return len(self.slices) == 1 and self.sets > 1 and e == self.config.post_processing.lanes

    # -- pieces --------------------------------------------------------------------------------------------
    @cached_property
    def tiles(self) -> list[tuple[Span, Span]]:
        taps = range(self.layer.R)
        rows = [
            row_span(self.layer, first, min(self.tall, self.layer.E - first), taps)
            for first in range(0, self.layer.E, self.tall)
        ]
        return [(row, column) for row in rows for column in self.columns]

    @cached_property
    def columns(self) -> list[Span]:
        return column_spans(self.layer, self.positions, range(self.layer.S))

    def windows(self, rows: Span) -> list[Span]:
        """A tile's ofmap rows, e at a time."""
        end = rows.first + rows.count
        return [
            row_span(self.layer, first, min(self.e, end - first), range(self.layer.R))
            for first in range(rows.first, end, self.e)
        ]

    @cached_property
    def units(self) -> list[Unit]:
        """Batch by batch of channel blocks, whose filters stay while the tiles go by."""
        return [
            Unit(image, first, min(self.blocks, self.channel_blocks - first), rows, columns)
            for first in range(0, self.channel_blocks, self.blocks)
            for image in range(self.layer.N)
            for rows, columns in self.tiles
        ]

    def accumulation_order(self) -> list[list[RowWork]]:
        """The chain of PE rows from the bottom up, for `golden.conv2d_fixed_point`."""
        whole = tuple(range(self.layer.S))
        return [[RowWork((0,), r, whole) for r in reversed(range(self.layer.R))]]

    # -- buffer --------------------------------------------------------------------------------------------
    @property
    def plane_words(self) -> int:
        """Ifmap words of a channel block of the largest tile."""
        return max(rows.stored * columns.stored for rows, columns in self.tiles)

    @property
    def slot_words(self) -> int:
        """Filter words of a channel block."""
        return len(self.slices) * self.rows * self.sets * self.filter_words

    @property
    def stored_together(self) -> int:
        """Ofmap words that go to memory with one command."""
        windows = self.blocks if self.blocks > 1 else 1
        rows = self.tall if self.blocks > 1 else min(self.e, self.tall)
        return windows * rows * min(self.positions, self.layer.F)

    @property
    def least_stores(self) -> int:
        """Ofmap areas without which compute would wait for memory: while a tile is loaded, a memory that
        prefers reads takes no writes, and the windows of another tile are computed."""
        return 2 + (1 if self.blocks > 1 else ceil_div(self.tall, self.e))

    @cached_property
    def plan(self) -> DepthwisePlan | None:
        """The layout, if there is room for the ifmaps of two units and their ofmaps."""
        filters = min(2 * self.blocks, self.channel_blocks)
        for units in range(_UNITS_AHEAD, 1, -1):
            planes = min(units * self.blocks, _PLANES)
            room = self.config.glb_words - planes * self.plane_words - filters * self.slot_words
            stores = min(max(_STORES, self.least_stores), room // self.stored_together)
            if stores >= self.least_stores:
                break
        else:
            return None
        at_filters = planes * self.plane_words
        at_ofmap = at_filters + filters * self.slot_words
        return DepthwisePlan(
            Ring(0, planes, self.plane_words, self.plane_words),
            Ring(at_filters, filters, self.slot_words, self.slot_words),
            Ring(at_ofmap, stores, self.stored_together, self.stored_together),
        )

    @property
    def parameters_stay(self) -> bool:
        return self.parameter_entries <= self.config.post_processing.channels

    def as_dict(self) -> dict[str, Any]:
        """For reports."""
        names = ("stacks", "sets", "e", "rows", "positions", "tall", "blocks")
        return {name: getattr(self, name) for name in names} | {
            "m": self.stacks * self.sets, "n": 1, "p": 1, "q": 1, "r": self.stacks, "t": self.sets,
            "pixel_lanes": self.pixel_lanes, "units": len(self.units), "passes": 1,
        }  # fmt: skip

    # -- words and cycles ----------------------------------------------------------------------------------
    @cached_property
    def runs(self) -> list[tuple[Span, Span, int]]:
        """(rows, columns, how often) of all RUNs."""
        often = len(self.slices) * self.channel_blocks * self.layer.N
        return [
            (window, columns, often) for rows, columns in self.tiles for window in self.windows(rows)
        ]

    @property
    def taps(self) -> int:
        """Taps of a PE."""
        return self.layer.S

    @property
    def macs_per_output(self) -> int:
        return self.layer.taps

    @property
    def all_passes(self) -> int:
        """Passes of the layer, each a RUN of its own."""
        return sum(often for *_, often in self.runs)

    def sent(self, rows: Span, columns: Span) -> tuple[int, int]:
        """Ifmap rows and columns of a RUN that some filter sees."""
        layer = self.layer
        return (
            (rows.count - 1) * min(rows.stride, layer.R) + layer.R,
            (columns.count - 1) * min(columns.stride, layer.S) + layer.S,
        )

    def expected_counts(self, commands: int = 0) -> dict[str, int]:
        """As `orris.mapper.counts.expected_counts`."""
        layer, rows, sets, S = self.layer, self.rows, self.sets, self.layer.S
        filter_lanes = self.config.networks.filter_bits // self.config.data_width
        chunks = max(1, self.pixel_lanes * self.config.data_width // self.config.networks.ifmap_bits)
        area = columns_in_use = delivered = beats = read = runs = 0
        for window, columns, often in self.runs:
            sent_rows, sent_columns = self.sent(window, columns)
            runs += often
            area += often * window.count * columns.count
            columns_in_use += often * window.count
            delivered += often * window.count * sent_columns
            beats += often * sent_rows * sent_columns
            read += often * _kept(window, layer.R) * _kept(columns, S)
        planes = sum(rows.stored * columns.stored for rows, columns in self.tiles)
        loaded = planes * self.channel_blocks * layer.N + self.channel_blocks * self.slot_words
        stored = layer.N * self.channel_blocks * layer.E * layer.F
        forwarded = layer.R * self.stacks * (self.stacks + 1) // 2
        counts = {
            "macs": area * sets * S * rows,
            "spad_ifmap_read": area * sets * S * rows,
            "spad_ifmap_write": delivered * sets * rows,
            "spad_filter_write": columns_in_use * sets * S * rows,
            "net_ifmap_beats": beats * chunks,
            "net_filter_beats": runs * sets * ceil_div(S, filter_lanes) * rows,
            "net_psum_values": area * sets * forwarded,
            "glb_ifmap_read": read,
            "glb_filter_read": runs * sets * self.filter_words * rows,
            "glb_psum_read": 0,
            "glb_psum_write": 0,
            "glb_ofmap_write": area * sets * self.stacks,
            "glb_ofmap_read": stored,
            "glb_load_write": loaded,
            "dram_read_words": loaded + 2 * self.parameter_entries + COMMAND_WORDS * commands,
            "dram_write_words": stored,
        }
        return counts | ({"commands": commands} if commands else {})

    @cached_property
    def compute_cycles(self) -> int:
        """Cycles of all RUNs on the networks and PEs, one behind the other."""
        layer, total = self.layer, 0
        chunks = max(1, self.pixel_lanes * self.config.data_width // self.config.networks.ifmap_bits)
        pairs = ceil_div(self.sets, self.config.networks.x_lanes)
        lanes = self.config.post_processing.lanes
        shared = ceil_div(self.config.array.columns, self.config.psum_ports)
        for rows, columns, often in self.runs:
            sent_rows, sent_columns = self.sent(rows, columns)
            in_use = rows.count * self.sets
            total += often * max(
                columns.count * (layer.S + self.stacks - 1),
                sent_columns * sent_rows * chunks,
                sent_columns * rows.count * pairs,
                columns.count * self.stacks * ceil_div(in_use, lanes),
                columns.count * self.stacks * min(in_use, shared),
                columns.count * rows.count * (1 if self.merges(rows.count) else self.sets),
            )
        return total

    def expected_cycles(self, latency: int) -> int:
        """Cycles of the layer: the first loads, the slower of compute and memory, then the last store."""
        first, last = self.tiles[0], self.tiles[-1]
        rows = first[0] if self.blocks > 1 else self.windows(first[0])[0]
        start = rows.stored * first[1].stored + self.slot_words + 2 * latency
        end = self.windows(last[0])[-1].count * last[1].count + latency
        return max(start + self.compute_cycles, self.memory_cycles + latency) + end

    @property
    def memory_cycles(self) -> int:
        """Cycles of the words between memory and accelerator, commands (about) included, on the port."""
        counts = self.expected_counts(len(self.slices) * len(self.runs) * self.channel_blocks * self.layer.N)
        return ceil_div(counts["dram_read_words"] + counts["dram_write_words"], self.config.port_words)


def _kept(span: Span, taps: int) -> int:
    """Stored positions that some filter sees."""
    if span.stride <= taps:
        return span.stored
    return sum(at % span.stride < taps for at in range(span.pad, span.pad + span.stored))


def map_depthwise(layer: ConvLayer, config: AcceleratorConfig) -> DepthwiseMapping | None:
    """The fastest mapping of this kind; None where layer or configuration do not lend themselves to it."""
    if not (layer.C == 1 and layer.G > 1 and layer.M == layer.G and layer.D == layer.terms == 1):
        return None
    if layer.R > config.array.rows or layer.S > min(config.scratchpads.ifmap, config.scratchpads.filter):
        return None
    if max(layer.U if layer.R > 1 else 1, layer.V) > STRIDE or missing_format(layer.number_format, config):
        return None
    entries, block = config.post_processing.channels, config.block
    if entries < min(PARAMETER_SLOTS * block, ceil_div(layer.channels, block) * block):
        return None
    found = _candidates(layer, config)
    return min(found, key=lambda mapping: max(mapping.compute_cycles, mapping.memory_cycles), default=None)


def _candidates(layer: ConvLayer, config: AcceleratorConfig) -> Iterator[DepthwiseMapping]:
    together = min(config.block, config.networks.ifmap_bits // config.data_width)
    for stacks in range(min(config.array.rows // layer.R, together), 0, -1):
        for sets in range(min(config.array.columns, together // stacks), 0, -1):
            if config.block % (stacks * sets):
                continue
            e = min(layer.E, config.array.columns // sets)
            e = ceil_div(layer.E, ceil_div(layer.E, e))
            pairs = ceil_div(sets, config.networks.x_lanes)
            if pairs > 1 and (e - 1) + ceil_div(layer.R, layer.U) > PAIR_TAGS:
                continue
            if stacks * sets > config.post_processing.channels:
                continue
            if (mapping := _largest(layer, config, stacks, sets, e)) is not None:
                yield mapping


def _largest(
    layer: ConvLayer, config: AcceleratorConfig, stacks: int, sets: int, e: int
) -> DepthwiseMapping | None:
    """The one with the largest tiles that fit; of whole planes, enough to make long transfers."""
    plane = layer.E * layer.F
    held = config.post_processing.channels // config.block
    blocks = max(1, min(8, _UNIT_WORDS // plane, held // PARAMETER_SLOTS))
    for count in range(min(blocks, ceil_div(layer.channels, config.block)), 0, -1):
        found = DepthwiseMapping(layer, config, stacks, sets, e, layer.F, layer.E, count)
        if layer.F <= POSITIONS and found.columns[0].full <= WORD_COLUMNS and found.plan is not None:
            return found
    for pieces in range(1, layer.F + 1):
        positions = ceil_div(layer.F, pieces)
        for windows in range(ceil_div(layer.E, e), 0, -1):
            found = DepthwiseMapping(layer, config, stacks, sets, e, positions, min(layer.E, windows * e), 1)
            if positions <= POSITIONS and found.columns[0].full <= WORD_COLUMNS and found.plan is not None:
                return found
    return None
