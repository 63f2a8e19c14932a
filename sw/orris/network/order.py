"""The order of steps: as few changes between accelerator and host as the data allow."""

from collections.abc import Iterator

from ..graph import operators as ops
from .steps import AliasStep, ArrayStep, FusedStep, HostStep, Step

Group = HostStep | list[ArrayStep | AliasStep | FusedStep]


def grouped(steps: list[Step]) -> list[Group]:
    """Host steps one by one; between them, lists of steps for the accelerator, none of them empty.

    A step runs as soon as what it needs is there; the host has its turn when the accelerator has nothing left
    to do.
    """
    groups: list[Group] = []
    for step in _scheduled(steps):
        if isinstance(step, HostStep):
            groups.append(step)
        elif groups and isinstance(groups[-1], list):
            groups[-1].append(step)
        else:
            groups.append([step])
    return groups


def _scheduled(steps: list[Step]) -> Iterator[Step]:
    waiting = {number: _needs(steps, number) for number in range(len(steps))}
    done: set[int] = set()
    while waiting:
        ready = [number for number, needs in waiting.items() if needs <= done]
        chosen = next((number for number in ready if not isinstance(steps[number], HostStep)), ready[0])
        del waiting[chosen]
        done.add(chosen)
        yield steps[chosen]


def _needs(steps: list[Step], number: int) -> set[int]:
    """Numbers of the steps that have to be done before step `number`."""
    step = steps[number]
    operator = step.operator
    inputs = set(step.inputs if isinstance(step, ArrayStep) else operator.inputs)
    needs = {earlier for earlier in range(number) if inputs.intersection(steps[earlier].operator.outputs)}
    variable = _variable(operator)
    if variable is not None:
        needs |= {earlier for earlier in range(number) if _variable(steps[earlier].operator) == variable}
    return needs


def _variable(operator: ops.Operator) -> str | None:
    return operator.variable if isinstance(operator, ops.ReadVariable | ops.AssignVariable) else None
