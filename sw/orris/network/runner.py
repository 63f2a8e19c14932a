"""Runs a compiled network on an accelerator, with the host for what is not the accelerator's."""

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from numpy.typing import NDArray

from ..compiler import pack_activations, unpack_activations
from ..cost import foresees
from ..driver import Device, Transport, cycle_limit
from ..graph.views import from_view, to_view
from ..runtime import Session, checked_inputs
from .compile import CompiledNetwork, Program, Segment
from .steps import HostStep


@dataclass
class Inference:
    """What one inference gave.

    Parameters
    ----------
    tensors : by name: the outputs, what the host made, and what it fetched from the accelerator.
    counters : sums of the performance counters over all programs.
    layers : counters of each step on the accelerator by its operator's name; only if they ran one by one.
    host_seconds : time of each host operator by its name.
    """

    tensors: dict[str, NDArray] = field(default_factory=dict)
    counters: dict[str, int] = field(default_factory=dict)
    layers: dict[str, dict[str, int]] = field(default_factory=dict)
    host_seconds: dict[str, float] = field(default_factory=dict)


class NetworkRunner:
    """A network on the accelerator behind `transport`; constants are written once.

    Variables of the network are kept from one inference to the next.

    Parameters
    ----------
    watch : told the name of what runs next, and the cycles predicted for it (0: none are).

    Raises
    ------
    DeviceError
        What answers is not an accelerator of the network's configuration.
    """

    def __init__(
        self,
        network: CompiledNetwork,
        transport: Transport,
        watch: Callable[[str, int], None] = lambda name, cycles: None,
    ):
        self.network, self._transport, self._watch = network, transport, watch
        self._device = Device(transport, network.config)
        self._session = Session(network.graph)
        for address, content in network.constants:
            transport.write_memory(address, content)

    def run(self, inputs: Mapping[str, NDArray], *, one_by_one: bool = False) -> Inference:
        """One inference.

        Parameters
        ----------
        inputs : by name, in the layout and types of the file.
        one_by_one : give each layer a program of its own, to count what it costs. The default is one program
            for all layers between two host operators.

        Raises
        ------
        ModelError
            Inputs of another name, shape or type.
        DeviceError
            A program did not end well.
        """
        graph, result = self.network.graph, Inference()
        values = {name: tensor.values for name, tensor in graph.tensors.items() if tensor.values is not None}
        values |= checked_inputs(graph, inputs)
        for part in self.network.parts:
            made = (
                self._on_host(part, values, result)
                if isinstance(part, HostStep)
                else self._on_accelerator(part, values, result, one_by_one)
            )
            values |= made
            result.tensors |= made
        return result

    def preview(self, inputs: Mapping[str, NDArray]) -> Inference:
        """One inference layer by layer that leaves the network's variables as they are."""
        before = dict(self._session.variables)
        try:
            return self.run(inputs, one_by_one=True)
        finally:
            self._session.variables = before

    def _on_host(self, step: HostStep, values: dict[str, NDArray], result: Inference) -> dict[str, NDArray]:
        operator = step.operator
        self._watch(operator.name, 0)
        begin = time.perf_counter()
        outputs = self._session.step(operator, [values[name] for name in operator.inputs])
        result.host_seconds[operator.name] = time.perf_counter() - begin
        return dict(zip(operator.outputs, outputs, strict=True))

    def _on_accelerator(
        self, segment: Segment, values: dict[str, NDArray], result: Inference, one_by_one: bool
    ) -> dict[str, NDArray]:
        network, graph = self.network, self.network.graph
        for name in segment.packed:
            place, tensor = network.tensors[name], graph.tensors[name]
            content = pack_activations(to_view(values[name], tensor, graph.layout), place.layout)
            self._transport.write_memory(place.address, content)
        if one_by_one:
            for step, program in segment.single:
                counters = self._start(program, step.operator.name, step.predicted_cycles)
                result.layers[step.operator.name] = counters
                _add(result.counters, counters)
        else:
            predicted = sum(step.predicted_cycles for step, _ in segment.single)
            names = [step.operator.name for step, _ in segment.single]
            label = names[0] if len(names) == 1 else f"{names[0]} to {names[-1]}"
            _add(result.counters, self._start(segment.program, label, predicted))
        fetched = {}
        for name in segment.fetched:
            place, tensor = network.tensors[name], graph.tensors[name]
            content = self._transport.read_memory(place.address, place.layout.bytes)
            fetched[name] = from_view(unpack_activations(content, place.layout), tensor, graph.layout)
        return fetched

    def _start(self, program: Program, name: str, predicted: int) -> dict[str, int]:
        config = self.network.config
        self._watch(name, predicted if foresees(config) else 0)
        self._transport.write_memory(program.program_address, program.content)
        self._device.start(program)
        self._device.finish(cycle_limit(config, predicted))
        return self._device.counters()


def _add(total: dict[str, int], counters: dict[str, int]) -> None:
    for name, value in counters.items():
        total[name] = total.get(name, 0) + value
