"""Runs the router: compiled with the user's C++ compiler on first use."""

import subprocess
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from ..compiled import SAME_ARITHMETIC, compile_cached, program_sources
from ..errors import BoardError

SOURCES = program_sources(Path(__file__).with_name("router"))


@dataclass(frozen=True)
class Round:
    """How far the router is.

    number : of the round that ended, from 1 on.
    connections : routed in it.
    wires : that nets take.
    overused : of them, by more than one net.
    slowest_ns : the slowest path from register to register, on the wires as they are.
    """

    number: int
    connections: int
    wires: int
    overused: int
    slowest_ns: float


def negotiate(
    database: Path, speed: int, netlist: Path, routes: Path, arguments: list[str],
    progress: Callable[[Round], None] | None = None,
) -> list[Round]:  # fmt: skip
    """Routes a netlist.

    Parameters
    ----------
    database : nextpnr's chip database.
    speed : number of the speed grade in it.
    netlist : text of `exchange.router_text`.
    routes : written, for `exchange.read_pips`.
    arguments : of `RouterSettings.arguments`.
    progress : told of each round.

    Returns
    -------
    list of Round
        In the last legal one no wire is overused: its routes are those that are written.

    Raises
    ------
    OrrisError
        There is no C++ compiler, or wires stay overused.
    """
    program = compile_cached(SOURCES, SAME_ARITHMETIC, "router", "the router")
    rounds = []
    with subprocess.Popen(
        [str(program), str(database), str(speed), str(netlist), str(routes), *arguments],
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
    ) as process:  # fmt: skip
        assert process.stdout is not None and process.stderr is not None
        try:
            for line in process.stdout:
                _, number, connections, wires, overused, slowest = line.split()
                rounds.append(Round(int(number), int(connections), int(wires), int(overused), float(slowest)))
                if progress:
                    progress(rounds[-1])
            complaint = process.stderr.read().strip()
        except BaseException:
            process.kill()
            raise
    if process.returncode:
        raise BoardError(complaint or f"the router ended with status {process.returncode}")
    return rounds
