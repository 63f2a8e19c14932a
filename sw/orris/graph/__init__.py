"""Networks as graphs of operators over quantised tensors."""

from .errors import ModelError
from .graph import Arithmetic, Graph, Layout
from .tensor import ELEMENTS_LIMIT, Quantisation, Tensor

__all__ = ["ELEMENTS_LIMIT", "Arithmetic", "Graph", "Layout", "ModelError", "Quantisation", "Tensor"]
