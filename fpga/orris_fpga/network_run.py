"""A network on a board."""

from collections.abc import Iterator
from contextlib import contextmanager

from orris.network import CompiledNetwork, NetworkRunner
from orris_sim.layer_run import Watcher

from .errors import BoardError
from .link.transport import SerialTransport


@contextmanager
def network_on_board(
    network: CompiledNetwork, transport: SerialTransport, watcher: Watcher | None = None
) -> Iterator[NetworkRunner]:
    """A runner of the network on the board at the other end of a transport.

    Raises
    ------
    BoardError
        The network needs more memory than the board has.
    DeviceError
        The board has another accelerator.
    """
    watcher = watcher or Watcher()
    there = transport.link.hello.memory_bytes
    if network.memory_size > there:
        raise BoardError(
            f"{network.graph.name} needs {network.memory_size:,} bytes of memory and the board has {there:,}"
        )

    def begin(name: str, predicted: int) -> None:
        watcher.building(name)
        watcher.running(0, predicted)

    yield NetworkRunner(network, transport, begin)
