"""Runs the router: compiled with the user's C++ compiler on first use."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from ..compiled import program_sources, run_program

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
    rounds: list[Round] = []

    def of_round(words: list[str]) -> None:
        number, connections, wires, overused, slowest = words
        rounds.append(Round(int(number), int(connections), int(wires), int(overused), float(slowest)))
        if progress:
            progress(rounds[-1])

    files = [str(database), str(speed), str(netlist), str(routes)]
    run_program(SOURCES, "router", "the router", [*files, *arguments], of_round)
    return rounds
