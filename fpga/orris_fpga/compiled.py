"""C++ of ours, compiled with the user's compiler on first use and kept for each content."""

import hashlib
import subprocess
import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path

from orris_hw.cache import cache_directory
from orris_sim.toolchain import cpp_compiler

from .errors import BoardError

SAME_ARITHMETIC = ("-O2", "-ffp-contract=off")
"""Options with which a program computes the same on every machine."""


def program_sources(directory: Path) -> tuple[Path, ...]:
    """`main.cpp` of a directory, the headers beside it, and those that programs share."""
    shared = Path(__file__).with_name("cpp")
    return (directory / "main.cpp", *sorted(directory.glob("*.h")), *sorted(shared.glob("*.h")))


def compile_cached(sources: Sequence[Path], options: Sequence[str], name: str, what: str) -> Path:
    """A compiled program or library; several processes may ask for it at once.

    Parameters
    ----------
    sources : the file to compile, and the files that it includes.
    options : of the compiler, besides the standard.
    name : of the directory in the cache.
    what : it is, for the user.

    Raises
    ------
    OrrisError
        There is no C++ compiler, or it fails.
    """
    command = [*cpp_compiler().split(), "-std=gnu++17", *options]
    identity = hashlib.sha256("\0".join([*command, *(path.read_text() for path in sources)]).encode())
    path = cache_directory() / name / identity.hexdigest()[:24]
    if not path.exists():
        path.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=path.parent) as directory:
            made = Path(directory) / "made"
            result = subprocess.run(
                [*command, "-o", str(made), str(sources[0])], capture_output=True, text=True, check=False
            )
            if result.returncode:
                complaint = (result.stderr.splitlines() or ["no message"])[0]
                raise BoardError(f"the C++ compiler failed on {what}: {complaint}")
            made.replace(path)
    return path


def run_program(
    sources: Sequence[Path], name: str, what: str, arguments: Sequence[str], told: Callable[[list[str]], None]
) -> None:
    """Runs a program of ours that says on stdout how far it is, and on stderr why it cannot go on.

    Parameters
    ----------
    sources, name, what : as of `compile_cached`.
    arguments : of the program.
    told : the words of each line on stdout, but the first word, as they come.

    Raises
    ------
    OrrisError
        There is no C++ compiler, or the program fails: with what it says.
    """
    program = compile_cached(sources, SAME_ARITHMETIC, name, what)
    with subprocess.Popen(
        [str(program), *arguments], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout is not None and process.stderr is not None
        try:
            for line in process.stdout:
                told(line.split()[1:])
            complaint = process.stderr.read().strip()
        except BaseException:
            process.kill()
            raise
    if process.returncode:
        raise BoardError(complaint or f"{what} ended with status {process.returncode}")
