"""The compiler: from a layer and its mapping to a program and a memory image."""

from .errors import CompileError
from .layer import (
    CompiledLayer,
    FusedParameters,
    LayerConstants,
    compile_layer,
    fused_layer,
    ifmap_layout,
    layer_commands,
    layer_constants,
    ofmap_layout,
    operand_layout,
)
from .layout import ActivationLayout, pack_activations, unpack_activations
from .places import Addresses, Command, Placement, pack_program
from .vector import (
    CompiledVector,
    VectorLayer,
    VectorParameters,
    compile_vector,
    vector_commands,
    vector_layouts,
)

__all__ = [
    "ActivationLayout",
    "Addresses",
    "Command",
    "CompileError",
    "CompiledLayer",
    "CompiledVector",
    "FusedParameters",
    "LayerConstants",
    "Placement",
    "VectorLayer",
    "VectorParameters",
    "compile_layer",
    "compile_vector",
    "fused_layer",
    "ifmap_layout",
    "layer_commands",
    "layer_constants",
    "ofmap_layout",
    "operand_layout",
    "pack_activations",
    "pack_program",
    "unpack_activations",
    "vector_commands",
    "vector_layouts",
]
