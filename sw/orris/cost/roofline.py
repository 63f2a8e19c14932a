"""The least time a layer can take on an array behind a memory."""

from dataclasses import dataclass

from orris_hw.config import AcceleratorConfig

from ..layers import ConvLayer


@dataclass(frozen=True)
class Roofline:
    """MACs a cycle that cannot be exceeded: the PEs, or the least traffic at the memory's bandwidth.

    least_bytes : every filter, every ofmap value, and every ifmap value that a filter sees, once.
    """

    macs_per_cycle: float
    bound: str
    least_bytes: int

    def share(self, macs: int, cycles: int) -> float:
        """The part of it that `macs` in `cycles` are."""
        return macs / cycles / self.macs_per_cycle if cycles else 0.0


def roofline(layer: ConvLayer, config: AcceleratorConfig, bytes_per_cycle: float) -> Roofline:
    """Roofline of a layer with so much memory bandwidth."""
    rows = _seen(layer.E, layer.U, layer.R, layer.D, layer.padding.top, layer.H)
    columns = _seen(layer.F, layer.V, layer.S, layer.D, layer.padding.left, layer.W)
    values = layer.N * layer.channels * rows * columns + layer.weights_values + layer.ofmap_values
    least = values * config.data_width // 8
    memory = layer.macs * bytes_per_cycle / least
    if memory < config.pes:
        return Roofline(memory, "memory", least)
    return Roofline(float(config.pes), "PEs", least)


def _seen(positions: int, stride: int, taps: int, dilation: int, pad: int, size: int) -> int:
    """Stored positions of an axis that some tap sees."""
    seen = {f * stride + s * dilation - pad for f in range(positions) for s in range(taps)}
    return sum(0 <= at < size for at in seen)
