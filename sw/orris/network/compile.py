"""The network compiler: a graph becomes programs, constants and a memory plan."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from orris_hw.commands import BARRIER, COMMAND_BITS, END
from orris_hw.config import AcceleratorConfig

from ..compiler import ActivationLayout, Command, CompileError, Placement, pack_program
from ..compiler.constants import padded_bytes
from ..graph import Graph
from ..graph.views import view_shape
from .lower import Progress, lower
from .memory import Interval, MemoryPlan, plan_memory
from .order import Group, grouped
from .steps import AliasStep, ArrayStep, FusedStep, HostStep, Inside, Step

MEMORY_LIMIT = 1 << 32


@dataclass(frozen=True, eq=False)
class Program:
    """Commands in memory, and the bytes (first, behind the last) that they may touch.

    `body` are the commands as they were before they became `content`.
    """

    program_address: int
    body: tuple[Command, ...]
    content: NDArray[np.uint8]
    read_window: tuple[int, int]
    write_window: tuple[int, int]

    @property
    def commands(self) -> int:
        return len(self.content) * 8 // COMMAND_BITS


@dataclass(frozen=True, eq=False)
class Segment:
    """Steps that the accelerator runs in one go, without the host.

    Parameters
    ----------
    packed : tensors that the host puts into memory before. fetched : those it reads from memory after.
    program : of all steps. single : of each step on its own, to see what that costs.
    """

    steps: tuple[ArrayStep | AliasStep | FusedStep, ...]
    packed: tuple[str, ...]
    fetched: tuple[str, ...]
    program: Program
    single: tuple[tuple[ArrayStep, Program], ...]


@dataclass(frozen=True, eq=False)
class CompiledNetwork:
    """A network for a configuration.

    Parameters
    ----------
    parts : segments for the accelerator and steps for the host, in the order they run.
    tensors : where each tensor lies that the accelerator reads or writes.
    constants : (byte address, bytes) of filters and parameters. plan : of the activations.
    kept : every tensor the accelerator makes stays in memory to the end, and is fetched.
    """

    graph: Graph
    config: AcceleratorConfig
    steps: tuple[Step, ...]
    parts: tuple[Segment | HostStep, ...]
    tensors: dict[str, Placement]
    constants: tuple[tuple[int, NDArray[np.uint8]], ...]
    plan: MemoryPlan
    memory_size: int
    kept: bool

    @property
    def segments(self) -> tuple[Segment, ...]:
        return tuple(part for part in self.parts if isinstance(part, Segment))

    @property
    def array_steps(self) -> tuple[ArrayStep, ...]:
        return tuple(step for step in self.steps if isinstance(step, ArrayStep))

    @property
    def constant_bytes(self) -> int:
        return sum(len(content) for _, content in self.constants)

    @property
    def predicted_cycles(self) -> int:
        return sum(step.predicted_cycles for step in self.array_steps)


def compile_network(
    graph: Graph, config: AcceleratorConfig, *, keep: bool = False, progress: Progress | None = None
) -> CompiledNetwork:
    """Programs, constants and memory plan of a network.

    Parameters
    ----------
    keep : give every tensor its own place, so that all can be looked at afterwards: no layer is fused to the
        one before it, whose tensor then has none.
    progress : told (operators done, of how many, name of the next).

    Raises
    ------
    OrrisError
        A layer that the configuration cannot run, or more memory than 32-bit addresses reach.
    """
    return _Compiler(graph, config, keep).compile(lower(graph, config, progress, fuse=not keep))


class _Compiler:
    def __init__(self, graph: Graph, config: AcceleratorConfig, keep: bool):
        self._graph, self._config, self._keep = graph, config, keep
        self._inside: dict[str, Inside] = {}  # tensors that lie in another one
        self._layouts: dict[str, ActivationLayout] = {}

    def compile(self, steps: list[Step]) -> CompiledNetwork:
        groups = grouped(steps)
        for step in steps:
            if isinstance(step, AliasStep):
                self._inside |= {each.name: each for each in step.inside}
        for step in steps:
            self._learn(step)
        intervals, traffic = self._lifetimes(groups)
        plan = plan_memory(intervals)
        self._places = {
            name: Placement(plan.addresses[name], layout) for name, layout in self._layouts.items()
        }
        constants, self._constants, end = self._lay_out_constants(steps, plan.size)
        parts: list[Segment | HostStep] = []
        for group, (packed, fetched) in zip(groups, traffic, strict=True):
            if isinstance(group, HostStep):
                parts.append(group)
            else:
                parts.append(self._segment(group, packed, fetched, plan.size, end))
        programs = [len(part.program.content) for part in parts if isinstance(part, Segment)]
        size = end + max(programs, default=0)
        if size > MEMORY_LIMIT:
            raise CompileError(
                f"{self._graph.name}: takes {size} bytes of memory, addresses reach {MEMORY_LIMIT}"
            )
        inside = {name: self._placement(name) for name in self._inside}
        return CompiledNetwork(
            graph=self._graph,
            config=self._config,
            steps=tuple(steps),
            parts=tuple(parts),
            tensors=self._places | inside,
            constants=tuple(constants),
            plan=plan,
            memory_size=size,
            kept=self._keep,
        )

    def _placement(self, name: str) -> Placement:
        """Where a tensor lies, be it in another one."""
        root, offset = self._root(name)
        place = self._places[root]
        return Placement(place.address + offset, self._stored(name, place.layout))

    def _root(self, name: str) -> tuple[str, int]:
        """The tensor that has a place of its own in which this one lies, and the byte it begins at."""
        offset = 0
        while name in self._inside:
            _, name, more = self._inside[name]
            offset += more
        return name, offset

    def _learn(self, step: Step) -> None:
        """The layout of every tensor that has a place of its own."""
        if isinstance(step, HostStep | FusedStep):
            return
        if isinstance(step, AliasStep):
            whole, _ = self._root(step.operator.output)
            words = ActivationLayout(1, 1, 1, 1, self._config.data_width, self._config.block)
            self._layouts.setdefault(whole, self._stored(whole, words))
            return
        for name, layout in zip(step.inputs, step.input_layouts, strict=True):
            root, _ = self._root(name)
            self._layouts.setdefault(root, self._stored(root, layout))
        root, _ = self._root(step.output)
        self._layouts[root] = self._stored(root, step.output_layout)

    def _stored(self, name: str, layout: ActivationLayout) -> ActivationLayout:
        """A tensor's own layout: a step may count the pixels of one image in another way."""
        shape = view_shape(self._graph.tensors[name], self._graph.layout)
        return ActivationLayout(*shape, layout.data_width, layout.pixel_lanes)

    def _lifetimes(
        self, groups: list[Group]
    ) -> tuple[list[Interval], list[tuple[tuple[str, ...], tuple[str, ...]]]]:
        """When each place in memory is in use, in steps; what the host packs and fetches, by group."""
        wanted = set(self._graph.outputs)
        for group in groups:
            if isinstance(group, HostStep):
                wanted.update(group.operator.inputs)
        begins: dict[str, int] = {}
        ends: dict[str, int] = {}
        traffic: list[tuple[tuple[str, ...], tuple[str, ...]]] = []
        clock = 0
        for group in groups:
            packed: list[str] = []
            made: list[str] = []
            start = clock
            for step in [group] if isinstance(group, HostStep) else group:
                clock += 1
                if isinstance(step, HostStep | FusedStep):
                    continue
                if isinstance(step, AliasStep):
                    made.append(step.operator.output)
                    continue
                for name in step.inputs:
                    root, _ = self._root(name)
                    if root not in begins:  # the host made it
                        begins[root] = start
                        packed.append(name)
                    ends[root] = clock
                root, _ = self._root(step.output)
                begins.setdefault(root, clock)
                ends[root] = clock
                made.append(step.output)
            fetched = tuple(name for name in made if self._keep or name in wanted)
            ends |= {self._root(name)[0]: clock for name in fetched}
            traffic.append((tuple(packed), fetched))
        if self._keep:
            begins, ends = dict.fromkeys(begins, 0), dict.fromkeys(ends, clock)
        intervals = [
            Interval(name, padded_bytes(self._layouts[name].bytes), begins[name], ends[name])
            for name in begins
        ]
        return intervals, traffic

    def _lay_out_constants(
        self, steps: list[Step], base: int
    ) -> tuple[list[tuple[int, NDArray[np.uint8]]], dict[str, dict[str, int]], int]:
        """(what lies where, addresses by step and area, byte behind the last)."""
        placed: list[tuple[int, NDArray[np.uint8]]] = []
        addresses: dict[str, dict[str, int]] = {}
        end = base
        for step in steps:
            if not isinstance(step, ArrayStep):
                continue
            areas = addresses[step.operator.name] = {}
            for area, content in step.constant_areas().items():
                areas[area] = end
                placed.append((end, content))
                end += padded_bytes(len(content))
        return placed, addresses, end

    def _segment(
        self,
        group: list[ArrayStep | AliasStep | FusedStep],
        packed: tuple[str, ...],
        fetched: tuple[str, ...],
        activations: int,
        address: int,
    ) -> Segment:
        works = [step for step in group if isinstance(step, ArrayStep)]
        commands = [self._commands(step) for step in works]
        chained: list[Command] = []
        for each in commands:
            chained += [(BARRIER, {}), *each] if chained else each

        def program(body: list[Command]) -> Program:
            ended = (*body, (END, {}))
            content = np.frombuffer(pack_program(list(ended)), np.uint8)
            return Program(address, ended, content, (0, address + len(content)), (0, activations))

        single = tuple((step, program(each)) for step, each in zip(works, commands, strict=True))
        return Segment(tuple(group), packed, fetched, program(chained), single)

    def _commands(self, step: ArrayStep) -> list[Command]:
        inputs = [
            Placement(self._placement(name).address, layout)
            for name, layout in zip(step.inputs, step.input_layouts, strict=True)
        ]
        output = Placement(self._placement(step.output).address, step.output_layout)
        return step.commands(inputs, output, self._constants[step.operator.name])
