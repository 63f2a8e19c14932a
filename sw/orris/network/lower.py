"""Makes what runs on the accelerator into mapped layers with their constants."""

from collections.abc import Callable

import numpy as np

from orris_hw.config import AcceleratorConfig

from ..compiler import layer_constants, vector_layouts
from ..cost import best_mapping
from ..graph import Graph
from ..graph.vector import VectorWork
from .assign import Assignment, assign
from .steps import AliasStep, ConvolutionStep, HostStep, Inside, Step, VectorStep

Progress = Callable[[int, int, str], None]


def lower(graph: Graph, config: AcceleratorConfig, progress: Progress | None = None) -> list[Step]:
    """A step for each operator of the graph that something is done for, in their order.

    Parameters
    ----------
    progress : told (operators done, of how many, name of the next).

    Raises
    ------
    OrrisError
        A convolution or fully connected layer that the configuration cannot run, and why.
    """
    assignments = assign(graph, config)
    steps = []
    for number, assignment in enumerate(assignments):
        if progress:
            progress(number, len(assignments), assignment.operator.name)
        if assignment.where != "nowhere" or not assignment.why:
            steps.append(_step(assignment, config))
    return steps


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
    mapping = best_mapping(work.layer, config, pixel_lanes=lanes)
    return ConvolutionStep(operator, work, mapping, layer_constants(mapping, work.weights, work.requant))


def _parts(work: VectorWork, config: AcceleratorConfig) -> tuple[Inside, ...]:
    """Where the parts of a concatenation along the channels lie in it."""
    layouts, _ = vector_layouts(work.layer, config)
    offsets = np.cumsum([0, *(layout.bytes for layout in layouts)]).tolist()
    return tuple(
        Inside(name, work.ofmap, offset) for name, offset in zip(work.ifmaps, offsets[:-1], strict=True)
    )
