"""What is computed: convolution layers by their shape letters, and the tables of known networks."""

from .layer import ConvLayer, LayerError, Padding, same_padding
from .networks import NETWORKS, Network, find_layer, find_network

__all__ = [
    "NETWORKS",
    "ConvLayer",
    "LayerError",
    "Network",
    "Padding",
    "find_layer",
    "find_network",
    "same_padding",
]
