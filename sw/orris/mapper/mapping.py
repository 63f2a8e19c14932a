"""A mapping: how one layer is laid over an accelerator."""

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Literal, NamedTuple

from orris_hw.config import AcceleratorConfig

from ..golden import RowWork
from ..layers import ConvLayer
from .buffer import BufferPlan, Needs, plan_buffer
from .errors import MappingError
from .limits import broken_limit
from .tiling import (
    Chunk,
    FilterRun,
    Window,
    ceil_div,
    chunks,
    filter_runs,
    pass_kinds,
    store_tiles,
    tile_stride,
    windows,
)

Order = Literal["filters", "windows"]


class RunItem(NamedTuple):
    """One RUN: its window, the ofmap tile (store tile) it belongs to, its filters and channels."""

    window: Window
    tile: int
    filters: FilterRun
    chunk: Chunk
    first: bool
    """First of its ofmap tile (of the window and store tile)."""
    last: bool


@dataclass(frozen=True)
class Mapping:
    """How one layer is laid over an accelerator; every instance is legal.

    Parameters
    ----------
    layer, config
    p : filters in a PE. q : channels in a PE. e : ofmap rows of a window: PE columns of a set.
    t : filter sets side by side. positions : ofmap columns of a window (F').
    rows : PE rows in use; logical rows (channel group, filter row) are folded over them.
    chunk : channels of a RUN; C unless the ifmap tile of all channels is too large for the buffer.
    pixel_lanes : channels of a pixel in an ifmap word (cb).
    order : what changes fastest: "filters" (a window stays while all filters pass) or "windows".
    whole : the buffer holds all channels of a window at once; otherwise those of a RUN.

    Raises
    ------
    MappingError
        In one sentence, the limit that this mapping breaks.
    """

    layer: ConvLayer
    config: AcceleratorConfig
    p: int
    q: int
    e: int
    t: int
    positions: int
    rows: int
    chunk: int
    pixel_lanes: int
    order: Order = "filters"
    whole: bool = True

    def __post_init__(self) -> None:
        if problem := broken_limit(self):
            raise MappingError(problem)
        if self.plan is None:
            raise MappingError(
                f"{self.layer.name}: the global buffer of {self.config.glb_words} words is too small for "
                f"{self.needs.columns} columns x {self.needs.psums} psum, {self.needs.ifmap} ifmap, "
                f"{self.needs.filters} filter and {self.needs.ofmap_blocks * self.needs.ofmap_plane} "
                f"ofmap words (e = {self.e}, positions = {self.positions}, p t = {self.m}, "
                f"{self.chunk} channels)"
            )

    # -- in Eyeriss terms ----------------------------------------------------------------------------------
    @property
    def m(self) -> int:
        """Ofmap channels at once: p t."""
        return self.p * self.t

    @property
    def n(self) -> int:
        """Images at once."""
        return 1

    @property
    def r(self) -> float:
        """Sets of R rows on top of each other, on different channels; a fraction where rows are folded."""
        return self.rows / self.layer.R

    @property
    def taps(self) -> int:
        return self.q * self.layer.S

    @property
    def step(self) -> int:
        """New ifmap values of a PE from one position to the next."""
        return self.q * min(self.layer.V, self.layer.S)

    @property
    def block(self) -> int:
        return self.config.block

    @property
    def pixels(self) -> int:
        """Pixels of an ifmap word."""
        return self.block // self.pixel_lanes

    @property
    def group_lanes(self) -> int:
        """Lanes from channel group to channel group."""
        return self.q if self.q & (self.q - 1) == 0 else self.pixel_lanes

    @property
    def ifmap_blocks(self) -> int:
        """Channel blocks of the ifmap tensor."""
        return ceil_div(self.layer.channels, self.pixel_lanes)

    @property
    def stride(self) -> int:
        """Vertical stride within a tile."""
        return tile_stride(self.layer)

    # -- pieces --------------------------------------------------------------------------------------------
    @cached_property
    def windows(self) -> list[Window]:
        return windows(self.layer, self.e, self.positions, self.pixels)

    @cached_property
    def filter_runs(self) -> list[FilterRun]:
        return filter_runs(self.layer, self.p, self.t)

    @cached_property
    def store_tiles(self) -> list[list[FilterRun]]:
        return store_tiles(self.layer, self.filter_runs, self.block)

    @cached_property
    def chunks(self) -> list[Chunk]:
        return chunks(self.layer, self.chunk, self.q, self.rows)

    @property
    def passes(self) -> int:
        """Passes behind one ofmap value."""
        return sum(chunk.passes for chunk in self.chunks)

    @property
    def accumulates(self) -> bool:
        """Psums wait in the global buffer between passes."""
        return self.passes > 1

    @cached_property
    def group_lanes_used(self) -> Counter[int]:
        """Lanes that conv groups begin with, and in how many RUNs of a window."""
        return Counter(run.group * self.layer.C % self.pixel_lanes for run in self.filter_runs)

    def pass_kinds(self, lane: int) -> Counter[tuple[int, int]]:
        """(PE rows, channel blocks) of all passes behind an ofmap tile of a group that begins in `lane`."""
        kinds: Counter[tuple[int, int]] = Counter()
        for chunk in self.chunks:
            begins = (lane + chunk.first) % self.pixel_lanes
            kinds += pass_kinds(chunk, begins, self.group_lanes, self.pixel_lanes)
        return kinds

    def block_range(self, run: FilterRun, chunk: Chunk) -> tuple[int, int]:
        """First and end of the ifmap channel blocks in the buffer while this RUN computes."""
        if self.whole:
            return 0, self.ifmap_blocks
        return self.run_blocks(run, chunk)

    def run_blocks(self, run: FilterRun, chunk: Chunk) -> tuple[int, int]:
        """First and end of the ifmap channel blocks that this RUN reads."""
        first = run.group * self.layer.C + chunk.first
        return first // self.pixel_lanes, ceil_div(first + chunk.count, self.pixel_lanes)

    def filter_words(self, run: FilterRun) -> int:
        """Words of one PE row's filters of a set."""
        return ceil_div(run.p * self.taps, self.block)

    def schedule(self) -> Iterator[RunItem]:
        """All RUNs in order."""
        tiles = list(enumerate(self.store_tiles))
        if self.order == "filters":
            pairs = ((window, tile) for window in self.windows for tile in tiles)
        else:
            pairs = ((window, tile) for tile in tiles for window in self.windows)
        for window, (number, runs) in pairs:
            items = [(run, chunk) for run in runs for chunk in self.chunks]
            for index, (run, chunk) in enumerate(items):
                yield RunItem(window, number, run, chunk, index == 0, index == len(items) - 1)

    def accumulation_order(self) -> list[list[RowWork]]:
        """Passes of chains of PE rows from the bottom up, for `golden.conv2d_fixed_point`."""
        order = []
        for chunk in self.chunks:
            work = [
                RowWork(tuple(range(first, min(first + self.q, chunk.first + chunk.count))), r)
                for first in range(chunk.first, chunk.first + chunk.count, self.q)
                for r in range(self.layer.R)
            ]
            order += [work[top : top + self.rows][::-1] for top in range(0, len(work), self.rows)]
        return order

    # -- buffer --------------------------------------------------------------------------------------------
    @cached_property
    def range_sequences(self) -> list[list[tuple[int, int]]]:
        """Per store tile, the block ranges its RUNs go through on one window, repetitions left out."""
        result = []
        for tile in self.store_tiles:
            ranges: list[tuple[int, int]] = []
            for run in tile:
                for chunk in self.chunks:
                    if (found := self.block_range(run, chunk)) not in ranges[-1:]:
                        ranges.append(found)
            result.append(ranges)
        return result

    @cached_property
    def distinct_ranges(self) -> set[tuple[int, int]]:
        return {found for ranges in self.range_sequences for found in ranges}

    @cached_property
    def slots_per_tile(self) -> list[int]:
        """Filter slots of each store tile."""
        return [len(tile) * self.passes for tile in self.store_tiles]

    @cached_property
    def needs(self) -> Needs:
        run = max(self.filter_runs, key=lambda run: run.sets * self.filter_words(run))
        plane = max(window.plane_words for window in self.windows)
        e = max(window.rows.count for window in self.windows)
        positions = max(window.columns.count for window in self.windows)
        blocks = max(end - first for first, end in self.distinct_ranges)
        rows = max(chunk.rows if chunk.passes > 1 else chunk.last_rows for chunk in self.chunks)
        tiles = [(tile[0].first, max(run.end for run in tile)) for tile in self.store_tiles]
        all_stay = max(end for _, end in tiles) <= self.config.post_processing.channels
        psums = max(run.p for run in self.filter_runs) * positions
        return Needs(
            columns=max(run.sets for run in self.filter_runs) * e,
            psums=ceil_div(psums, self.config.psums_per_word) if self.accumulates else 0,
            ifmap=blocks * plane,
            contents=len(self.windows) * len(self.distinct_ranges),
            filters=run.sets * self.filter_words(run) * rows,
            filter_slots=max(self.slots_per_tile) if self.order == "windows" else 1,
            filter_total=sum(self.slots_per_tile),
            ofmap_blocks=max(ceil_div(end - first, self.block) for first, end in tiles),
            ofmap_plane=e * positions,
            ofmap_tiles=len(self.windows) * len(tiles),
            parameters=0 if all_stay else max(end - first for first, end in tiles),
        )

    @cached_property
    def plan(self) -> BufferPlan | None:
        if self.needs.parameters > self.config.post_processing.channels:
            return None
        return plan_buffer(self.config, self.needs)

    @property
    def buffer(self) -> BufferPlan:
        assert self.plan is not None  # or the constructor had refused
        return self.plan

    @property
    def ifmap_stays(self) -> bool:
        """All ifmap tiles fit: each is loaded once."""
        return self.buffer.ifmap.slots >= self.needs.contents

    @property
    def filters_stay(self) -> bool:
        """All filters fit: each is loaded once."""
        return self.buffer.filters.slots >= self.needs.filter_total

    def as_dict(self) -> dict[str, Any]:
        """For reports."""
        names = ("m", "n", "e", "p", "q", "r", "t", "rows", "passes", "positions", "chunk", "pixel_lanes")
        return {name: getattr(self, name) for name in names} | {
            "order": self.order,
            "whole": self.whole,
            "windows": len(self.windows),
            "ifmap_slots": self.buffer.ifmap.slots,
            "filter_slots": self.buffer.filters.slots,
            "ofmap_slots": self.buffer.ofmap.slots,
        }
