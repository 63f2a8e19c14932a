"""The compiler: from a layer and its mapping to a program and a memory image."""

from .errors import CompileError
from .layer import CompiledLayer, compile_layer
from .layout import ActivationLayout, pack_activations, unpack_activations
from .program import Placement

__all__ = [
    "ActivationLayout",
    "CompileError",
    "CompiledLayer",
    "Placement",
    "compile_layer",
    "pack_activations",
    "unpack_activations",
]
