"""Whole networks on the accelerator: what runs where, memory plan, programs, and running them."""

from .compile import CompiledNetwork, Program, Segment, compile_network
from .lower import lower
from .memory import MemoryPlan
from .runner import Inference, NetworkRunner
from .steps import AliasStep, ArrayStep, ConvolutionStep, HostStep, Step

__all__ = [
    "AliasStep",
    "ArrayStep",
    "CompiledNetwork",
    "ConvolutionStep",
    "HostStep",
    "Inference",
    "MemoryPlan",
    "NetworkRunner",
    "Program",
    "Segment",
    "Step",
    "compile_network",
    "lower",
]
