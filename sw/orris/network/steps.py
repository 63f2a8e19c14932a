"""What a network is made of once it is known what runs where: steps, in order."""

from collections.abc import Mapping as Dictionary
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from orris_hw.config import AcceleratorConfig

from ..compiler import (
    ActivationLayout,
    Addresses,
    Command,
    LayerConstants,
    Placement,
    VectorLayer,
    ifmap_layout,
    layer_commands,
    ofmap_layout,
    operand_layout,
    vector_commands,
    vector_layouts,
)
from ..compiler.vector_counts import vector_cycles
from ..graph import operators as ops
from ..graph.quantised import QuantisedLayer
from ..graph.vector import VectorWork
from ..layers import ConvLayer, PoolLayer
from ..mapper import AnyMapping, cycles


@dataclass(frozen=True)
class HostStep:
    """An operator that runs on the host; `why`, in a few words."""

    operator: ops.Operator
    why: str


class Inside(NamedTuple):
    """Tensor `name` lies in `whole`, from byte `offset` on."""

    name: str
    whole: str
    offset: int


@dataclass(frozen=True)
class AliasStep:
    """An operator that moves no byte: a reshape's output is its input, a concatenation's inputs lie in its
    output."""

    operator: ops.Operator
    inside: tuple[Inside, ...]


@dataclass(frozen=True)
class FusedStep:
    """An operator that is part of the step of operator `into`."""

    operator: ops.Operator
    into: str


@dataclass(frozen=True, eq=False)
class ConvolutionStep:
    """A convolution or a fully connected layer on the PE array.

    tail : the layer of the vector unit fused to it, whose first operand is the ofmap.
    """

    operator: ops.Operator
    work: QuantisedLayer
    mapping: AnyMapping
    constants: LayerConstants = field(repr=False)
    tail: VectorWork | None = None

    @property
    def layer(self) -> ConvLayer:
        return self.work.layer

    @property
    def inputs(self) -> tuple[str, ...]:
        """Tensors that are read from memory."""
        return (self.work.ifmap, *(self.tail.ifmaps[1:] if self.tail else ()))

    @property
    def output(self) -> str:
        return self.tail.ofmap if self.tail else self.work.ofmap

    @property
    def input_layouts(self) -> tuple[ActivationLayout, ...]:
        """How each of `inputs` is read."""
        operand = operand_layout(self.mapping)
        return (ifmap_layout(self.mapping), *((operand,) if operand else ()))

    @property
    def output_layout(self) -> ActivationLayout:
        return ofmap_layout(self.mapping)

    @property
    def unit(self) -> str:
        """What of the accelerator it runs on."""
        return "array"

    @property
    def shape(self) -> str:
        """In a few words."""
        layer = self.layer
        kind = "depthwise " if layer.depthwise else ""
        stride = f" /{layer.U}" if layer.U == layer.V else f" /{layer.U}x{layer.V}"
        after = f", then {vector_shape(self.tail.layer)}" if self.tail else ""
        return (
            f"{kind}{layer.M} of {layer.R}x{layer.S}{stride if layer.U * layer.V > 1 else ''} "
            f"on {layer.channels}x{layer.H}x{layer.W}{after}"
        )

    @property
    def mapping_figures(self) -> dict[str, Any]:
        """How it is mapped, as plain data."""
        return self.mapping.as_dict()

    @property
    def macs(self) -> int:
        return self.layer.macs

    @property
    def predicted_cycles(self) -> int:
        return cycles(self.mapping)

    def commands_at_zero(self) -> list[Command]:
        """The commands with everything at address 0."""
        inputs = [Placement(0, layout) for layout in self.input_layouts]
        constants = dict.fromkeys(self.constant_areas(), 0)
        return self.commands(inputs, Placement(0, self.output_layout), constants)

    def constant_areas(self) -> dict[str, NDArray[np.uint8]]:
        """What it keeps in memory, by name."""
        return {"parameters": self.constants.parameters, "filters": self.constants.filters.content}

    def commands(
        self, inputs: list[Placement], output: Placement, constants: Dictionary[str, int]
    ) -> list[Command]:
        """The commands, given the addresses of tensors and `constant_areas`."""
        operand = inputs[1] if len(inputs) > 1 else None
        at = Addresses(constants["parameters"], constants["filters"], inputs[0], output, operand)
        return layer_commands(self.mapping, self.constants, at)


def vector_shape(layer: VectorLayer) -> str:
    """A layer of the vector unit in a few words."""
    _, C, H, W = layer.ofmap_shape
    if not isinstance(layer, PoolLayer):
        return f"{type(layer).__name__.removesuffix('Layer').lower()} to {C}x{H}x{W}"
    stride = f" /{layer.U}x{layer.V}" if (layer.U, layer.V) != (1, 1) else ""
    return f"{layer.kind} {layer.R}x{layer.S}{stride} on {layer.C}x{layer.H}x{layer.W}"


@dataclass(frozen=True, eq=False)
class VectorStep:
    """Pooling, a sum, a concatenation, an upsampling or a change of scale on the vector unit."""

    operator: ops.Operator
    work: VectorWork
    config: AcceleratorConfig

    @property
    def layer(self) -> VectorLayer:
        return self.work.layer

    @property
    def inputs(self) -> tuple[str, ...]:
        """Tensors that are read from memory."""
        return self.work.ifmaps

    @property
    def output(self) -> str:
        return self.work.ofmap

    @property
    def input_layouts(self) -> tuple[ActivationLayout, ...]:
        """How each of `inputs` is read."""
        return vector_layouts(self.layer, self.config)[0]

    @property
    def output_layout(self) -> ActivationLayout:
        return vector_layouts(self.layer, self.config)[1]

    @property
    def unit(self) -> str:
        """What of the accelerator it runs on."""
        return "vector"

    @property
    def shape(self) -> str:
        """In a few words."""
        return vector_shape(self.layer)

    @property
    def mapping_figures(self) -> dict[str, Any]:
        """None: it is not mapped on PEs."""
        return {}

    @property
    def macs(self) -> int:
        """None: sums and comparisons are not counted."""
        return 0

    @property
    def predicted_cycles(self) -> int:
        return vector_cycles(self.commands_at_zero(), self.config)

    def commands_at_zero(self) -> list[Command]:
        """The commands with every tensor at address 0."""
        inputs = [Placement(0, layout) for layout in self.input_layouts]
        return self.commands(inputs, Placement(0, self.output_layout), {})

    def constant_areas(self) -> dict[str, NDArray[np.uint8]]:
        """Nothing: its numbers are in its commands."""
        return {}

    def commands(
        self, inputs: list[Placement], output: Placement, constants: Dictionary[str, int]
    ) -> list[Command]:
        """The commands, given the addresses of tensors."""
        return vector_commands(self.layer, self.config, self.work.parameters, inputs, output)


ArrayStep = ConvolutionStep | VectorStep
"""What runs on the accelerator."""
Step = HostStep | AliasStep | FusedStep | ArrayStep
