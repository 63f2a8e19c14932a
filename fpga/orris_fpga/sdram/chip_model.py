"""The SDRAM chip's behavioural model, for Python."""

import ctypes
from dataclasses import fields
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from ..compiled import compile_cached
from .chips import SdramChip

SOURCES = tuple(Path(__file__).with_name(f"chip_model.{ending}") for ending in ("cpp", "hpp"))

WHOLE = ("row_bits", "column_bits", "cas_latency", "t_mrd", "power_up_refreshes")
TIMES = ("t_rcd", "t_rp", "t_ras", "t_rc", "t_rrd", "t_rfc", "t_wr", "t_ras_max", "t_refresh", "t_power_up")
PINS = ("clk_en", "cs", "ras", "cas", "we", "ba", "a", "dqm", "dq_o", "dq_oe")


class Timing(ctypes.Structure):
    """A chip as the model takes it."""

    _fields_ = [(name, ctypes.c_uint32) for name in WHOLE] + [(name, ctypes.c_double) for name in TIMES]

    @classmethod
    def of(cls, chip: SdramChip) -> "Timing":
        return cls(**{name: getattr(chip, name) for name in (*WHOLE, *TIMES)})


class Pins(ctypes.Structure):
    """What the controller drives, by the names of `SdramSignature`."""

    _fields_ = [(name, ctypes.c_uint32) for name in PINS]


class SdramModel:
    """One chip, clocked by hand.

    Parameters
    ----------
    chip : SdramChip
    clock_hz : float

    Raises
    ------
    SimulationError
        If there is no C++ compiler.
    """

    def __init__(self, chip: SdramChip, clock_hz: float):
        assert {field.name for field in fields(chip)} >= {*WHOLE, *TIMES}
        self._library = _library()
        self._model = self._library.sdram_new(ctypes.byref(Timing.of(chip)), clock_hz)
        half_words = chip.bytes // 2
        self.memory: NDArray[np.uint16] = np.ctypeslib.as_array(
            self._library.sdram_memory(self._model), (half_words,)
        )
        """Half-words by bank, row, column; shared with the model."""

    def clock(self, **pins: int) -> int:
        """One clock with these pins (the others low); what the chip drives for the next clock edge."""
        return self._library.sdram_clock(self._model, ctypes.byref(Pins(**pins)))

    @property
    def violation(self) -> str:
        """The first broken rule, or nothing."""
        return self._library.sdram_violation(self._model).decode()

    def close(self) -> None:
        """Frees the chip; its memory is gone with it."""
        if self._model:
            self.memory = np.zeros(0, np.uint16)
            self._library.sdram_delete(self._model)
            self._model = None


def _library() -> ctypes.CDLL:
    path = compile_cached(SOURCES, ["-O2", "-shared", "-fPIC"], "sdram", "the SDRAM model")
    library = ctypes.CDLL(str(path))
    model = ctypes.c_void_p
    types = {
        "sdram_new": (model, [ctypes.POINTER(Timing), ctypes.c_double]),
        "sdram_delete": (None, [model]),
        "sdram_clock": (ctypes.c_uint16, [model, ctypes.POINTER(Pins)]),
        "sdram_violation": (ctypes.c_char_p, [model]),
        "sdram_memory": (ctypes.POINTER(ctypes.c_uint16), [model]),
    }
    for name, (result_type, arguments) in types.items():
        function = getattr(library, name)
        function.restype, function.argtypes = result_type, arguments
    return library
