"""Frames on a byte stream: flags, escapes and CRC, as `orris_fpga.link.protocol` defines them."""

from typing import Any

from amaranth.hdl import Module, Mux, Signal
from amaranth.lib import crc, data, memory, stream, wiring
from amaranth.lib.wiring import In, Out

from ..link.protocol import CRC_BYTES, ESCAPE, ESCAPE_XOR, FLAG, HEADER_BYTES, MAX_WORDS, WORD_BYTES

BUFFER_BYTES = 1 << (HEADER_BYTES + MAX_WORDS * WORD_BYTES + CRC_BYTES - 1).bit_length()
"""Room for the longest request and its CRC."""


class FrameReceiver(wiring.Component):
    """Collects frames and offers the good ones, one at a time.

    A frame with a wrong CRC, without content or longer than the buffer is dropped. While a frame is offered,
    bytes wait. Throughput: a byte in 11 cycles: it is taken into a register, looked at in the next cycle and
    acted on in the third (three short paths: it comes from a block RAM); then the CRC takes it bit by bit.
    Three cycles where it is a flag or an escape.

    Members
    -------
    i : In(stream.Signature(8))
    valid : Out(1)
        A frame is in the buffer.
    length : Out
        Bytes of its content, without the CRC.
    done : In(1)
        High for a cycle: drop it.
    address : In
        Byte to read from the buffer.
    read_byte : Out(8)
        The byte at `address`, one cycle later.
    """

    def __init__(self) -> None:
        super().__init__({
            "i": In(stream.Signature(8)),
            "valid": Out(1),
            "length": Out(range(BUFFER_BYTES + 1)),
            "done": In(1),
            "address": In(range(BUFFER_BYTES)),
            "read_byte": Out(8),
        })

    def elaborate(self, platform: Any) -> Module:
        m = Module()
        m.submodules.buffer = buffer = memory.Memory(shape=8, depth=BUFFER_BYTES, init=[])
        write, read = buffer.write_port(), buffer.read_port()
        m.submodules.crc = check = crc.catalog.CRC32_ISO_HDLC(data_width=1).create()

        count = Signal(range(BUFFER_BYTES + 1))
        escaped, overflow = Signal(), Signal()
        bits, left = Signal(8), Signal(range(9))
        byte, is_flag, is_escape, good = Signal(8), Signal(), Signal(), Signal()
        taken, looked_at = Signal(), Signal()
        m.d.comb += [
            read.addr.eq(self.address),
            self.read_byte.eq(read.data),
            self.i.ready.eq(~self.valid & (left == 0) & ~taken & ~looked_at),
            check.data.eq(bits[0]),
            check.valid.eq(left != 0),
            write.addr.eq(count),
            write.data.eq(byte ^ Mux(escaped, ESCAPE_XOR, 0)),
            self.length.eq(count - CRC_BYTES),
        ]
        m.d.sync += [
            taken.eq(self.i.valid & self.i.ready),
            looked_at.eq(taken),
            is_flag.eq(byte == FLAG),
            is_escape.eq((byte == ESCAPE) & ~escaped),
        ]
        with m.If(self.i.ready):
            m.d.sync += byte.eq(self.i.payload)
        with m.If(left != 0):
            m.d.sync += [bits.eq(bits >> 1), left.eq(left - 1)]
        start = Signal()
        m.d.comb += check.start.eq(start)
        m.d.sync += good.eq(check.match_detected & (count > CRC_BYTES) & ~start)
        with m.If(self.valid):
            with m.If(self.done):
                m.d.sync += [self.valid.eq(0), count.eq(0)]
                m.d.comb += start.eq(1)
        with m.Elif(looked_at):
            with m.If(is_flag):
                m.d.sync += [escaped.eq(0), overflow.eq(0)]
                with m.If(good & ~overflow & ~escaped):
                    m.d.sync += self.valid.eq(1)
                with m.Else():
                    m.d.sync += count.eq(0)
                    m.d.comb += start.eq(1)
            with m.Elif(is_escape):
                m.d.sync += escaped.eq(1)
            with m.Else():
                m.d.sync += [escaped.eq(0), bits.eq(write.data), left.eq(8)]
                with m.If(count == BUFFER_BYTES):
                    m.d.sync += overflow.eq(1)
                with m.Else():
                    m.d.comb += write.en.eq(1)
                    m.d.sync += count.eq(count + 1)
        return m


class FrameTransmitter(wiring.Component):
    """Sends content as frames.

    Throughput: a byte in 11 cycles.

    Members
    -------
    i : In(stream.Signature({"byte": 8, "last": 1}))
        Content; `last` ends a frame.
    o : Out(stream.Signature(8))
    """

    i: In(stream.Signature(data.StructLayout({"byte": 8, "last": 1})))
    o: Out(stream.Signature(8))

    def elaborate(self, platform: Any) -> Module:
        m = Module()
        m.submodules.crc = check = crc.catalog.CRC32_ISO_HDLC(data_width=1).create()
        current, bits, left = Signal(8), Signal(8), Signal(range(9))
        last = Signal()
        crc_left = Signal(range(CRC_BYTES + 1))
        crc_rest = Signal(32)
        m.d.comb += [check.data.eq(bits[0]), check.valid.eq(left != 0)]
        with m.If(left != 0):
            m.d.sync += [bits.eq(bits >> 1), left.eq(left - 1)]
        special = (current == FLAG) | (current == ESCAPE)
        with m.FSM():
            with m.State("OPEN"):
                m.d.comb += [self.o.valid.eq(self.i.valid), self.o.payload.eq(FLAG), check.start.eq(1)]
                m.d.sync += crc_left.eq(CRC_BYTES)
                with m.If(self.i.valid & self.o.ready):
                    m.next = "TAKE"
            with m.State("WAIT"):  # for the CRC of the byte before
                with m.If(left == 0):
                    m.next = "TAKE"
            with m.State("TAKE"):
                m.d.comb += self.i.ready.eq(1)
                with m.If(self.i.valid):
                    m.d.sync += [
                        current.eq(self.i.payload.byte), last.eq(self.i.payload.last),
                        bits.eq(self.i.payload.byte), left.eq(8),
                    ]  # fmt: skip
                    m.next = "SEND"
            with m.State("SEND"):
                m.d.comb += [self.o.valid.eq(1), self.o.payload.eq(Mux(special, ESCAPE, current))]
                with m.If(self.o.ready):
                    m.next = "SENT"
                    with m.If(special):
                        m.next = "SEND ESCAPED"
            with m.State("SEND ESCAPED"):
                m.d.comb += [self.o.valid.eq(1), self.o.payload.eq(current ^ ESCAPE_XOR)]
                with m.If(self.o.ready):
                    m.next = "SENT"
            with m.State("SENT"):
                m.next = "WAIT"
                with m.If(last):
                    m.next = "SENT"
                    with m.If(left == 0):
                        m.d.sync += [
                            crc_left.eq(crc_left - 1),
                            current.eq(Mux(crc_left == CRC_BYTES, check.crc, crc_rest)),
                            crc_rest.eq(Mux(crc_left == CRC_BYTES, check.crc, crc_rest) >> 8),
                        ]
                        m.next = "SEND"
                        with m.If(crc_left == 0):
                            m.next = "CLOSE"
            with m.State("CLOSE"):
                m.d.comb += [self.o.valid.eq(1), self.o.payload.eq(FLAG)]
                with m.If(self.o.ready):
                    m.next = "OPEN"
        return m
