"""The least that is counted of a shape: what no mapping of it is below, whatever comes into the buffer when.

A shape is all of a mapping but its chunks, its order, and what the buffer holds. With all channels in one
chunk there are no more passes than otherwise, and as many logical rows. Of filters F, ifmaps I in all W
windows, and T ofmap tiles of a window, where k windows use the filters that are loaded for them one after the
other (1; a group, half of whose ifmaps have room; or all)::

    loads >= F W / k + I + (T - 1) max(0, I - B W / k)

with B words of the buffer beside psums, an ofmap tile, and the filters of a pass (k = 1) or of an ofmap tile:
ifmaps that do not stay are loaded for every ofmap tile. Where all filters have room, they are loaded once.
Other counts are as in `counts`, of which these are the ones that energy is made of.
"""

from dataclasses import dataclass
from functools import cache

from orris_hw.commands import COMMAND_WORDS
from orris_hw.config import AcceleratorConfig

from ..layers import ConvLayer
from .counts import kept_positions, sent_columns
from .tiling import (
    Part,
    Span,
    ceil_div,
    column_spans,
    filter_runs,
    part_columns,
    part_rows,
    parts,
    row_spans,
    row_words,
    store_tiles,
)

GROUP = 16
"""Windows that share filters, at most."""


@dataclass(frozen=True)
class LeastCounts:
    """By the counters' names; `taps`, `macs_per_output` : as of a `Mapping`."""

    counts: dict[str, int]
    taps: int
    macs_per_output: int


@dataclass(frozen=True)
class _Cut:
    """Rows or columns of the windows of an image: how many tiles, and words (or rows) in all and at most;
    what each part's taps read of them, and columns sent for them."""

    tiles: int
    total: int
    largest: int
    read: tuple[int, ...]
    sent: tuple[int, ...] = ()


@dataclass(frozen=True)
class _Filters:
    """Runs of filters: how often each (sets, p), sets and filters (those that fill up included) and RUNs of
    all, ofmap tiles that use the same ifmaps, columns and words of an ofmap position at once, most of p."""

    shapes: tuple[tuple[int, int, int], ...]
    sets: int
    filters: int
    runs: int
    tiles: int
    sharing: int
    columns: int
    blocks: int
    most: int


class Floor:
    """Of one layer on one configuration; `fused`: something is done to the ofmap before it is stored."""

    def __init__(self, layer: ConvLayer, config: AcceleratorConfig, pixel_lanes: int, fused: bool):
        self._layer, self._config, self._lanes, self._fused = layer, config, pixel_lanes, fused
        self._pixels = config.block // pixel_lanes
        # Shapes have most of their parameters in common.
        self._parts, self._rows = cache(self._all_parts), cache(self._row_cut)
        self._columns, self._runs = cache(self._column_cut), cache(self._filter_runs)

    def counts(self, *, q: int, rows: int, p: int, e: int, t: int, positions: int) -> LeastCounts:
        """What the mappings of a shape have at least of everything that costs energy."""
        layer, config = self._layer, self._config
        pieces, runs = self._parts(q, rows), self._runs(p, t)
        high, wide = self._rows(q, e), self._columns(q, positions)
        area, windows = layer.N * layer.E * layer.F, layer.N * high.tiles * wide.tiles
        passes = sum(part.passes for part in pieces)
        logical = sum(part.logical_rows for part in pieces)
        work = sum(part.logical_rows * part.taps for part in pieces)
        in_group = ceil_div(layer.C, self._lanes)
        read = sum(
            tall * broad * max(part.passes, in_group)
            for part, tall, broad in zip(pieces, high.read, wide.read, strict=True)
        )
        sent = sum(columns * part.logical_rows for part, columns in zip(pieces, wide.sent, strict=True))
        sweep = sum(
            often * sets * ceil_div(share * part.taps, config.block) * part.logical_rows
            for sets, share, often in runs.shapes
            for part in pieces
        )
        stored = 0 if self._fused else layer.N * ceil_div(layer.M, config.block) * layer.E * layer.F
        psums = ceil_div(runs.most * positions, config.psums_per_word) if passes > 1 else 0
        plane = 0 if self._fused else e * positions
        room = config.glb_words - runs.columns * e * psums - runs.blocks * plane
        slot = max(
            sets * ceil_div(share * part.taps, config.block) * min(rows, part.R)
            for sets, share, _ in runs.shapes
            for part in pieces
        )
        loaded = self._loaded(sweep, slot, windows, high, wide, runs, room)
        commands = windows * (runs.runs * len(pieces) + runs.tiles) + runs.runs * len(pieces)
        psum_accesses = area * runs.filters * (passes - 1)
        counts = {
            "macs": area * runs.filters * work,
            "spad_ifmap_read": area * runs.sets * work,
            "spad_ifmap_write": layer.N * layer.E * sent * q * runs.sets,
            "spad_filter_write": layer.N * layer.E * wide.tiles * runs.filters * work,
            "net_psum_values": area * runs.filters * logical,
            "glb_ifmap_read": layer.N * read * runs.runs,
            "glb_filter_read": sweep * windows,
            "glb_psum_read": psum_accesses,
            "glb_psum_write": psum_accesses,
            "glb_ofmap_write": area * runs.filters,
            "glb_ofmap_read": stored,
            "glb_load_write": loaded,
            "dram_read_words": loaded + 2 * layer.M + COMMAND_WORDS * commands,
            "dram_write_words": stored,
        }
        return LeastCounts(counts, q * max(part.S for part in pieces), work)

    def _loaded(
        self, filters: int, slot: int, windows: int, high: _Cut, wide: _Cut, runs: _Filters, room: int
    ) -> int:
        """Words of ifmaps and filters that are loaded; `slot` : filters of a pass."""
        layer = self._layer
        once = layer.N * ceil_div(layer.channels, self._lanes) * high.total * wide.total
        tile = ceil_div(layer.C, self._lanes) * high.largest * wide.largest
        beside = room - ceil_div(filters, runs.tiles)
        most = min(GROUP, windows, 2 * beside // tile) if tile else GROUP
        # (sweeps of the filters; times that other ifmaps come, into how many words)
        ways = [(windows, windows, room - slot)]
        if filters <= room:
            ways.append((1, windows, room - filters))
        if beside >= 0:
            ways.append((1, 1, beside))
            if most > 1:
                ways.append((ceil_div(windows, most), windows // 2, beside))
        return once + min(
            filters * sweeps + (runs.sharing - 1) * max(0, once - changes * max(0, words))
            for sweeps, changes, words in ways
        )

    def _all_parts(self, q: int, rows: int) -> list[Part]:
        layer = self._layer
        most = self._config.scratchpads.ifmap // q - (self._pixels - 1)
        return parts(layer, layer.C, q, rows, part_rows(layer), part_columns(layer, most))

    def _row_cut(self, q: int, e: int) -> _Cut:
        layer = self._layer
        spans = [row_spans(layer, e, part.filter_rows) for part in self._parts(q, 1)]
        read = [
            sum(kept_positions(span, span.stride, part.R) for span in each)
            for part, each in zip(self._parts(q, 1), spans, strict=True)
        ]
        whole = row_spans(layer, e, range(layer.R))
        return _cut(whole, [[span.stored for span in each] for each in (whole, *spans)], read, [])

    def _column_cut(self, q: int, positions: int) -> _Cut:
        layer, pixels = self._layer, self._pixels
        spans = [column_spans(layer, positions, part.filter_columns) for part in self._parts(q, 1)]
        read, sent = [], []
        for part, each in zip(self._parts(q, 1), spans, strict=True):
            if part.S >= layer.V:
                read.append(sum(row_words(span, pixels) for span in each))
            else:
                read.append(sum(kept_positions(span, layer.V, part.S) for span in each))
            sent.append(sum(sent_columns(layer, part, span.count) for span in each))
        whole = column_spans(layer, positions, range(layer.S))
        words = [[row_words(span, pixels) for span in each] for each in (whole, *spans)]
        return _cut(whole, words, read, sent)

    def _filter_runs(self, p: int, t: int) -> _Filters:
        layer, block = self._layer, self._config.block
        runs = filter_runs(layer, p, t)
        often: dict[tuple[int, int], int] = {}
        for run in runs:
            often[run.sets, run.p] = often.get((run.sets, run.p), 0) + 1
        tiles = len(store_tiles(layer, runs, block))
        return _Filters(
            shapes=tuple((*shape, count) for shape, count in often.items()),
            sets=sum(run.sets for run in runs),
            filters=sum(run.sets * run.p for run in runs),
            runs=len(runs),
            tiles=tiles,
            sharing=tiles if layer.G == 1 else 1,
            columns=max(run.sets for run in runs),
            blocks=max(ceil_div(run.sets * run.p, block) for run in runs),
            most=max(run.p for run in runs),
        )


def _cut(whole: list[Span], words: list[list[int]], read: list[int], sent: list[int]) -> _Cut:
    """`words` of each tile: for all taps, then for those of each part, which may be all that is loaded."""
    loaded, *by_part = words
    return _Cut(
        tiles=len(whole),
        total=min(sum(loaded), max(map(sum, by_part))),
        largest=min(max(loaded), max(map(max, by_part))),
        read=tuple(read),
        sent=tuple(sent),
    )
