"""Makes what runs on the accelerator into mapped layers with their constants."""

from collections.abc import Callable
from dataclasses import replace

import numpy as np

from orris_hw.config import AcceleratorConfig

from ..compiler import layer_constants, vector_layouts
from ..cost import Criteria, best_mapping, ranked_mappings
from ..graph import Graph
from ..graph.vector import VectorWork
from ..layers import AddLayer, PoolLayer
from ..mapper import MappingError
from .assign import Assignment, assign
from .fuse import pairs, price, saves, with_first_operand
from .steps import AliasStep, ConvolutionStep, FusedStep, HostStep, Inside, Step, VectorStep

Progress = Callable[[int, int, str], None]


def lower(
    graph: Graph, config: AcceleratorConfig, progress: Progress | None = None, fuse: bool = True
) -> list[Step]:
    """A step for each operator of the graph that something is done for, in their order; a convolution that
    another layer is fused to comes with that.

    Parameters
    ----------
    fuse : layers to convolutions, where it saves memory traffic.
    progress : told (operators done, of how many, name of the next).

    Raises
    ------
    OrrisError
        A convolution or fully connected layer that the configuration cannot run, and why.
    """
    assignments = assign(graph, config)
    tails = {pair.convolution: pair.tail for pair in pairs(graph, assignments)} if fuse else {}
    steps: list[list[Step]] = [[] for _ in assignments]
    for number, assignment in enumerate(assignments):
        if progress:
            progress(number, len(assignments), assignment.operator.name)
        if steps[number] or (assignment.where == "nowhere" and assignment.why):
            continue
        step = _step(assignment, config)
        tail = assignments[tails[number]] if number in tails else None
        fused = _fused(step, tail, config) if tail and isinstance(step, ConvolutionStep) else []
        steps[tails[number] if fused else number] = fused or [step]
    return [step for each in steps for step in each]


def _fused(step: ConvolutionStep, tail: Assignment, config: AcceleratorConfig) -> list[Step]:
    """The two steps of a convolution with another layer fused to it; none if that saves nothing."""
    assert isinstance(tail.work, VectorWork)
    work = with_first_operand(tail.work, step.work.ofmap)
    assert isinstance(work.layer, PoolLayer | AddLayer)
    try:
        criteria = Criteria(pixel_lanes=step.mapping.pixel_lanes, after=work.layer)
        candidates = ranked_mappings(step.layer, config, criteria)
    except MappingError:
        return []
    apart = price(config, [step, VectorStep(tail.operator, tail.work, config)])
    for mapping in (candidate.mapping for candidate in candidates):
        constants = layer_constants(mapping, step.work.weights, step.work.requant, after=work.parameters)
        fused = replace(step, mapping=mapping, constants=constants, tail=work)
        if saves(config, fused, apart):
            return [fused, FusedStep(tail.operator, step.operator.name)]
    return []


def _step(assignment: Assignment, config: AcceleratorConfig) -> Step:
    operator, work = assignment.operator, assignment.work
    if assignment.where == "host":
        return HostStep(operator, assignment.why)
    if work is None:
        return AliasStep(operator, (Inside(operator.output, operator.input, 0),))
    if isinstance(work, VectorWork):
        if assignment.where == "nowhere":
            return AliasStep(operator, _parts(work, config))
        return VectorStep(operator, work, config)
    # The host packs an ifmap as its only reader likes it; all others are in whole words of one pixel.
    lanes = None if assignment.lone else config.block
    mapping = best_mapping(work.layer, config, Criteria(pixel_lanes=lanes))
    return ConvolutionStep(operator, work, mapping, layer_constants(mapping, work.weights, work.requant))


def _parts(work: VectorWork, config: AcceleratorConfig) -> tuple[Inside, ...]:
    """Where the parts of a concatenation along the channels lie in it."""
    layouts, _ = vector_layouts(work.layer, config)
    offsets = np.cumsum([0, *(layout.bytes for layout in layouts)]).tolist()
    return tuple(
        Inside(name, work.ofmap, offset) for name, offset in zip(work.ifmaps, offsets[:-1], strict=True)
    )
