"""Finding the board: its port, its speed and its configuration."""

from orris.driver import Device
from orris_hw.config import PRESETS, AcceleratorConfig

from ..errors import BoardError
from ..gateware.system import config_word
from .serial_link import TIMEOUT, TRIES, SerialLink, ports
from .transport import SerialTransport

SPEEDS = (3_000_000, 1_000_000)
"""Baud rates of the boards, tried in this order when none is given."""


def connect(port: str | None = None, baud: int | None = None, timeout: float = TIMEOUT) -> SerialTransport:
    """A transport to the board on a serial port.

    Parameters
    ----------
    port : by default the machine's only one.
    baud : by default each of `SPEEDS`.
    timeout : seconds to wait for a reply.

    Raises
    ------
    BoardError
        There is no port, or several and none was named; or no board answers, as of `SerialLink`.
    """
    port = port or _only_port()
    if baud is not None:
        return SerialTransport(SerialLink(port, baud, timeout))
    for speed in SPEEDS[:-1]:
        try:
            link = SerialLink(port, speed, timeout, tries=2)
        except BoardError:
            continue
        link.tries = TRIES
        return SerialTransport(link)
    return SerialTransport(SerialLink(port, SPEEDS[-1], timeout))


def board_device(transport: SerialTransport, config: AcceleratorConfig | None = None) -> Device:
    """The driver of a board's accelerator.

    Parameters
    ----------
    config : what the board should have been built from; by default the preset that it was.

    Raises
    ------
    BoardError
        The board was built from another configuration, or (if none is given) from none of the presets.
    DeviceError
        What answers is no accelerator, or another one.
    """
    word = transport.link.hello.config
    if config is None:
        known = [preset for preset in PRESETS.values() if config_word(preset) == word]
        if not known:
            raise BoardError(
                f"the board was built from none of this version's presets (configuration {word:08x}): "
                "name its configuration file with --config, or build and flash again"
            )
        config = known[0]
    device = Device(transport, config)  # names the register that differs
    if config_word(config) != word:
        raise BoardError(
            f"the board was built from configuration {word:08x}, not from {config.name} "
            f"({config_word(config):08x}): give the one it was built from, or build and flash again"
        )
    return device


def _only_port() -> str:
    there = ports()
    if not there:
        raise BoardError("there is no serial port here: plug the board in, or name its port with --port")
    if len(there) > 1:
        raise BoardError(f"there are several serial ports: name the board's with --port ({', '.join(there)})")
    return there[0]
