"""Filters and parameters as the accelerator streams them from memory."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ..golden import Requant
from ..golden.tensors import IntArray
from ..layers.formats import FORMATS
from ..mapper import AnyMapping, DepthwiseMapping, Mapping
from ..mapper.tiling import FilterRun, Part, ceil_div
from .layout import WORD_BYTES, fit, value_type


@dataclass(frozen=True)
class FilterStream:
    """Slots of all RUNs one behind the other: `content`, and where the slots of (run, part) begin."""

    content: NDArray[np.uint8]
    offsets: dict[tuple[FilterRun, Part], int]


def filter_terms(weights: IntArray, count: int, dtype: np.dtype) -> list[IntArray]:
    """`count` filters whose sum is `weights`, of values of `dtype` as far as they reach."""
    info, rest, terms = np.iinfo(dtype), weights.astype(np.int64), []
    for _ in range(count - 1):
        terms.append(np.clip(rest, info.min, info.max))
        rest = rest - terms[-1]
    return [*terms, rest]


def filter_stream(mapping: Mapping, weights: IntArray) -> FilterStream:
    """All filters, in the order of runs and parts; weights are (M, C, R, S)."""
    layer, what = mapping.layer, f"{mapping.layer.name}: weights"
    stored = narrow = value_type(mapping.config)
    if layer.number_format is not None:
        narrow = np.dtype(f"<i{FORMATS[layer.number_format].weight_bits // 8}")
    terms = [
        fit(what, fit(what, term, narrow), stored) for term in filter_terms(weights, layer.terms, narrow)
    ]
    pieces: list[NDArray[np.uint8]] = []
    offsets: dict[tuple[FilterRun, Part], int] = {}
    at = 0
    for run in mapping.filter_runs:
        for part in mapping.parts:
            filters = terms[part.term][
                run.first : run.first + run.count,
                part.first : part.first + part.count,
                part.r0 : part.r0 + part.R,
                part.s0 : part.s0 + part.S,
            ]
            piece = _slots(mapping, run, part, filters)
            offsets[run, part] = at
            at += len(piece)
            pieces.append(piece)
    return FilterStream(np.concatenate(pieces), offsets)


def _slots(mapping: Mapping, run: FilterRun, part: Part, filters: NDArray) -> NDArray[np.uint8]:
    """Slots of one RUN, pass by pass: [set][word][PE row], a word being values of the list [s, c][m]."""
    R, S, q, block = part.R, part.S, part.q, mapping.block
    words = mapping.filter_words(run, part)
    padded = np.zeros((run.sets * run.p, part.groups * q, R, S), filters.dtype)
    padded[: filters.shape[0], : filters.shape[1]] = filters
    # set, m, group, c, r, s  ->  group, r (a logical row), set, s, c, m
    lists = padded.reshape(run.sets, run.p, part.groups, q, R, S).transpose(2, 4, 0, 5, 3, 1)
    lists = lists.reshape(part.logical_rows, run.sets, -1)
    whole = np.zeros((part.passes * part.rows, run.sets, words * block), filters.dtype)
    whole[: part.logical_rows, :, : lists.shape[2]] = lists
    slots = whole.reshape(part.passes, part.rows, run.sets, words, block).transpose(0, 2, 3, 1, 4)
    last = slots[-1][:, :, : part.last_rows]
    return np.concatenate(
        [np.ascontiguousarray(slot).view(np.uint8).reshape(-1) for slot in (slots[:-1], last)]
    )


def parameter_stream(requant: Requant, entries: int) -> NDArray[np.uint8]:
    """Two words an entry: bias (48 bits) and shift (8 bits), multiplier; zeros beyond the channels."""
    words = np.zeros((entries, 2), np.int64)
    channels = min(entries, requant.channels)
    bias, shift = requant.bias[:channels], requant.shift[:channels]
    words[:channels, 0] = (bias & ((1 << 48) - 1)) | (shift & 0xFF) << 48
    words[:channels, 1] = requant.multiplier[:channels]
    return words.astype("<i8").view(np.uint8).reshape(-1)


def parameter_entries(mapping: AnyMapping) -> int:
    """Entries of all runs; the last may end beyond the layer's filters."""
    if isinstance(mapping, DepthwiseMapping):
        return mapping.parameter_entries
    return max(run.end for run in mapping.filter_runs)


AREA_BYTES = 8 * WORD_BYTES
"""Alignment of areas in memory."""


def padded_bytes(size: int) -> int:
    """`size` rounded up to the alignment of areas in memory."""
    return ceil_div(size, AREA_BYTES) * AREA_BYTES
