"""Which layers of the vector unit are fused to the convolution that makes their operand."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from typing import NamedTuple

from orris_hw.commands import COMMAND_WORDS, LOAD, STORE
from orris_hw.config import AcceleratorConfig

from ..compiler import Command
from ..cost import program_timing
from ..golden import AddParameters
from ..graph import Graph
from ..graph.quantised import QuantisedLayer
from ..graph.vector import VectorWork
from ..layers import AddLayer, PoolLayer
from .assign import Assignment
from .steps import ArrayStep


class Pair(NamedTuple):
    """Assignments by their number: the convolution and the layer behind it."""

    convolution: int
    tail: int


def pairs(graph: Graph, assignments: Sequence[Assignment]) -> list[Pair]:
    """Where nobody else reads the convolution's ofmap; of two that an addition reads, that of more MACs."""
    readers = Counter(graph.outputs)
    readers.update(name for operator in graph.operators for name in operator.inputs)
    made = {
        each.work.ofmap: number
        for number, each in enumerate(assignments)
        if each.where == "array" and each.work is not None
    }
    found = []
    for number, assignment in enumerate(assignments):
        work = assignment.work
        if not (assignment.where == "vector" and isinstance(work, VectorWork)):
            continue
        if not isinstance(work.layer, PoolLayer | AddLayer):
            continue
        makers = [
            maker
            for name in work.ifmaps
            if readers[name] == 1 and (maker := made.get(name)) is not None
            and _shape(assignments[maker]) == work.layer.ifmap_shapes[0]
        ]  # fmt: skip
        if makers:
            found.append(Pair(max(makers, key=lambda maker: assignments[maker].macs), number))
    return found


def _shape(assignment: Assignment) -> tuple[int, int, int, int]:
    assert isinstance(assignment.work, QuantisedLayer)
    return assignment.work.layer.ofmap_shape


def with_first_operand(work: VectorWork, name: str) -> VectorWork:
    """The same layer with that tensor as its first operand: additions commute."""
    if work.ifmaps[0] == name:
        return work
    old = work.parameters
    assert isinstance(old, AddParameters)
    swapped = replace(
        old,
        zp_a=old.zp_b, multiplier_a=old.multiplier_b, shift_a=old.shift_b,
        zp_b=old.zp_a, multiplier_b=old.multiplier_a, shift_b=old.shift_a,
    )  # fmt: skip
    return replace(work, parameters=swapped, ifmaps=work.ifmaps[::-1])


class Price(NamedTuple):
    """Of programs one after the other: words to and from memory, and cycles."""

    words: int
    cycles: int


def price(config: AcceleratorConfig, steps: Sequence[ArrayStep]) -> Price:
    """What steps cost with a program for each."""
    programs = [step.commands_at_zero() for step in steps]
    cycles = sum(program_timing(config, commands).cycles for commands in programs)
    return Price(sum(map(_memory_words, programs)), cycles)


def saves(config: AcceleratorConfig, fused: ArrayStep, apart: Price) -> bool:
    """Whether a step moves fewer words than that, in no more cycles."""
    commands = fused.commands_at_zero()
    if _memory_words(commands) >= apart.words:
        return False
    return program_timing(config, commands).cycles <= apart.cycles


def _memory_words(commands: Sequence[Command]) -> int:
    """That a program moves, itself included."""
    moved = sum(
        fields["row_words"] * fields["rows"] * fields["planes"]
        for form, fields in commands
        if form in (LOAD, STORE)
    )
    return moved + COMMAND_WORDS * len(commands)
