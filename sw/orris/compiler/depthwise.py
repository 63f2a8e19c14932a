"""The commands of a depthwise layer, see `orris.mapper.depthwise`.

A step loads what a window (or, for units of several planes, a whole unit) needs beyond the steps before, and
computes and stores it. Loads run `_AHEAD` steps ahead. Rings and their tokens::

    LOAD ifmap    --IFMAP_FULL-->   RUN    --IFMAP_FREE-->   the LOAD that takes the plane next
    LOAD filters  --FILTER_FULL-->  RUN    --FILTER_FREE-->  LOAD filters, block by block
    RUN           --OFMAP_FULL-->   STORE  --OFMAP_FREE-->   the RUN that takes the area next

Where post-processing does not hold all parameters, the last STORE of a batch of channel blocks gives its
token to PARAMETER_FREE instead; the LOAD of the parameters that follow in their place takes it, and hands
it to the first RUN of its batch as OFMAP_READY.
"""

from collections.abc import Iterator
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from orris_hw.commands import LOAD, RUN, SIGNAL, STORE

from ..golden import ROUNDINGS, Requant
from ..golden.tensors import IntArray
from ..mapper.depthwise import PARAMETER_SLOTS, DepthwiseMapping, Slice, Unit
from ..mapper.tiling import Span
from .layout import WORD_BYTES, fit, value_type
from .places import Addresses, Command, rectangle
from .program import (
    FILTER_FREE,
    FILTER_FULL,
    IFMAP_FREE,
    IFMAP_FULL,
    OFMAP_FREE,
    OFMAP_FULL,
    OFMAP_READY,
)

PARAMETER_FREE = 8

_AHEAD = 2


def depthwise_filters(mapping: DepthwiseMapping, weights: IntArray) -> NDArray[np.uint8]:
    """All filters, a slot for each channel block: [RUN][set][word][PE row] of words; weights (M, 1, R, S)."""
    layer, block = mapping.layer, mapping.block
    values = fit(f"{layer.name}: weights", weights, value_type(mapping.config))[:, 0]
    room = mapping.channel_blocks, block, layer.R, mapping.filter_words * block
    padded = np.zeros(room, values.dtype).reshape(-1, *room[2:])
    padded[: layer.M, :, : layer.S] = values
    # block, RUN, set, stack, R, word, value  ->  block, RUN, set, word, stack, R, value
    lists = padded.reshape(
        mapping.channel_blocks, len(mapping.slices), mapping.sets, mapping.stacks, layer.R, -1, block
    )
    slots = np.ascontiguousarray(lists.transpose(0, 1, 2, 5, 3, 4, 6))
    return slots.view(np.uint8).reshape(-1)


def depthwise_commands(
    mapping: DepthwiseMapping, requant: Requant, at: Addresses, product_shift: int = 0
) -> list[Command]:
    """All commands of the layer but `END`; all semaphores are zero before them."""
    return list(_Program(mapping, requant, at, product_shift).commands())


class _Window(NamedTuple):
    """A window of a unit's channel block; `waits`: for a plane (or its next rows) to be loaded."""

    block: int
    rows: Span
    waits: bool


class _Step(NamedTuple):
    """What is computed and stored together; `begins`, `ends`: first and last step of its batch of blocks."""

    unit: Unit
    plane: int
    windows: list[_Window]
    begins: bool
    ends: bool


class _Program:
    def __init__(self, mapping: DepthwiseMapping, requant: Requant, at: Addresses, product_shift: int):
        assert mapping.plan is not None  # the mapper gives no other
        self._mapping, self._plan, self._layer = mapping, mapping.plan, mapping.layer
        self._requant, self._at, self._shift = requant, at, product_shift
        self._planes = 0  # ifmap planes taken so far
        self._stores = 0
        self._before: tuple[int, int] | None = None  # what the RUN before has told rows and columns

    def commands(self) -> Iterator[Command]:
        mapping, plan = self._mapping, self._plan
        kept = 0 if mapping.parameters_stay else PARAMETER_SLOTS
        first = [
            (FILTER_FREE, plan.filters.slots), (IFMAP_FREE, plan.ifmap.slots),
            (OFMAP_FREE, plan.ofmap.slots - kept), (PARAMETER_FREE, kept),
        ]  # fmt: skip
        yield from ((SIGNAL, {"semaphore": each, "count": count}) for each, count in first if count)
        if mapping.parameters_stay:
            yield self._load_parameters(0, mapping.parameter_entries, 0, {})
        loads: list[list[Command]] = []
        steps: list[_Step] = []
        for number, unit in enumerate(mapping.units):
            begins = number == 0 or mapping.units[number - 1].first != unit.first
            ends = number == len(mapping.units) - 1 or mapping.units[number + 1].first != unit.first
            plane = self._planes
            pieces = self._whole_planes(unit) if mapping.blocks > 1 else self._window_by_window(unit)
            self._planes += unit.blocks
            for index, (load, windows) in enumerate(pieces):
                first, last = index == 0, index == len(pieces) - 1
                loads.append([*(self._constants(unit) if begins and first else []), *load])
                steps.append(_Step(unit, plane, windows, begins and first, ends and last))
        for load in loads[:_AHEAD]:
            yield from load
        for index, step in enumerate(steps):
            yield from loads[index + _AHEAD] if index + _AHEAD < len(loads) else []
            yield from self._step(step)

    # -- what a step needs ---------------------------------------------------------------------------------
    def _constants(self, unit: Unit) -> Iterator[Command]:
        """Filters and parameters of a batch of channel blocks."""
        mapping, ring = self._mapping, self._plan.filters
        words = mapping.slot_words
        yield LOAD, {
            "wait": FILTER_FREE, "signal": FILTER_FULL, "each": 1,
            "ring": ring.slots, "ring_start": unit.first % ring.slots,
            "address": self._at.filters + unit.first * words * WORD_BYTES,
            "row_words": words, "rows": 1, "planes": unit.blocks, "plane_stride": words * WORD_BYTES,
            "buffer_address": ring.base, "buffer_plane_stride": ring.stride,
        }  # fmt: skip
        if not mapping.parameters_stay:
            first, count = unit.first * mapping.block, unit.blocks * mapping.block
            tokens = {"wait": PARAMETER_FREE, "signal": OFMAP_READY}
            yield self._load_parameters(first, count, self._entry(unit.first), tokens)

    def _entry(self, block: int) -> int:
        """Place of a channel block's parameters."""
        mapping = self._mapping
        if mapping.parameters_stay:
            return block * mapping.block
        batch, inside = divmod(block, mapping.blocks)
        return (batch % PARAMETER_SLOTS * mapping.blocks + inside) * mapping.block

    def _load_parameters(self, first: int, count: int, entry: int, tokens: dict[str, int]) -> Command:
        return LOAD, tokens | {
            "parameters": 1, "address": self._at.parameters + 2 * first * WORD_BYTES,
            "row_words": 2 * count, "rows": 1, "planes": 1, "buffer_address": 2 * entry,
        }  # fmt: skip

    def _whole_planes(self, unit: Unit) -> list[tuple[list[Command], list[_Window]]]:
        """All planes of a unit in one step: (loads, windows)."""
        ring = self._plan.ifmap
        tokens = {
            "wait": IFMAP_FREE, "signal": IFMAP_FULL, "each": 1,
            "ring": ring.slots, "ring_start": self._planes % ring.slots,
        }  # fmt: skip
        load = self._load_rows(unit, unit.blocks, unit.rows.start, unit.rows.stored, tokens, ring.base)
        windows = self._mapping.windows(unit.rows)
        blocks = range(unit.blocks)
        return [([load], [_Window(each, rows, rows is windows[0]) for each in blocks for rows in windows])]

    def _window_by_window(self, unit: Unit) -> list[tuple[list[Command], list[_Window]]]:
        """A step for every window of a plane, each loading the rows that the ones before have not."""
        ring = self._plan.ifmap
        base = ring.address(self._planes % ring.slots)
        steps, loaded = [], 0
        for window in self._mapping.windows(unit.rows):
            end = (window.start - unit.rows.start) // unit.rows.step + window.stored
            tokens = {"wait": 0 if loaded else IFMAP_FREE, "signal": IFMAP_FULL}
            start = unit.rows.start + loaded * unit.rows.step
            address = base + loaded * unit.columns.stored
            more = end > loaded
            load = [self._load_rows(unit, 1, start, end - loaded, tokens, address)] if more else []
            steps.append((load, [_Window(0, window, more)]))
            loaded = max(loaded, end)
        return steps

    def _load_rows(
        self, unit: Unit, blocks: int, start: int, rows: int, tokens: dict[str, int], address: int
    ) -> Command:
        layout, columns = self._at.ifmap.layout, unit.columns
        return LOAD, tokens | rectangle(
            self._at.ifmap.address + layout.offset(unit.image, unit.first, start, columns.start),
            (columns.stored, rows, blocks),
            (unit.rows.step * layout.row_words * WORD_BYTES, layout.plane_words * WORD_BYTES),
            address,
            (columns.stored, self._plan.ifmap.stride),
        )

    # -- compute and store ---------------------------------------------------------------------------------
    def _step(self, step: _Step) -> Iterator[Command]:
        """RUNs of a step and the STORE of their ofmaps."""
        mapping, ring, unit = self._mapping, self._plan.ofmap, step.unit
        area = ring.address(self._stores % ring.slots)
        self._stores += 1
        own_parameters = not mapping.parameters_stay
        room = OFMAP_READY if own_parameters and step.begins else OFMAP_FREE
        for window in step.windows:
            ends_plane = window.rows.first + window.rows.count == unit.rows.first + unit.rows.count
            row = window.rows.first - unit.rows.first if mapping.blocks > 1 else 0
            for slice_ in mapping.slices:
                first, last = slice_ is mapping.slices[0], slice_ is mapping.slices[-1]
                waits, frees = first and window.waits, last and ends_plane
                yield RUN, self._run(step, window, slice_) | {
                    "wait_ifmap": IFMAP_FULL if waits else 0,
                    "signal_ifmap": IFMAP_FREE if frees else 0,
                    "wait_filter": FILTER_FULL if waits and step.begins else 0,
                    "signal_filter": FILTER_FREE if frees and step.ends else 0,
                    "wait_ofmap": room if first and window is step.windows[0] else 0,
                    "signal_ofmap": OFMAP_FULL if last and window is step.windows[-1] else 0,
                    "ofmap_base": area + (window.block * unit.rows.count + row) * unit.columns.count,
                }
        yield STORE, {
            "wait": OFMAP_FULL,
            "signal": PARAMETER_FREE if own_parameters and step.ends else OFMAP_FREE,
        } | self._store(unit, step.windows[0].rows, area)

    def _store(self, unit: Unit, window: Span, area: int) -> dict[str, int]:
        layout = self._at.ofmap.layout
        rows = unit.rows.count if self._mapping.blocks > 1 else window.count
        columns = unit.columns.count
        return rectangle(
            self._at.ofmap.address + layout.offset(unit.image, unit.first, window.first, unit.columns.first),
            (columns, rows, unit.blocks),
            (layout.row_words * WORD_BYTES, layout.plane_words * WORD_BYTES),
            area,
            (columns, rows * columns),
        )

    def _run(self, step: _Step, of: _Window, slice_: Slice) -> dict[str, int]:
        mapping, layer, requant = self._mapping, self._layer, self._requant
        unit, window = step.unit, of.rows
        columns, filters, ifmap = unit.columns, self._plan.filters, self._plan.ifmap
        number = unit.first + of.block
        plane = (step.plane + of.block) % ifmap.slots
        sparse = columns.stride > layer.S
        told = window.count, slice_.lane
        keep, self._before = self._before == told, told
        before = slice_.lane // (mapping.stacks * mapping.sets)  # RUNs of the word, and their filters
        return {
            "passes": 1, "first": 1, "last": 1,
            "rows": mapping.rows, "last_rows": mapping.rows, "e": window.count, "sets": slice_.sets,
            "p": 1, "taps": layer.S, "step": min(columns.stride, layer.S), "positions": columns.count,
            "stacks": slice_.stacks - 1, "split": 1, "keep_tags": int(keep), "shift": self._shift,
            "filter_base": filters.base + before * mapping.rows * mapping.sets * mapping.filter_words,
            "filter_stride": filters.stride, "filter_slots": filters.slots,
            "filter_start": number % filters.slots, "filter_words": mapping.filter_words,
            "R": layer.R, "q": 1, "group_lanes": 1, "pixel_lanes": mapping.pixel_lanes,
            "first_lane": slice_.lane, "stride": window.stride,
            "ifmap_base": ifmap.address(plane)
            + (window.start - unit.rows.start) // unit.rows.step * columns.stored,
            "ifmap_row_stride": columns.stored, "ifmap_block_stride": 0, "first_pixel": 0,
            "pad_left": columns.pad, "width": columns.stored, "full_width": columns.full,
            "period": columns.stride if sparse else 1, "kept": layer.S if sparse else 1,
            "pad_top": window.pad, "height": window.stored, "full_height": window.full,
            "zero_point": requant.zp_in,
            "ofmap_row_stride": columns.count, "ofmap_block_stride": 0, "ofmap_lane": slice_.lane,
            "merge": int(mapping.merges(window.count)),
            "parameter_base": self._entry(number) + slice_.lane,
            "zp_out": requant.zp_out, "act_min": requant.act_min, "act_max": requant.act_max,
            "rounding": ROUNDINGS.index(requant.rounding),
        }  # fmt: skip
