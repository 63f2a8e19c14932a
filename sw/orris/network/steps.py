"""What a network is made of once it is known what runs where: steps, in order."""

from collections.abc import Mapping as Dictionary
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from ..compiler import (
    ActivationLayout,
    Addresses,
    Command,
    LayerConstants,
    Placement,
    ifmap_layout,
    layer_commands,
    ofmap_layout,
)
from ..graph import operators as ops
from ..graph.quantised import QuantisedLayer
from ..layers import ConvLayer
from ..mapper import AnyMapping, cycles


@dataclass(frozen=True)
class HostStep:
    """An operator that runs on the host; `why`, in a few words."""

    operator: ops.Operator
    why: str


@dataclass(frozen=True)
class AliasStep:
    """A reshape that moves no byte: its output is its input."""

    operator: ops.Operator


@dataclass(frozen=True, eq=False)
class ConvolutionStep:
    """A convolution or a fully connected layer on the PE array."""

    operator: ops.Operator
    work: QuantisedLayer
    mapping: AnyMapping
    constants: LayerConstants = field(repr=False)

    @property
    def layer(self) -> ConvLayer:
        return self.work.layer

    @property
    def inputs(self) -> tuple[str, ...]:
        """Tensors that are read from memory."""
        return (self.work.ifmap,)

    @property
    def output(self) -> str:
        return self.work.ofmap

    @property
    def input_layouts(self) -> tuple[ActivationLayout, ...]:
        """How each of `inputs` is read."""
        return (ifmap_layout(self.mapping),)

    @property
    def output_layout(self) -> ActivationLayout:
        return ofmap_layout(self.layer, self.mapping.config)

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
        return (
            f"{kind}{layer.M} of {layer.R}x{layer.S}{stride if layer.U * layer.V > 1 else ''} "
            f"on {layer.channels}x{layer.H}x{layer.W}"
        )

    @property
    def mapping_letters(self) -> dict[str, float]:
        """m, n, e, p, q, r, t."""
        return {letter: getattr(self.mapping, letter) for letter in "mnepqrt"}

    @property
    def macs(self) -> int:
        return self.layer.macs

    @property
    def predicted_cycles(self) -> int:
        return cycles(self.mapping)

    def constant_areas(self) -> dict[str, NDArray[np.uint8]]:
        """What it keeps in memory, by name."""
        return {"parameters": self.constants.parameters, "filters": self.constants.filters.content}

    def commands(
        self, inputs: list[Placement], output: Placement, constants: Dictionary[str, int]
    ) -> list[Command]:
        """The commands, given the addresses of tensors and `constant_areas`."""
        at = Addresses(constants["parameters"], constants["filters"], inputs[0], output)
        return layer_commands(self.mapping, self.constants, at)


ArrayStep = ConvolutionStep
Step = HostStep | AliasStep | ConvolutionStep
