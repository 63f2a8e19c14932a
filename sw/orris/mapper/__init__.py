"""The mapper: how a layer is cut into pieces and laid over the PE array."""

from .buffer import BufferPlan, Ring
from .cost import cycles, utilisation
from .counts import expected_counts
from .depthwise import DepthwiseMapping
from .errors import MappingError
from .given import FREE, Given, MappingFileError, MappingTable, mapping_table
from .mapping import Mapping, RunItem
from .search import Aim, AnyMapping, best_mappings, map_layer

__all__ = [
    "FREE",
    "Aim",
    "AnyMapping",
    "BufferPlan",
    "DepthwiseMapping",
    "Given",
    "Mapping",
    "MappingError",
    "MappingFileError",
    "MappingTable",
    "Ring",
    "RunItem",
    "best_mappings",
    "cycles",
    "expected_counts",
    "map_layer",
    "mapping_table",
    "utilisation",
]
