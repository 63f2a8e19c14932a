"""Compiles a Verilog top level for cocotb, with Verilator or Icarus, once for each content."""

import fcntl
import hashlib
import shutil
import subprocess
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from functools import cache
from importlib.metadata import version
from pathlib import Path

from cocotb_tools.config import libs_dir
from cocotb_tools.runner import Icarus, Runner, Verilator

from orris_hw.cache import cache_directory
from orris_hw.emission import Emitted

from .errors import SimulationError
from .toolchain import MAKE_SETTINGS, compiler, verilator_environment, verilator_root, versions

TIMESCALE = ("1ns", "1ps")

# Benches run for thousands of cycles, driven from Python: a quick build is worth more than quick code.
_FLAGS = ("--x-assign", "fast", "--x-initial", "fast", "--inline-mult", "1", "--output-split", "0",
          "--no-timing", "-Wno-fatal", "-Wno-lint")  # fmt: skip
_OPTIMISE = ("OPT_FAST=-O1", "OPT_SLOW=-O0", "OPT_GLOBAL=-O0")


class PackageVerilator(Verilator):
    """cocotb's runner for Verilator as the `verilator` package ships it.

    Only what a control file names can be reached from Python, not every signal: twice as fast. Verilator's
    runtime, most of what there is to compile, comes ready made if `runtime` has its object files.
    """

    def __init__(self, runtime: Sequence[Path] = ()):
        self._runtime = runtime
        super().__init__()

    def _simulator_in_path_build_only(self) -> None:
        self.executable = str(verilator_root() / "bin" / "verilator")

    def _set_env_build(self) -> None:
        super()._set_env_build()
        environment = verilator_environment()
        self.env.update({name: environment[name] for name in ("VERILATOR_ROOT", "PATH")})

    def _build_command(self) -> list[list[str]]:
        translate, make = super()._build_command()
        translate.remove("--public-flat-rw")
        make += [*MAKE_SETTINGS, *_OPTIMISE, f"CXX={compiler()}", f"LINK={compiler()}"]
        if self._runtime:
            make += ["VM_GLOBAL_FAST=", "VM_GLOBAL_SLOW=", "LOADLIBES=" + " ".join(map(str, self._runtime))]
        return [translate, make]


def build_bench(emitted: Emitted, simulator: str) -> Path:
    """Directory with the compiled simulation, which is built there if it is not yet.

    Safe to call from several processes: one builds, the others wait and use its result.

    Raises
    ------
    SimulationError
        If a tool is missing or fails.
    """
    return _with_verilator(emitted) if simulator == "verilator" else _with_icarus(emitted)


def _with_verilator(emitted: Emitted) -> Path:
    control = "`verilator_config\n" + "".join(
        f'public_flat_rw -module "{emitted.name}" -var "{port.name}"\n' for port in emitted.ports
    )
    # The simulation finds cocotb's library where it was when it was built.
    tools = _identity("verilator", *_FLAGS, *_OPTIMISE, _verilator_tools(), str(libs_dir))
    runtime = cache_directory() / "benches" / f"runtime-{tools}"
    place = cache_directory() / "benches" / _identity(tools, emitted.verilog, control)
    with _locked(place):
        if not place.exists():
            with _workplace(place) as work:
                (work / "top.v").write_text(emitted.verilog)
                (work / "ports.vlt").write_text(control)
                runner = PackageVerilator(sorted(runtime.glob("*.o")))
                _run(runner, work, emitted.name, ["ports.vlt", "top.v"], _FLAGS)
                _keep(runtime, work, sorted((work / "build").glob("verilated*.o")))
                _keep(place, work, [work / "build" / emitted.name])
    return place


def _with_icarus(emitted: Emitted) -> Path:
    place = cache_directory() / "benches" / _identity("icarus", _icarus_version(), emitted.verilog)
    with _locked(place):
        if not place.exists():
            with _workplace(place) as work:
                (work / "top.v").write_text(emitted.verilog)
                _run(Icarus(), work, emitted.name, ["top.v"])
                _keep(place, work, [work / "build" / "sim.vvp"])
    return place


def _run(runner: Runner, work: Path, top: str, sources: list[str], flags: Sequence[str] = ()) -> None:
    log = work / "build.log"
    try:
        runner.build(
            sources=[work / name for name in sources],
            hdl_toplevel=top,
            build_args=flags,
            build_dir=work / "build",
            timescale=TIMESCALE,
            log_file=log,
        )
    except (RuntimeError, SystemExit) as error:
        reason = log.read_text(errors="replace")[-2000:] if log.exists() else str(error)
        raise SimulationError(f"the bench cannot be built:\n{reason}") from error


@contextmanager
def _locked(place: Path) -> Iterator[None]:
    place.parent.mkdir(parents=True, exist_ok=True)
    with open(place.parent / f"{place.name}.lock", "w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


@contextmanager
def _workplace(place: Path) -> Iterator[Path]:
    """A directory beside `place`, so that results can be renamed into it; gone afterwards."""
    with tempfile.TemporaryDirectory(prefix=f"{place.name}.", dir=place.parent) as temporary:
        yield Path(temporary)


def _keep(place: Path, work: Path, files: list[Path]) -> None:
    """Moves files into a new directory, which appears complete; one that is there already stays."""
    if files and not place.exists():
        complete = work / place.name
        complete.mkdir()
        for file in files:
            shutil.move(file, complete / file.name)
        try:
            complete.rename(place)
        except OSError:
            if not place.exists():  # else another process was first
                raise


def _identity(*parts: str) -> str:
    return hashlib.sha256("\0".join(parts).encode()).hexdigest()[:24]


@cache
def _verilator_tools() -> str:
    return f"{versions()}\ncocotb {version('cocotb')}"


@cache
def _icarus_version() -> str:
    result = subprocess.run(["iverilog", "-V"], capture_output=True, text=True, check=False)
    return result.stdout.partition("\n")[0]
