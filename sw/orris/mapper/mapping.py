"""A mapping: how one layer is laid over an accelerator."""

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, replace
from functools import cached_property
from itertools import groupby, product
from typing import Any, Literal, NamedTuple

from orris_hw.config import AcceleratorConfig

from ..golden import RowWork
from ..layers import ConvLayer
from .buffer import BufferPlan, Needs, plan_buffer
from .errors import MappingError
from .fusion import Fusion, Tail
from .limits import broken_limit
from .tiling import (
    FilterRun,
    Part,
    Span,
    Tile,
    Window,
    ceil_div,
    column_span,
    column_spans,
    filter_runs,
    part_columns,
    part_rows,
    parts,
    pass_kinds,
    row_span,
    row_spans,
    row_words,
    store_tiles,
    windows,
)

Order = Literal["filters", "windows"]
Held = Literal["channels", "chunk", "part"]


MEMORY_LATENCY = 100
"""Cycles from asking memory to its answer that mappings reckon with."""

BESIDE_PSUMS = 6
"""Taps of a PE from which on ifmaps may be read from banks of psums: those take a read in as many cycles."""


class Area(NamedTuple):
    """What of a window is in the buffer while a RUN computes: ifmap channel blocks, and the part whose
    taps alone see it (None: what the whole filter sees)."""

    first_block: int
    end_block: int
    part: Part | None


class RunItem(NamedTuple):
    """One RUN: its window, the ofmap tile (store tile) it belongs to, its filters, its part of the sum."""

    window: Window
    tile: int
    filters: FilterRun
    part: Part
    first: bool
    """First of its ofmap tile (of the window and store tile)."""
    last: bool


class Planes(NamedTuple):
    """Ifmap words of a channel block: in all windows together, and in the largest."""

    total: int
    largest: int


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
    order : what changes fastest: "filters" (windows stay while all filters pass) or "windows".
    held : what the buffer holds of a window at once: all "channels", those of a RUN ("chunk"), or only what
        the taps of a RUN see ("part").
    group : order "filters": windows that stay, and share the filters loaded once for them.
    after : a layer of the vector unit that takes the ofmap from the buffer; it alone goes to memory.

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
    held: Held = "channels"
    group: int = 1
    after: Tail | None = None

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
    def together(self) -> int:
        """Windows computed one after the other with the same filters."""
        return len(self.windows) if self.order == "windows" else self.group

    @property
    def r(self) -> float:
        """Sets of R rows on top of each other, on different channels; a fraction where rows are folded."""
        return self.rows / self.layer.R

    @cached_property
    def part_columns(self) -> int:
        """Filter columns of a RUN: as many as the ifmap scratchpad holds."""
        return part_columns(self.layer, self.config.scratchpads.ifmap // self.q - (self.pixels - 1))

    @property
    def taps(self) -> int:
        """Of a PE and filter, in the largest part."""
        return self.q * self.part_columns

    def step(self, part: Part) -> int:
        """New ifmap values of a PE from one position to the next."""
        return self.q * min(self.layer.V, part.S)

    @cached_property
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
    def parts(self) -> list[Part]:
        return parts(self.layer, self.chunk, self.q, self.rows, part_rows(self.layer), self.part_columns)

    @cached_property
    def passes(self) -> int:
        """Passes behind one ofmap value."""
        return sum(part.passes for part in self.parts)

    @property
    def macs_per_output(self) -> int:
        """Multiply-accumulates of the array behind an ofmap value, for channels that fill up a group too."""
        return sum(part.taps * part.logical_rows for part in self.parts)

    @property
    def all_passes(self) -> int:
        """Passes of the layer."""
        return self.passes * len(self.filter_runs) * len(self.windows)

    @property
    def accumulates(self) -> bool:
        """Psums wait in the global buffer between passes."""
        return self.passes > 1

    @cached_property
    def group_lanes_used(self) -> Counter[int]:
        """Lanes that conv groups begin with, and in how many RUNs of a window."""
        return Counter(run.group * self.layer.C % self.pixel_lanes for run in self.filter_runs)

    @cached_property
    def run_shapes(self) -> Counter[tuple[int, int]]:
        """(sets, p) of the filter runs, and how often each occurs."""
        return Counter((run.sets, run.p) for run in self.filter_runs)

    def pass_kinds(self, part: Part, lane: int) -> Counter[tuple[int, int]]:
        """(PE rows, channel blocks) of the passes of a part, in a group that begins in `lane`."""
        begins = (lane + part.first) % self.pixel_lanes
        return pass_kinds(part, begins, self.group_lanes, self.pixel_lanes)

    def tile(self, window: Window, part: Part | None) -> Tile:
        """What the taps of a part see from a window; all that the filter sees for None."""
        if part is None:
            return window
        rows, columns = window.rows, window.columns
        return Tile(
            window.image,
            row_span(self.layer, rows.first, rows.count, part.filter_rows),
            column_span(self.layer, columns.first, columns.count, part.filter_columns),
            self.pixels,
        )

    def row_spans(self, part: Part | None) -> list[Span]:
        """Rows of all windows of an image, as the taps of a part (None: of the filter) see them."""
        return row_spans(self.layer, self.e, part.filter_rows if part else range(self.layer.R))

    def column_spans(self, part: Part | None) -> list[Span]:
        """Columns of all windows of an image, as the taps of a part (None: of the filter) see them."""
        return column_spans(self.layer, self.positions, part.filter_columns if part else range(self.layer.S))

    def planes(self, part: Part | None) -> "Planes":
        """Words of a channel block in the tiles of a part."""
        key = (part.filter_rows, part.filter_columns) if part else None
        if key not in self._planes:
            rows = [span.stored for span in self.row_spans(part)]
            words = [row_words(span, self.pixels) for span in self.column_spans(part)]
            self._planes[key] = Planes(self.layer.N * sum(rows) * sum(words), max(rows) * max(words))
        return self._planes[key]

    def group_words(self, number: int, part: Part | None) -> int:
        """Words of a channel block in the tiles of window `number` of all groups of windows."""
        if self.together == 1:
            return self.planes(part).total
        if part not in self._group_words:
            words = [
                rows.stored * row_words(columns, self.pixels)
                for rows, columns in product(self.row_spans(part), self.column_spans(part))
            ] * self.layer.N
            self._group_words[part] = [sum(words[n :: self.together]) for n in range(self.together)]
        return self._group_words[part][number]

    @cached_property
    def _group_words(self) -> dict[Part | None, list[int]]:
        return {}

    @cached_property
    def _planes(self) -> dict[tuple[range, range] | None, "Planes"]:
        return {}

    def area(self, run: FilterRun, part: Part) -> Area:
        """What the buffer holds while this RUN computes."""
        blocks = (0, self.ifmap_blocks) if self.held == "channels" else self.run_blocks(run, part)
        return Area(*blocks, replace(part, term=0) if self.held == "part" else None)

    def run_blocks(self, run: FilterRun, part: Part) -> tuple[int, int]:
        """First and end of the ifmap channel blocks that this RUN reads."""
        first = run.group * self.layer.C + part.first
        return first // self.pixel_lanes, ceil_div(first + part.count, self.pixel_lanes)

    def filter_words(self, run: FilterRun, part: Part) -> int:
        """Words of one PE row's filters of a set."""
        return ceil_div(run.p * part.taps, self.block)

    def slot_words(self, run: FilterRun, part: Part, rows: int) -> int:
        """Words of the filters of a pass on that many PE rows."""
        return run.sets * self.filter_words(run, part) * rows

    def schedule(self) -> Iterator[RunItem]:
        """All RUNs in order."""
        tiles, together = list(enumerate(self.store_tiles)), self.together
        groups = (self.windows[at : at + together] for at in range(0, len(self.windows), together))
        steps = ((window, tile) for group in groups for tile in tiles for window in group)
        for window, (number, runs) in steps:
            items = [(run, part) for run in runs for part in self.parts]
            for index, (run, part) in enumerate(items):
                yield RunItem(window, number, run, part, index == 0, index == len(items) - 1)

    @cached_property
    def fusion(self) -> Fusion | None:
        """How `after` is laid over the ofmap tiles."""
        return Fusion(self.layer, self.after, self.e, self.positions) if self.after is not None else None

    def accumulation_order(self) -> list[list[RowWork]]:
        """Passes of chains of PE rows from the bottom up, for `golden.conv2d_fixed_point`."""
        order = []
        for part in self.parts:
            work = [
                RowWork(tuple(range(first, min(first + self.q, part.first + part.count))), r, columns)
                for columns in [tuple(part.filter_columns)]
                for first in range(part.first, part.first + part.count, self.q)
                for r in part.filter_rows
            ]
            order += [work[top : top + self.rows][::-1] for top in range(0, len(work), self.rows)]
        return order

    # -- buffer --------------------------------------------------------------------------------------------
    @cached_property
    def area_sequences(self) -> list[list[Area]]:
        """Per store tile, the areas its RUNs go through on one window, repetitions left out."""
        result, by_group = [], self._group_areas
        for tile in self.store_tiles:
            areas: list[Area] = []
            for run in tile:
                found = by_group[run.group]
                areas += found if found[0] not in areas[-1:] else found[1:]
            result.append(areas)
        return result

    @cached_property
    def _group_areas(self) -> dict[int, list[Area]]:
        """The areas that a RUN's parts go through, repetitions left out: the same for all RUNs of a group."""
        result: dict[int, list[Area]] = {}
        for run in self.filter_runs:
            if run.group not in result:
                areas = (self.area(run, part) for part in self.parts)
                result[run.group] = [area for area, _ in groupby(areas)]
        return result

    @cached_property
    def epochs(self) -> list[tuple[list[Area], range]]:
        """Areas that a group of windows needs at once, and the store tiles that need just those."""
        result: list[tuple[list[Area], range]] = []
        for number, areas in enumerate(self.area_sequences):
            distinct = list(dict.fromkeys(areas))
            if result and result[-1][0] == distinct:
                result[-1] = distinct, range(result[-1][1].start, number + 1)
            else:
                result.append((distinct, range(number, number + 1)))
        return result

    @cached_property
    def areas(self) -> set[Area]:
        return {found for areas in self._group_areas.values() for found in areas}

    @cached_property
    def slots_per_tile(self) -> list[int]:
        """Filter slots of each store tile."""
        return [len(tile) * self.passes for tile in self.store_tiles]

    @cached_property
    def needs(self) -> Needs:
        tiles = [(area.end_block - area.first_block, self.planes(area.part).largest) for area in self.areas]
        e = max(window.rows.count for window in self.windows)
        positions = max(window.columns.count for window in self.windows)
        filters = max(
            sets * ceil_div(p * part.taps, self.block) * (part.rows if part.passes > 1 else part.last_rows)
            for sets, p in self.run_shapes
            for part in self.parts
        )
        ofmaps = [(tile[0].first, max(run.end for run in tile)) for tile in self.store_tiles]
        all_stay = max(end for _, end in ofmaps) <= self.config.post_processing.channels
        psums = max(run.p for run in self.filter_runs) * positions
        ofmap_blocks = max(ceil_div(end - first, self.block) for first, end in ofmaps)
        passes = [part.passes for part in self.parts]
        fusion = self.fusion
        return Needs(
            columns=max(run.sets for run in self.filter_runs) * e,
            psums=ceil_div(psums, self.config.psums_per_word) if self.accumulates else 0,
            ifmap=max(blocks * plane for blocks, plane in tiles),
            ifmap_blocks=max(blocks for blocks, _ in tiles),
            ifmap_plane=max(plane for _, plane in tiles),
            contents=len(self.windows) * len(self.areas),
            resident=self.together * max(len(areas) for areas, _ in self.epochs),
            filters=filters,
            filter_slots=max(self.slots_per_tile) if self.together > 1 else 1,
            filter_total=sum(self.slots_per_tile),
            filter_unit=passes[0] if passes.count(passes[0]) == len(passes) else 1,
            ofmap_blocks=ofmap_blocks,
            ofmap_plane=fusion.plane if fusion else e * positions,
            ofmap_tiles=len(self.windows) * len(ofmaps),
            ofmap_slots=2 if fusion or not self._stores_in_time(ofmap_blocks * e * positions) else 1,
            parameters=0 if all_stay else max(end - first for first, end in ofmaps),
            results=ofmap_blocks * fusion.results if fusion else 0,
            result_tiles=self.layer.N * sum(fusion.result_tiles()) * len(ofmaps) if fusion else 0,
            operand=bool(fusion and fusion.loaded),
            kept=ofmap_blocks * (fusion.kept_rows + fusion.kept_columns) if fusion else 0,
            kept_areas=1 if self.together == len(self.windows) else len(ofmaps),
            beside_psums=min(part.taps for part in self.parts) >= BESIDE_PSUMS,
        )

    def _stores_in_time(self, words: int) -> bool:
        """An ofmap tile of so many words is stored before the first sum of the next one is finished."""
        p = min(run.p for run in self.filter_runs)
        taps = min(part.taps for part in self.parts)
        positions = min(window.columns.count for window in self.windows)
        return (self.passes - 1) * p * taps * positions > 2 * (words + MEMORY_LATENCY)

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
    def resident(self) -> bool:
        """The ifmap areas that a group of windows needs stay while filters pass."""
        return self.buffer.ifmap.slots >= self.needs.resident

    @property
    def filters_stay(self) -> bool:
        """All filters fit: each is loaded once."""
        return self.buffer.filters.slots >= self.needs.filter_total

    def as_dict(self) -> dict[str, Any]:
        """For reports."""
        names = ("m", "n", "e", "p", "q", "r", "t", "rows", "passes", "positions", "chunk", "pixel_lanes")
        return {name: getattr(self, name) for name in names} | {
            "order": self.order,
            "held": self.held,
            "group": self.group,
            "parts": len(self.parts),
            "windows": len(self.windows),
            "ifmap_slots": self.buffer.ifmap.slots,
            "filter_slots": self.buffer.filters.slots,
            "ofmap_slots": self.buffer.ofmap.slots,
        }
