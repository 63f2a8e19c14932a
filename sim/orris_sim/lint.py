"""What Verilator's lint has to say about a Verilog file."""

import subprocess
from pathlib import Path

from .errors import SimulationError
from .toolchain import verilator_environment, verilator_root


def lint(verilog: Path | str, top: str) -> list[str]:
    """Warnings and errors of `verilator --lint-only -Wall`, one line each, with the file's own exceptions.

    Parameters
    ----------
    verilog : path
    top : name of the top module

    Raises
    ------
    SimulationError
        If Verilator is not installed, or there is no such file.
    """
    path = Path(verilog).absolute()
    if not path.is_file():
        raise SimulationError(f"there is no file {verilog}")
    verilator = str(verilator_root() / "bin" / "verilator")
    result = subprocess.run(
        [verilator, "--lint-only", "-Wall", "--top-module", top, path.name],
        cwd=path.parent, env=verilator_environment(), capture_output=True, text=True, check=False,
    )  # fmt: skip
    # The last line of a failed run only counts the others.
    found = [line for line in result.stderr.splitlines() if line.startswith("%")]
    return [line for line in found if not line.startswith("%Error: Exiting due to")]
