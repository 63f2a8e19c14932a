"""Writing a bitstream to a board."""

import json
import subprocess
from pathlib import Path

from .boards import Board
from .build import ABOUT
from .errors import BoardError
from .tools import programmer


def flash_bitstream(board: Board, directory: Path, *, permanent: bool = False) -> Path:
    """Write the bitstream in a build directory to a board; the file that was written.

    Parameters
    ----------
    permanent : into the board's flash instead of the FPGA itself, where it is lost without power.

    Raises
    ------
    BoardError
        There is no bitstream, it is another board's, the programmer is missing or it finds no board.
    """
    try:
        about = json.loads((directory / ABOUT).read_text())
        bitstream = directory / about["bitstream"]
        built_for = about["board"]
    except (OSError, ValueError, KeyError):
        raise BoardError(
            f"there is no bitstream in {directory}: build it with `orris fpga build {board.name}`"
        ) from None
    if built_for != board.name:
        raise BoardError(f"the bitstream in {directory} is for {built_for}, not for {board.name}")
    if not bitstream.exists():
        raise BoardError(f"{bitstream} is missing: build it with `orris fpga build {board.name}`")
    command = [programmer(), "-b", board.programmer, *(["-f"] if permanent else []), str(bitstream)]
    try:
        result = subprocess.run(command, capture_output=True, text=True, check=False, timeout=300)
    except (OSError, subprocess.TimeoutExpired) as error:
        raise BoardError(f"the programmer cannot be run: {error}") from None
    if result.returncode:
        lines = [line.strip() for line in (result.stdout + result.stderr).splitlines() if line.strip()]
        complaint = lines[-1] if lines else "no message"
        if "shared libraries" in complaint:
            library = complaint.split("libraries:")[-1].split(":")[0].strip()
            raise BoardError(
                f"the programmer openFPGALoader needs the system's {library} (Debian: sudo apt-get install "
                "libusb-1.0-0 libftdi1-2 libhidapi-hidraw0)"
            )
        raise BoardError(
            f"openFPGALoader cannot write to a {board.title}: {complaint}; is the board plugged in and may "
            "you use it?"
        )
    return bitstream
