"""The protocol of the host link: one definition for gateware and host. Pure data and bytes, no gateware.

A frame is FLAG, content, CRC-32 of the content (IEEE 802.3, least significant byte first), FLAG; inside, the
bytes FLAG and ESCAPE are sent as ESCAPE and the byte ^ ESCAPE_XOR, so that FLAG occurs nowhere else. After
any noise on the line, the next FLAG is the beginning of a frame again.

Request: sequence number, operation, count, address (4 bytes), payload (of writes).
Reply:   the same sequence number, operation | REPLY, payload (of reads and HELLO), status.

Numbers are sent least significant byte first. `count` is in 64-bit words for memory, and 1 for all else. The
board answers requests in order. With `ahead = (sequence number - expected) mod 256` it

* executes a request with ahead = 0, and expects the next one only if the status is OK;
* acknowledges a write with ahead >= 128 without making it again, and makes such a read again: they are
  repetitions of requests that were executed;
* ignores any other, since a request before it is missing.

HELLO is always executed and makes the board expect the number after its own. A request with a wrong CRC, or
too long to be one, is ignored.
"""

import zlib
from dataclasses import dataclass
from enum import IntEnum

FLAG = 0x7E
ESCAPE = 0x7D
ESCAPE_XOR = 0x20

VERSION = 1
"""Of the protocol; HELLO's reply has it."""

REPLY = 0x80
"""Set in the operation of a reply."""

HEADER_BYTES = 7
CRC_BYTES = 4
WORD_BYTES = 8
MAX_WORDS = 32
"""Words of the longest memory access."""
HELLO_WORDS = 2
REGISTER_BYTES = 4


class Operation(IntEnum):
    HELLO = 0
    READ_REGISTER = 1
    WRITE_REGISTER = 2
    READ_MEMORY = 3
    WRITE_MEMORY = 4


class Status(IntEnum):
    """How a request went; SLVERR and DECERR are the bus's answers."""

    OKAY = 0
    BAD_REQUEST = 1
    SLVERR = 2
    DECERR = 3


@dataclass(frozen=True)
class Hello:
    """What a board says about itself.

    memory_bytes: size of its memory. clock_hz: of the accelerator. config: first 32 bits of the
    configuration's content hash.
    """

    memory_bytes: int
    clock_hz: int
    config: int
    version: int = VERSION

    def pack(self) -> bytes:
        parts = (self.version, self.memory_bytes, self.clock_hz, self.config)
        return b"".join(part.to_bytes(4, "little") for part in parts)

    @classmethod
    def unpack(cls, content: bytes) -> "Hello":
        version, memory_bytes, clock_hz, config = (
            int.from_bytes(content[place : place + 4], "little") for place in range(0, 16, 4)
        )
        return cls(memory_bytes, clock_hz, config, version)


@dataclass(frozen=True)
class Request:
    sequence: int
    operation: Operation
    address: int = 0
    count: int = 1
    payload: bytes = b""

    def pack(self) -> bytes:
        """The frame to send."""
        header = bytes([self.sequence, self.operation, self.count]) + self.address.to_bytes(4, "little")
        return encode(header + self.payload)

    @property
    def reply_bytes(self) -> int:
        """Payload of the reply, if its status is OKAY."""
        match self.operation:
            case Operation.HELLO:
                return HELLO_WORDS * WORD_BYTES
            case Operation.READ_REGISTER:
                return REGISTER_BYTES
            case Operation.READ_MEMORY:
                return self.count * WORD_BYTES
        return 0


@dataclass(frozen=True)
class Reply:
    sequence: int
    operation: int
    payload: bytes
    status: int

    @classmethod
    def unpack(cls, content: bytes) -> "Reply | None":
        """A decoded frame as a reply, or None if it is none."""
        if len(content) < 3 or not content[1] & REPLY:
            return None
        return cls(content[0], content[1] & ~REPLY, content[2:-1], content[-1])


def encode(content: bytes) -> bytes:
    """The frame around `content`."""
    checked = content + zlib.crc32(content).to_bytes(CRC_BYTES, "little")
    escaped = checked.replace(bytes([ESCAPE]), bytes([ESCAPE, ESCAPE ^ ESCAPE_XOR]))
    escaped = escaped.replace(bytes([FLAG]), bytes([ESCAPE, FLAG ^ ESCAPE_XOR]))
    return bytes([FLAG]) + escaped + bytes([FLAG])


def decode(frame: bytes) -> bytes | None:
    """What is inside a frame (given without its FLAGs), or None if it was damaged."""
    content = bytearray()
    escaped = False
    for byte in frame:
        if not escaped and byte == ESCAPE:
            escaped = True
            continue
        content.append(byte ^ ESCAPE_XOR if escaped else byte)
        escaped = False
    if escaped or len(content) <= CRC_BYTES:
        return None
    inner, crc = bytes(content[:-CRC_BYTES]), int.from_bytes(content[-CRC_BYTES:], "little")
    return inner if zlib.crc32(inner) == crc else None


class Deframer:
    """Cuts a stream of received bytes into frames, and drops what is damaged."""

    def __init__(self) -> None:
        self._pending = bytearray()
        self.damaged = 0
        """Frames dropped so far."""

    def feed(self, received: bytes) -> list[bytes]:
        """The contents of the frames that end in `received`."""
        *complete, rest = (bytes(self._pending) + received).split(bytes([FLAG]))
        self._pending = bytearray(rest)
        contents = []
        for frame in complete:
            if not frame:
                continue
            content = decode(frame)
            if content is None:
                self.damaged += 1
            else:
                contents.append(content)
        return contents
