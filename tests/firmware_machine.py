"""The firmware's image on a model of its machine, as a transport for the driver."""

import ctypes
import hashlib
import subprocess
from pathlib import Path

import numpy as np

from orris_hw.cache import cache_directory
from orris_hw.config import AcceleratorConfig
from orris_hw.microcontroller import memory_map
from orris_hw.microcontroller.image import firmware_image
from orris_hw.register_map import REGISTER
from orris_sim.toolchain import compiler

SOURCE = Path(__file__).with_name("firmware_machine.cpp")


def _library() -> ctypes.CDLL:
    """The machine, compiled once for each state of its source."""
    name = hashlib.sha256(SOURCE.read_bytes()).hexdigest()[:24]
    path = cache_directory() / "firmware_machines" / f"{name}.so"
    if not path.exists():
        path.parent.mkdir(parents=True, exist_ok=True)
        new = path.with_suffix(f".{id(path)}.new")
        subprocess.run(
            [compiler(), "-std=c++17", "-O2", "-shared", "-fPIC", "-o", str(new), str(SOURCE)], check=True
        )
        new.rename(path)
    library = ctypes.CDLL(str(path))
    machine, word = ctypes.c_void_p, ctypes.c_uint64
    for function, result, arguments in (
        ("new", machine, [ctypes.c_void_p, ctypes.c_void_p]),
        ("delete", None, [machine]),
        ("memory", ctypes.POINTER(ctypes.c_uint8), [machine]),
        ("register", ctypes.POINTER(ctypes.c_uint32), [machine, ctypes.c_uint]),
        ("state", ctypes.c_uint, [machine]),
        ("soft_reset", None, [machine]),
        ("start", None, [machine]),
        ("clear_done", None, [machine]),
        ("complaint", ctypes.c_char_p, [machine]),
        ("lowest_sp", ctypes.c_uint32, [machine]),
        ("instructions", word, [machine]),
        ("fault", None, [machine, ctypes.c_uint, word, word, ctypes.c_uint]),
        ("run", ctypes.c_int, [machine, word]),
    ):
        entry = getattr(library, f"machine_{function}")
        entry.restype, entry.argtypes = result, arguments
    return library


class FirmwareMachine:
    """The machine of `config`; `memory` is a view of its memory.

    Bandwidth and pauses of the memory do not matter to it.
    """

    def __init__(
        self, config: AcceleratorConfig, memory_bytes: int, seed: int = 0, latency: int = 0, **_: float
    ):
        self._library = _library()
        rom = firmware_image()
        constants = memory_map.constants_table(config)
        rom += [0] * (memory_map.CONSTANTS // 4 - len(rom)) + constants
        pads = config.scratchpads
        numbers = np.array(
            [
                len(rom), memory_map.ram_bytes(config), memory_map.REGISTERS_BASE - memory_map.RAM,
                memory_bytes, pads.filter, pads.ifmap, pads.psum, latency, seed,
            ],
            np.uint64,
        )  # fmt: skip
        words = np.array(rom, np.uint32)
        self._machine = self._library.machine_new(words.ctypes.data, numbers.ctypes.data)
        self.memory = np.ctypeslib.as_array(self._library.machine_memory(self._machine), (memory_bytes,))
        self._until_readable()

    def close(self) -> None:
        self.memory = np.zeros(0, np.uint8)
        self._library.machine_delete(self._machine)

    def write_register(self, offset: int, value: int) -> None:
        if offset == REGISTER["CONTROL"].offset:
            fields = REGISTER["CONTROL"].unpack(value)
            if fields["soft_reset"]:
                self._library.machine_soft_reset(self._machine)
                self._until_readable()
            elif fields["start"]:
                self._library.machine_start(self._machine)
        elif offset == REGISTER["STATUS"].offset:
            self._library.machine_clear_done(self._machine)
        else:
            self._library.machine_register(self._machine, offset)[0] = value

    def read_register(self, offset: int) -> int:
        if offset == REGISTER["STATUS"].offset:
            return self._library.machine_state(self._machine)
        return self._library.machine_register(self._machine, offset)[0]

    def write_memory(self, address: int, content: np.ndarray | bytes) -> None:
        values = np.frombuffer(bytes(content), np.uint8)
        self.memory[address : address + len(values)] = values

    def read_memory(self, address: int, size: int) -> np.ndarray:
        return self.memory[address : address + size].copy()

    def wait(self, max_cycles: int) -> bool:
        ended = bool(self._library.machine_run(self._machine, max_cycles))
        complaint = self._library.machine_complaint(self._machine).decode()
        assert not complaint, complaint
        return ended

    def fail(self, write: bool, base: int, limit: int, *, silent: bool = False) -> None:
        """Answers accesses to bytes base to limit - 1 of memory with an error, or not at all."""
        self._library.machine_fault(self._machine, write, base, limit, silent)

    @property
    def stack_used(self) -> int:
        """The most bytes of stack so far."""
        top = memory_map.RAM + memory_map.STATE_BYTES
        return top - self._library.machine_lowest_sp(self._machine)

    @property
    def instructions(self) -> int:
        return self._library.machine_instructions(self._machine)

    def _until_readable(self) -> None:
        assert self.wait(100_000), "the firmware does not boot"
