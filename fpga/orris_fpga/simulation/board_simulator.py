"""A simulated board with its serial line at a pseudo-terminal."""

import ctypes
import os
import pty
import random
import select
import threading
import tty
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType

from orris_hw.emission import emit_verilog
from orris_sim.build import HARNESS, TOP, Progress, build

from ..errors import BoardError
from ..gateware.system import Spram, System, SystemParameters
from ..gateware.uart import divisor
from ..sdram.chip_model import SOURCES, Timing
from ..sdram.chips import SdramChip

SLICE = 4000
"""Cycles between two looks at the serial line."""
AHEAD = 256
"""Bytes taken from the pseudo-terminal before they are on the simulated line."""

SPRAM_MODEL = Path(__file__).with_name("spram.v")
HARNESSES = (Path(__file__).with_name(HARNESS.name), SOURCES[1])


@dataclass(frozen=True)
class LineNoise:
    """Chances, per byte and direction, of a byte changed, lost, doubled, or preceded by a random one."""

    changed: float = 0.0
    lost: float = 0.0
    doubled: float = 0.0
    inserted: float = 0.0
    seed: int = 0

    def apply(self, content: bytes, rng: random.Random) -> bytes:
        """What arrives of `content`."""
        arrived = bytearray()
        for byte in content:
            if rng.random() < self.inserted:
                arrived.append(rng.randrange(256))
            if rng.random() < self.changed:
                byte ^= 1 << rng.randrange(8)
            if rng.random() >= self.lost:
                arrived.append(byte)
            if rng.random() < self.doubled:
                arrived.append(byte)
        return bytes(arrived)


class BoardSimulator:
    """A board's system in compiled RTL simulation; its UART is the pseudo-terminal `port`.

    The simulation runs in a thread of its own while the context is entered.

    Parameters
    ----------
    parameters : SystemParameters
    noise : LineNoise
        On the serial line; may be replaced at any time.
    progress : callable
        Told what is going on while the simulator is built.

    Raises
    ------
    SimulationError
        If the simulator cannot be built.
    BoardError
        On leaving the context, if the SDRAM's timing was violated.
    """

    def __init__(
        self, parameters: SystemParameters, noise: LineNoise | None = None, progress: Progress | None = None
    ):
        verilog = emit_verilog(System(parameters), TOP)
        if isinstance(parameters.memory, Spram):
            verilog += SPRAM_MODEL.read_text()
        self._library = _bind(build(verilog, progress=progress, sources=HARNESSES))
        memory = parameters.memory
        timing = ctypes.byref(Timing.of(memory)) if isinstance(memory, SdramChip) else None
        cycles_per_bit = divisor(parameters.clock_hz, parameters.baud)
        self._board = self._library.board_new(timing, float(parameters.clock_hz), cycles_per_bit)
        self._library.board_reset(self._board)
        self.noise = noise or LineNoise()
        self._rng = random.Random(self.noise.seed)
        self._stop = threading.Event()
        self._line, self._host_end = pty.openpty()
        tty.setraw(self._line)
        tty.setraw(self._host_end)
        os.set_blocking(self._line, False)
        self.port = os.ttyname(self._host_end)
        """Path of the pseudo-terminal, for pyserial."""
        self._thread = threading.Thread(target=self._run, daemon=True)

    def __enter__(self) -> "BoardSimulator":
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stop.set()
        self._thread.join()
        os.close(self._line)
        os.close(self._host_end)
        violation = self._library.board_violation(self._board).decode()
        self._library.board_delete(self._board)
        if violation and error is None:
            raise BoardError(f"the SDRAM's timing was violated: {violation}")

    @property
    def cycles(self) -> int:
        """Cycles run so far."""
        return self._library.board_cycles(self._board)

    def _run(self) -> None:
        out = (ctypes.c_uint8 * 65536)()
        pending = b""
        while not self._stop.is_set():
            received = b""
            if self._library.board_waiting(self._board) < AHEAD:
                if select.select([self._line], [], [], 0)[0]:
                    received = self.noise.apply(os.read(self._line, AHEAD), self._rng)
            self._library.board_run(self._board, SLICE)
            size = self._library.board_serial(self._board, received, len(received), out, len(out))
            pending += self.noise.apply(bytes(out[:size]), self._rng)
            if pending:
                try:
                    pending = pending[os.write(self._line, pending) :]
                except BlockingIOError:
                    pass  # nobody reads: it waits, as in a UART's driver


def _bind(path: Path) -> ctypes.CDLL:
    library = ctypes.CDLL(str(path))
    board, word = ctypes.c_void_p, ctypes.c_uint64
    types = {
        "board_new": (board, [ctypes.POINTER(Timing), ctypes.c_double, ctypes.c_uint]),
        "board_delete": (None, [board]),
        "board_reset": (None, [board]),
        "board_run": (None, [board, word]),
        "board_serial": (word, [board, ctypes.c_char_p, word, ctypes.POINTER(ctypes.c_uint8), word]),
        "board_waiting": (word, [board]),
        "board_cycles": (word, [board]),
        "board_violation": (ctypes.c_char_p, [board]),
    }
    for name, (result, arguments) in types.items():
        function = getattr(library, name)
        function.restype, function.argtypes = result, arguments
    return library
