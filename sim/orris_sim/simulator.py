"""A running simulation of the accelerator: registers, memory, clock."""

import ctypes
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType

import numpy as np

from orris_hw.config import AcceleratorConfig

from .build import Progress, build
from .errors import SimulationError
from .lockstep import with_lockstep
from .verilog_cache import ARRAY, cached_array, cached_verilog

SLICE = 250_000
"""Cycles between two reports of progress."""


@dataclass(frozen=True)
class MemoryTraffic:
    """What the memory model saw on the accelerator's port."""

    cycles: int
    read_bytes: int
    written_bytes: int
    read_bursts: int
    write_bursts: int


class Simulator:
    """The accelerator's RTL, compiled, with a memory behind its AXI4 port.

    It is a transport for `orris.driver`: registers, memory and a wait for the interrupt.

    Parameters
    ----------
    config : AcceleratorConfig
        Its Verilog is generated and compiled unless that was done before.
    memory_bytes : int
        Size of the memory, from address 0. Beyond it reads and writes are answered with DECERR.
    latency : int
        Cycles from a request to its first data, or from the last data to the response.
    bandwidth : float
        Bytes per cycle, for reads and writes together.
    stalls : float
        Chance, per channel and cycle, of a random pause.
    seed : int
        Of the random pauses.
    trace : path
        Writes a VCD waveform there (slower).
    progress : callable
        Told what is going on while the simulator is built.

    verilog : str
        The same accelerator described otherwise, for example a netlist, to be simulated instead.

    Raises
    ------
    SimulationError
        If the simulator cannot be built, or the accelerator breaks a rule of its bus.
    """

    def __init__(
        self,
        config: AcceleratorConfig,
        *,
        memory_bytes: int = 1 << 26,
        latency: int = 100,
        bandwidth: float = 8.0,
        stalls: float = 0.0,
        seed: int = 0,
        trace: Path | None = None,
        progress: Progress | None = None,
        verilog: str | None = None,
    ):
        if verilog is not None:
            library = build(verilog, trace=trace is not None, progress=progress)
        elif trace is None and config.control.kind == "hardware":  # a waveform shows the inside of every PE
            replaced = with_lockstep(cached_verilog(config, progress), cached_array(config, progress), ARRAY)
            library = build(replaced.verilog, program=replaced.program, progress=progress)
        else:
            library = build(cached_verilog(config, progress), trace=trace is not None, progress=progress)
        self._library = _bind(library)
        self._machine = self._library.orris_new(memory_bytes, latency, bandwidth, seed, stalls)
        if trace is not None and not self._library.orris_trace(self._machine, str(trace).encode()):
            raise SimulationError(f"cannot write the waveform {trace}")
        self.memory = np.ctypeslib.as_array(self._library.orris_memory(self._machine), (memory_bytes,))
        """The memory's bytes, shared with the simulation."""
        self.reset()

    def __enter__(self) -> "Simulator":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Ends the simulation; its memory is gone with it."""
        if self._machine:
            self.memory = np.zeros(0, np.uint8)
            self._library.orris_delete(self._machine)
            self._machine = None

    def reset(self) -> None:
        """Resets the accelerator; the memory stays."""
        self._library.orris_reset(self._machine)

    def write_register(self, offset: int, value: int) -> None:
        """Writes a 32-bit register.

        Raises
        ------
        SimulationError
            If the accelerator refuses it or does not answer.
        """
        response = self._library.orris_write(self._machine, offset, value)
        self._check(response, f"write of register {offset:#x}")

    def read_register(self, offset: int) -> int:
        """Reads a 32-bit register; raises like `write_register`."""
        value = ctypes.c_uint32()
        response = self._library.orris_read(self._machine, offset, ctypes.byref(value))
        self._check(response, f"read of register {offset:#x}")
        return value.value

    def write_memory(self, address: int, content: np.ndarray | bytes) -> None:
        """Copies bytes into the memory, in no simulated time."""
        array = np.frombuffer(content, np.uint8) if isinstance(content, bytes) else content
        values = array.reshape(-1).view(np.uint8)
        self._inside(address, len(values))
        self.memory[address : address + len(values)] = values

    def read_memory(self, address: int, size: int) -> np.ndarray:
        """A copy of `size` bytes of the memory."""
        self._inside(address, size)
        return self.memory[address : address + size].copy()

    def wait(self, max_cycles: int, progress: Callable[[int], None] | None = None) -> bool:
        """Runs until the interrupt, at most `max_cycles`; returns whether it came.

        `progress` is told the cycles run, every `SLICE` of them.
        """
        run = 0
        while run < max_cycles:
            run += self._library.orris_run(self._machine, min(SLICE, max_cycles - run), 1)
            self._complain()
            if progress:
                progress(run)
            if self._library.orris_irq(self._machine):
                return True
        return False

    def run(self, cycles: int) -> None:
        """Runs for a number of cycles."""
        self._library.orris_run(self._machine, cycles, 0)
        self._complain()

    def fail_reads(self, base: int, limit: int) -> None:
        """Answers reads of bytes base to limit - 1 with SLVERR."""
        self._library.orris_fault(self._machine, 0, base, limit)

    def fail_writes(self, base: int, limit: int) -> None:
        """Answers writes of bytes base to limit - 1 with SLVERR, and does not make them."""
        self._library.orris_fault(self._machine, 1, base, limit)

    @property
    def traffic(self) -> MemoryTraffic:
        """What the memory has seen since the simulation began."""
        values = (ctypes.c_uint64 * 5)()
        self._library.orris_statistics(self._machine, values)
        return MemoryTraffic(*values)

    def _inside(self, address: int, size: int) -> None:
        if address < 0 or address + size > len(self.memory):
            raise SimulationError(
                f"bytes {address:#x} to {address + size:#x} are outside the memory "
                f"of {len(self.memory):#x} bytes"
            )

    def _check(self, response: int, what: str) -> None:
        self._complain()
        if response:
            how = "is not answered" if response < 0 else "is answered with SLVERR"
            raise SimulationError(f"the {what} {how}")

    def _complain(self) -> None:
        violation = self._library.orris_violation(self._machine)
        if violation:
            raise SimulationError(f"the accelerator broke an AXI rule: {violation.decode()}")


def _bind(path: Path) -> ctypes.CDLL:
    """The library's functions with their types."""
    library = ctypes.CDLL(str(path))
    machine, text, word = ctypes.c_void_p, ctypes.c_char_p, ctypes.c_uint64
    types = {
        "orris_new": (machine, [word, ctypes.c_uint, ctypes.c_double, word, ctypes.c_double]),
        "orris_delete": (None, [machine]),
        "orris_trace": (ctypes.c_int, [machine, text]),
        "orris_memory": (ctypes.POINTER(ctypes.c_uint8), [machine]),
        "orris_reset": (None, [machine]),
        "orris_fault": (None, [machine, ctypes.c_int, word, word]),
        "orris_run": (word, [machine, word, ctypes.c_int]),
        "orris_irq": (ctypes.c_int, [machine]),
        "orris_write": (ctypes.c_int, [machine, ctypes.c_uint, ctypes.c_uint32]),
        "orris_read": (ctypes.c_int, [machine, ctypes.c_uint, ctypes.POINTER(ctypes.c_uint32)]),
        "orris_statistics": (None, [machine, ctypes.POINTER(word)]),
        "orris_violation": (text, [machine]),
    }
    for name, (result, arguments) in types.items():
        function = getattr(library, name)
        function.restype, function.argtypes = result, arguments
    return library
