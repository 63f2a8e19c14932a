"""Golden models in numpy: what the accelerator must compute, independent of the compiler and the RTL."""

from .add import AddParameters, add
from .convolution import conv2d, conv2d_accumulate
from .copies import concatenate, upsample
from .data import LayerData, random_layer_data
from .fixed_point import RowWork, accumulate_fixed_point, conv2d_fixed_point, row_folded_order
from .pool import PoolParameters, pool
from .quantise import ROUNDINGS, Requant, Rounding, post_process, quantise_multiplier, requantise, sum_width
from .tensors import TensorError, saturate, wrap

__all__ = [
    "ROUNDINGS",
    "AddParameters",
    "LayerData",
    "PoolParameters",
    "Requant",
    "Rounding",
    "RowWork",
    "TensorError",
    "accumulate_fixed_point",
    "add",
    "concatenate",
    "conv2d",
    "conv2d_accumulate",
    "conv2d_fixed_point",
    "pool",
    "post_process",
    "quantise_multiplier",
    "random_layer_data",
    "requantise",
    "row_folded_order",
    "saturate",
    "sum_width",
    "upsample",
    "wrap",
]
