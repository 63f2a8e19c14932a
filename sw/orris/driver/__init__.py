"""The driver: one for all transports."""

from .device import Device, LayerResult
from .errors import DeviceError
from .patience import cycle_limit
from .program import Program
from .transport import Transport

__all__ = ["Device", "DeviceError", "LayerResult", "Program", "Transport", "cycle_limit"]
