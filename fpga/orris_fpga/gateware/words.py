"""The port of a memory that is accessed a word at a time."""

from amaranth.lib import data, stream, wiring
from amaranth.lib.wiring import In, Out

from orris_hw.gateware.axi import DATA_BITS, WORD_BYTES


class WordSignature(wiring.Signature):
    """Words of 64 bits, seen from who asks for them.

    Requests are executed in order. A read is answered by `read_valid` with `read_data`, in order, and the
    answer cannot be refused: who asks has room for it.

    Parameters
    ----------
    address_width : int
        Bits of a word address.
    """

    def __init__(self, address_width: int):
        super().__init__({
            "request": Out(stream.Signature(data.StructLayout({
                "address": address_width, "write": 1, "data": DATA_BITS, "mask": WORD_BYTES,
            }))),
            "read_valid": In(1),
            "read_data": In(DATA_BITS),
        })  # fmt: skip
