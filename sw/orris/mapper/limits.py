"""The limits of an accelerator that a mapping must keep, each as one sentence."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from ..layers.formats import missing_format
from .tiling import row_step

if TYPE_CHECKING:
    from .mapping import Mapping

STRIDE = 12
POSITIONS = 4095
PASSES = 4095
CHUNKS = 63
"""Chunks of channels of a pass, as the ifmap network numbers them."""
WORD_COLUMNS = 8191


def ifmap_lanes(mapping: Mapping) -> int:
    """Ifmap values a beat of the Y-bus carries."""
    return mapping.config.networks.ifmap_bits // mapping.config.data_width


def chunk_lanes(mapping: Mapping) -> int:
    """Lanes of a pixel that go together."""
    return min(ifmap_lanes(mapping), mapping.pixel_lanes)


def broken_limit(mapping: Mapping) -> str | None:
    """The first limit that `mapping` breaks, or None."""
    return next((f"{mapping.layer.name}: {problem}" for problem in _problems(mapping)), None)


def _problems(mapping: Mapping) -> Iterator[str]:
    yield from _shape(mapping)
    yield from _ranges(mapping)
    yield from _capacity(mapping)
    yield from _ifmap_network(mapping)
    yield from _fused(mapping)


def _shape(mapping: Mapping) -> Iterator[str]:
    layer = mapping.layer
    if problem := missing_format(layer.number_format, mapping.config):
        yield problem
    if layer.U // row_step(layer, layer.R) > STRIDE:
        yield f"U = {layer.U}: the vertical stride may be up to {STRIDE}"
    if layer.V > STRIDE:
        yield f"V = {layer.V}: the horizontal stride may be up to {STRIDE}"


def _ranges(mapping: Mapping) -> Iterator[str]:
    layer, array = mapping.layer, mapping.config.array
    for name, value, limit, what in (
        ("p", mapping.p, layer.filters_per_group, "filters of a group"),
        ("q", mapping.q, mapping.pixel_lanes, "channels of a pixel in a word"),
        ("e", mapping.e, layer.E, "ofmap rows"),
        ("positions", mapping.positions, min(layer.F, POSITIONS), "ofmap columns"),
        ("rows", mapping.rows, array.rows, "PE rows"),
        ("e t", mapping.e * mapping.t, array.columns, "PE columns"),
        ("chunk", mapping.chunk, layer.C, "channels of a group"),
        ("pixel_lanes", mapping.pixel_lanes, mapping.block, "values of a word"),
    ):
        if not 1 <= value <= limit:
            yield f"{name} = {value}: must be 1 to {limit} ({what})"
    power_of_two = mapping.q & (mapping.q - 1) == 0
    if not power_of_two and (layer.G > 1 or mapping.q != layer.C):
        yield f"q = {mapping.q}: must be a power of two, or all C = {layer.C} channels of a layer with G = 1"
    if layer.G > 1 and layer.C % mapping.q:
        yield f"q = {mapping.q}: must divide C = {layer.C} when there are G = {layer.G} groups"
    if mapping.chunk < layer.C and mapping.chunk % mapping.q:
        yield f"chunk = {mapping.chunk}: must be a multiple of q = {mapping.q}, or C = {layer.C}"
    count = len(mapping.windows)
    if mapping.group < 1 or count % mapping.group or (mapping.group > 1 and mapping.order == "windows"):
        yield f"group = {mapping.group}: must divide the {count} windows, and be 1 if all are together"
    if mapping.block % mapping.pixel_lanes:
        yield f"pixel_lanes = {mapping.pixel_lanes}: must divide the {mapping.block} values of a word"


def _capacity(mapping: Mapping) -> Iterator[str]:
    layer, config, pads = mapping.layer, mapping.config, mapping.config.scratchpads
    taps, p, pixels = mapping.taps, mapping.p, mapping.pixels
    if mapping.q > pads.ifmap:
        yield f"q = {mapping.q} exceeds the ifmap scratchpad of {pads.ifmap} values"
    room = taps + (pixels - 1) * mapping.q
    if pixels > 1 and room > pads.ifmap:
        yield (
            f"q + (pixels - 1) q = {room} exceeds the ifmap scratchpad of {pads.ifmap} values "
            f"(the {pixels} pixels of a word arrive together)"
        )
    if p * taps > pads.filter:
        yield f"p q S = {p} * {taps} = {p * taps} exceeds the filter scratchpad of {pads.filter} values"
    if p > pads.psum:
        yield f"p = {p} exceeds the psum scratchpad of {pads.psum} psums"
    if mapping.m > config.post_processing.channels:
        yield f"p t = {mapping.m} exceeds the {config.post_processing.channels} channels of post-processing"
    psums = config.global_buffer.depth * config.psums_per_word
    if mapping.accumulates and mapping.positions * p > psums:
        yield f"positions p = {mapping.positions} * {p} exceeds the {psums} psums of a bank"
    most = max(part.passes for part in mapping.parts)
    if most > PASSES:
        yield f"{most} passes exceed the {PASSES} of one command"
    widest = (mapping.positions - 1) * layer.V + mapping.part_columns
    if widest > WORD_COLUMNS:
        yield f"a window of {widest} ifmap columns exceeds the limit of {WORD_COLUMNS}"


def _ifmap_network(mapping: Mapping) -> Iterator[str]:
    layer, lanes = mapping.layer, ifmap_lanes(mapping)
    if mapping.pixels > 1 and layer.V > (narrowest := min(part.S for part in mapping.parts)):
        yield (
            f"pixel_lanes = {mapping.pixel_lanes}: must be {mapping.block} when the stride V = {layer.V} "
            f"exceeds the {narrowest} filter columns of a RUN"
        )
    if lanes < mapping.q and mapping.q % lanes:
        yield f"q = {mapping.q}: must be a multiple of the {lanes} values of the ifmap network"
    per_block = mapping.pixel_lanes // chunk_lanes(mapping)
    most = max(
        blocks
        for part in mapping.parts
        for lane in mapping.group_lanes_used
        for _, blocks in mapping.pass_kinds(part, lane)
    )
    if most * per_block > CHUNKS:
        yield f"a pass of {most * per_block} chunks of channels exceeds the limit of {CHUNKS}"


def _fused(mapping: Mapping) -> Iterator[str]:
    if mapping.fusion is None:
        return
    if not mapping.config.vector.lanes:
        yield f"{mapping.config.name} has no vector unit, which a fused layer needs: set vector.lanes"
    if problem := mapping.fusion.problem():
        yield problem
