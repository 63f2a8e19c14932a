"""Whole networks on the accelerator: what runs where, memory plan, programs, and running them."""

from .assign import Assignment, assign
from .compile import CompiledNetwork, Program, Segment, compile_network
from .coverage import Coverage
from .lower import lower
from .memory import MemoryPlan
from .report import LayerCost, NetworkReport, report
from .runner import Inference, NetworkRunner
from .steps import AliasStep, ArrayStep, ConvolutionStep, FusedStep, HostStep, Step, VectorStep

__all__ = [
    "AliasStep",
    "ArrayStep",
    "Assignment",
    "CompiledNetwork",
    "ConvolutionStep",
    "Coverage",
    "FusedStep",
    "HostStep",
    "Inference",
    "LayerCost",
    "MemoryPlan",
    "NetworkReport",
    "NetworkRunner",
    "Program",
    "Segment",
    "Step",
    "VectorStep",
    "assign",
    "compile_network",
    "lower",
    "report",
]
