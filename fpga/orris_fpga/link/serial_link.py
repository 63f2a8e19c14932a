"""The host's side of the link: requests and replies over a serial port."""

import errno
import random
import time
from collections.abc import Sequence
from dataclasses import replace

import serial
from serial.tools import list_ports

from ..errors import BoardError
from .protocol import FLAG, VERSION, Deframer, Hello, Operation, Reply, Request, Status

TIMEOUT = 0.5
"""Seconds without a reply, besides what the bytes themselves take, after which requests are repeated."""
TRIES = 8
"""Times a request is sent before the board is given up."""
WINDOW = {Operation.WRITE_MEMORY: 16, Operation.READ_MEMORY: 8}
"""Requests under way at a time, of those that may be several. Short enough for the board's queue."""


class SerialLink:
    """Sends requests to a board and gets its replies, whatever happens on the line between.

    Requests that stay unanswered are repeated; the board's sequence numbers make sure that none has its
    effect twice. After an error both sides start anew with a HELLO.

    Parameters
    ----------
    port : str
        Name of the serial port.
    baud : int
    timeout : float
        Seconds to wait for a reply, besides the time that the bytes take.
    tries : int
        Times a request is sent.

    Raises
    ------
    BoardError
        The port is missing, in use or forbidden; nobody answers on it; or what answers speaks another version
        of the protocol.
    """

    def __init__(self, port: str, baud: int, timeout: float = TIMEOUT, tries: int = TRIES):
        self.port, self._timeout, self.tries = port, timeout, tries
        self._byte_time = 10 / baud
        self._line = _open(port, baud)
        self._deframer = Deframer()
        self._next: int | None = None
        self.repeats = 0
        """Times something had to be sent again."""
        try:
            self.hello = self._greet()
        except BoardError:
            self.close()
            raise

    def close(self) -> None:
        """Gives the port back."""
        self._line.close()

    def request(self, operation: Operation, address: int, count: int = 1, payload: bytes = b"") -> bytes:
        """One request; the payload of its reply."""
        return self.requests([Request(0, operation, address, count, payload)])[0]

    def requests(self, wanted: Sequence[Request]) -> list[bytes]:
        """Several requests of one operation, made in order; the payloads of the replies.

        Raises
        ------
        BoardError
            A request is refused, or the board does not answer any more.
        """
        if self._next is None:
            self.hello = self._greet()
        try:
            return [reply.payload for reply in self._exchange(wanted)]
        except BoardError:
            self._next = None
            raise

    def _greet(self) -> Hello:
        """Agree on a sequence number, whatever was said before."""
        self._next = random.SystemRandom().randrange(256)
        self._write(bytes([FLAG]))  # ends what another program may have left unfinished
        (reply,) = self._exchange([Request(0, Operation.HELLO)])
        hello = Hello.unpack(reply.payload)
        if hello.version != VERSION:
            raise BoardError(
                f"the board on {self.port} speaks version {hello.version} of the link's protocol, "
                f"this program version {VERSION}: build and flash its bitstream again"
            )
        return hello

    def _exchange(self, wanted: Sequence[Request]) -> list[Reply]:
        assert self._next is not None
        numbered = [
            replace(request, sequence=(self._next + place) % 256) for place, request in enumerate(wanted)
        ]
        window = min(WINDOW.get(request.operation, 1) for request in numbered)
        replies: list[Reply] = []
        sent = tries = 0
        deadline = 0.0
        while len(replies) < len(numbered):
            if sent == len(replies):
                deadline = time.monotonic() + self._timeout
            while sent < min(len(replies) + window, len(numbered)):
                frame = numbered[sent].pack()
                deadline += 2 * self._byte_time * (len(frame) + numbered[sent].reply_bytes)
                self._write(frame)
                sent += 1
            for reply in self._receive():
                expected = numbered[len(replies)]
                if (reply.sequence, reply.operation) == (expected.sequence, expected.operation):
                    self._check(expected, reply)
                    replies.append(reply)
                    tries = 0
                    deadline = max(deadline, time.monotonic() + self._timeout)
                    if len(replies) == len(numbered):
                        break
            if len(replies) < len(numbered) and time.monotonic() > deadline:
                tries += 1
                self.repeats += 1
                if tries >= self.tries:
                    self._give_up()
                sent = len(replies)
        self._next = (self._next + len(numbered)) % 256
        return replies

    def _check(self, request: Request, reply: Reply) -> None:
        what = f"{request.operation.name.lower().replace('_', ' ')} at {request.address:#x}"
        if reply.status != Status.OKAY:
            known = reply.status in Status.__members__.values()
            how = Status(reply.status).name if known else f"status {reply.status}"
            raise BoardError(f"the board answers the {what} with {how}")
        if len(reply.payload) != request.reply_bytes:
            raise BoardError(
                f"the board answers the {what} with {len(reply.payload)} bytes, not {request.reply_bytes}"
            )

    def _give_up(self) -> None:
        if self._deframer.damaged:
            raise BoardError(
                f"the line to the board on {self.port} is too noisy: {self.tries} tries failed and "
                f"{self._deframer.damaged} damaged frames came; try a shorter cable or a lower speed"
            )
        raise BoardError(
            f"no Orris board answers on {self.port} ({self.tries} tries): is the bitstream flashed, and is "
            "it the board's port and speed?"
        )

    def _write(self, content: bytes) -> None:
        try:
            self._line.write(content)
        except (serial.SerialException, OSError) as error:
            raise BoardError(f"the board on {self.port} is gone: {error}") from error

    def _receive(self) -> list[Reply]:
        """The replies that came, waiting a moment for the first byte."""
        try:
            content = self._line.read(1)
            content += self._line.read(self._line.in_waiting)
        except (serial.SerialException, OSError) as error:
            raise BoardError(f"the board on {self.port} is gone: {error}") from error
        replies = (Reply.unpack(frame) for frame in self._deframer.feed(content))
        return [reply for reply in replies if reply is not None]


def ports() -> list[str]:
    """The machine's serial ports."""
    return sorted(port.device for port in list_ports.comports() if port.hwid != "n/a")


def _open(port: str, baud: int) -> serial.Serial:
    try:
        line = serial.Serial(port, baud, timeout=0.02, write_timeout=10, exclusive=True)
        line.reset_input_buffer()
        return line
    except (serial.SerialException, OSError, ValueError) as error:
        number = getattr(error, "errno", None)
        if number is None and error.__context__ is not None:  # what pyserial only quotes
            number = next(iter(error.__context__.args), None)
        if number in (errno.ENOENT, errno.ENXIO, errno.ENODEV):
            there = ", ".join(ports()) or "none"
            raise BoardError(
                f"there is no serial port {port}: is the board plugged in? (ports here: {there})"
            ) from error
        if number in (errno.EAGAIN, errno.EBUSY):
            raise BoardError(f"the serial port {port} is in use by another program: close it") from error
        if number in (errno.EACCES, errno.EPERM):
            raise BoardError(
                f"you may not use the serial port {port}: on Linux, join its group "
                "(sudo usermod -aG dialout $USER, then log in again)"
            ) from error
        if number in (errno.ENOTTY, errno.EISDIR):
            raise BoardError(f"{port} is not a serial port") from error
        raise BoardError(f"the serial port {port} cannot be opened at {baud} baud: {error}") from error
