"""What is computed: layers by their shape letters, and the tables of known networks."""

from .elementwise import AddLayer, ConcatLayer, UpsampleLayer
from .formats import FORMATS, NUMBER_FORMATS, NumberFormat, missing_format, supported_formats
from .layer import ConvLayer, LayerError, Padding, same_padding
from .networks import NETWORKS, Network, find_layer, find_network
from .pool import PoolLayer

__all__ = [
    "FORMATS",
    "NETWORKS",
    "NUMBER_FORMATS",
    "AddLayer",
    "ConcatLayer",
    "ConvLayer",
    "LayerError",
    "Network",
    "NumberFormat",
    "Padding",
    "PoolLayer",
    "UpsampleLayer",
    "find_layer",
    "find_network",
    "missing_format",
    "same_padding",
    "supported_formats",
]
