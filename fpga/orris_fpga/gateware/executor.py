"""Executes the host's requests on the accelerator's registers and on the memory."""

from typing import Any

from amaranth.hdl import Cat, Const, Module, Mux, Signal
from amaranth.lib import data, stream, wiring
from amaranth.lib.wiring import In, Out

from orris_hw.gateware.axi import SIZE_WORD, Axi4LiteSignature, Axi4Signature, Burst
from orris_hw.register_map import ADDRESS_WIDTH

from ..link.protocol import (
    HEADER_BYTES,
    HELLO_WORDS,
    MAX_WORDS,
    REGISTER_BYTES,
    REPLY,
    WORD_BYTES,
    Hello,
    Operation,
    Status,
)
from .frames import BUFFER_BYTES


class RequestExecutor(wiring.Component):
    """Takes a request from a `FrameReceiver`, executes it and gives the content of its reply.

    The rules of sequence numbers are those of `orris_fpga.link.protocol`: a request has its effect once,
    however often it comes. Memory is accessed a word at a time, which is many times faster than the line.

    Throughput: a word in about 20 cycles and the memory's latency, or as fast as the replies are sent.

    Parameters
    ----------
    hello : Hello
        What HELLO's reply says.

    Members
    -------
    valid, length, done, address, read_byte
        As of `FrameReceiver`, seen from the other side.
    o : Out(stream.Signature({"byte": 8, "last": 1}))
        Content of replies.
    registers : Out(Axi4LiteSignature(12))
    memory : Out(Axi4Signature())
    """

    def __init__(self, hello: Hello):
        self._hello = hello.pack()
        super().__init__({
            "valid": In(1),
            "length": In(range(BUFFER_BYTES + 1)),
            "done": Out(1),
            "address": Out(range(BUFFER_BYTES)),
            "read_byte": In(8),
            "o": Out(stream.Signature(data.StructLayout({"byte": 8, "last": 1}))),
            "registers": Out(Axi4LiteSignature(ADDRESS_WIDTH)),
            "memory": Out(Axi4Signature()),
        })

    def elaborate(self, platform: Any) -> Module:
        m = Module()
        registers, memory = self.registers, self.memory
        word = Signal(8 * WORD_BYTES)  # a word on its way in or out, the first byte lowest
        sequence, expected, operation, count = Signal(8), Signal(8), Signal(8), Signal(8)
        target = Signal(32)
        status = Signal(Status)
        place, left, primed = Signal.like(self.address), Signal(range(WORD_BYTES + 1)), Signal()
        ahead = Signal(8)
        fresh, old = Signal(), Signal()
        m.d.comb += [
            self.address.eq(place),
            ahead.eq(sequence - expected),
            fresh.eq(ahead == 0),
            old.eq(ahead[7]),
        ]

        def fetch(size: int, then: str) -> None:
            """Shift `size` bytes from the buffer into the top of `word`; needs left = size on entry."""
            m.d.sync += primed.eq(left != 0)
            with m.If(left != 0):
                m.d.sync += [place.eq(place + 1), left.eq(left - 1)]
            with m.If(primed):
                m.d.sync += word.eq(Cat(word[8:], self.read_byte))
                with m.If(left == 0):
                    m.next = then

        def send(byte: Any, last: int = 0) -> Any:
            m.d.comb += [self.o.valid.eq(1), self.o.payload.byte.eq(byte), self.o.payload.last.eq(last)]
            return self.o.ready

        def answered(response: Any, then: str) -> None:
            """Go on after a bus's answer, or end with its error."""
            m.d.sync += status.eq(response)
            m.next = "STATUS"
            with m.If(~response[1]):
                m.next = then

        m.d.comb += [
            memory.awaddr.eq(target), memory.awsize.eq(SIZE_WORD), memory.awburst.eq(Burst.INCR),
            memory.araddr.eq(target), memory.arsize.eq(SIZE_WORD), memory.arburst.eq(Burst.INCR),
            memory.wdata.eq(word), memory.wstrb.eq(-1), memory.wlast.eq(1),
            # One access at a time, whose answer is waited for.
            memory.rready.eq(1), memory.bready.eq(1), registers.rready.eq(1), registers.bready.eq(1),
            registers.awaddr.eq(target), registers.araddr.eq(target),
            registers.wdata.eq(word[-8 * REGISTER_BYTES :]), registers.wstrb.eq(-1),
        ]  # fmt: skip
        for port in (memory, registers):
            for channel in ("aw", "w", "ar"):
                valid, ready = getattr(port, f"{channel}valid"), getattr(port, f"{channel}ready")
                with m.If(valid & ready):
                    m.d.sync += valid.eq(0)

        payload = Signal(range(MAX_WORDS * WORD_BYTES + 1))
        known, in_range = Signal(), Signal()
        with m.Switch(operation):
            with m.Case(Operation.HELLO, Operation.READ_REGISTER):
                m.d.comb += [known.eq(1), in_range.eq(count == 1)]
            with m.Case(Operation.WRITE_REGISTER):
                m.d.comb += [known.eq(1), in_range.eq(count == 1), payload.eq(REGISTER_BYTES)]
            with m.Case(Operation.READ_MEMORY):
                m.d.comb += [known.eq(1), in_range.eq((count != 0) & (count <= MAX_WORDS))]
            with m.Case(Operation.WRITE_MEMORY):
                m.d.comb += [
                    known.eq(1), in_range.eq((count != 0) & (count <= MAX_WORDS)),
                    payload.eq(count * WORD_BYTES),
                ]  # fmt: skip
        good = Signal()
        m.d.sync += good.eq(known & in_range & (self.length == payload + HEADER_BYTES))

        with m.FSM():
            with m.State("IDLE"):
                m.d.sync += [place.eq(0), left.eq(HEADER_BYTES), primed.eq(0), status.eq(Status.OKAY)]
                with m.If(self.valid):
                    m.next = "HEADER"
            with m.State("HEADER"):
                fetch(HEADER_BYTES, "SPLIT")
            with m.State("SPLIT"):
                m.d.sync += Cat(sequence, operation, count, target).eq(word[8:])
                m.next = "CHECK"
            with m.State("CHECK"):  # `good` is a cycle behind
                m.next = "DECIDE"
            with m.State("DECIDE"):
                m.next = "SEQUENCE"
                with m.If(~good):
                    m.d.sync += status.eq(Status.BAD_REQUEST)
                with m.If(~fresh & ~old & (operation != Operation.HELLO)):
                    m.next = "DONE"
            with m.State("SEQUENCE"):
                with m.If(send(sequence)):
                    m.next = "OPERATION"
            with m.State("OPERATION"):
                with m.If(send(operation | REPLY)):
                    m.next = "STATUS"
                    with m.If(good):
                        with m.Switch(operation):
                            with m.Case(Operation.HELLO):
                                m.d.sync += count.eq(HELLO_WORDS)
                                m.next = "HELLO"
                            with m.Case(Operation.READ_REGISTER):
                                m.d.sync += registers.arvalid.eq(1)
                                m.next = "READ REGISTER"
                            with m.Case(Operation.READ_MEMORY):
                                m.d.sync += memory.arvalid.eq(1)
                                m.next = "READ MEMORY"
                            with m.Case(Operation.WRITE_REGISTER):
                                with m.If(fresh):
                                    m.d.sync += left.eq(REGISTER_BYTES)
                                    m.next = "FETCH REGISTER"
                            with m.Case(Operation.WRITE_MEMORY):
                                with m.If(fresh):
                                    m.d.sync += left.eq(WORD_BYTES)
                                    m.next = "FETCH WORD"

            with m.State("HELLO"):
                half = 8 * WORD_BYTES
                text = Const(int.from_bytes(self._hello, "little"), HELLO_WORDS * half)
                m.d.sync += [
                    word.eq(Mux(count == HELLO_WORDS, text[:half], text[half:])), left.eq(WORD_BYTES),
                ]  # fmt: skip
                m.next = "SEND"
            with m.State("READ REGISTER"):
                with m.If(registers.rvalid):
                    m.d.sync += [word.eq(registers.rdata), left.eq(REGISTER_BYTES)]
                    answered(registers.rresp, "SEND")
            with m.State("READ MEMORY"):
                with m.If(memory.rvalid):
                    m.d.sync += [word.eq(memory.rdata), left.eq(WORD_BYTES)]
                    answered(memory.rresp, "SEND")
            with m.State("SEND"):
                with m.If(send(word[:8])):
                    m.d.sync += [word.eq(word >> 8), left.eq(left - 1)]
                    with m.If(left == 1):
                        m.d.sync += [count.eq(count - 1), target.eq(target + WORD_BYTES)]
                        m.next = "STATUS"
                        with m.If(count != 1):
                            m.next = "HELLO"
                            with m.If(operation == Operation.READ_MEMORY):
                                m.d.sync += memory.arvalid.eq(1)
                                m.next = "READ MEMORY"

            with m.State("FETCH REGISTER"):
                fetch(REGISTER_BYTES, "WRITE REGISTER")
            with m.State("WRITE REGISTER"):
                m.d.sync += [registers.awvalid.eq(1), registers.wvalid.eq(1)]
                m.next = "REGISTER WRITTEN"
            with m.State("REGISTER WRITTEN"):
                with m.If(registers.bvalid):
                    answered(registers.bresp, "STATUS")
            with m.State("FETCH WORD"):
                fetch(WORD_BYTES, "WRITE WORD")
            with m.State("WRITE WORD"):
                m.d.sync += [memory.awvalid.eq(1), memory.wvalid.eq(1)]
                m.next = "WORD WRITTEN"
            with m.State("WORD WRITTEN"):
                with m.If(memory.bvalid):
                    m.d.sync += [count.eq(count - 1), target.eq(target + WORD_BYTES), left.eq(WORD_BYTES)]
                    answered(memory.bresp, "NEXT WORD")
            with m.State("NEXT WORD"):
                m.next = "STATUS"
                with m.If(count != 0):
                    m.next = "FETCH WORD"

            with m.State("STATUS"):
                with m.If(send(status, last=1)):
                    with m.If((status == Status.OKAY) & (fresh | (operation == Operation.HELLO))):
                        m.d.sync += expected.eq(sequence + 1)
                    m.next = "DONE"
            with m.State("DONE"):
                m.d.comb += self.done.eq(1)
                m.next = "IDLE"
        return m
