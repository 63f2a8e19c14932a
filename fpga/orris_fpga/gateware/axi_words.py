"""An AXI4 slave in front of a memory of words."""

from typing import Any

from amaranth.hdl import Module, Mux, Signal
from amaranth.lib import data, wiring
from amaranth.lib.wiring import In, Out

from orris_hw.gateware.axi import Axi4Signature, Resp
from orris_hw.gateware.buffers import SkidBuffer, StreamFifo

from .words import WordSignature

WORD_SHIFT = 3


class AxiWords(wiring.Component):
    """Executes AXI4 bursts of 64-bit beats on a memory of words, one burst at a time, in order.

    Reads and writes take turns, burst by burst. A beat beyond the memory is not made and is answered with
    DECERR. Only incrementing bursts of whole words, which is all the accelerator makes.
    Latency: 3 cycles more than the memory's. Throughput: a beat per cycle, less one cycle per burst.

    Parameters
    ----------
    words : int
        Size of the memory in words of 64 bits, at least 2.
    in_flight : int
        Reads that may be under way in the memory.

    Members
    -------
    axi : In(Axi4Signature())
    memory : Out(WordSignature(ceil(log2(words))))

    Raises
    ------
    ValueError
        If `words` is not an integer from 2 to 2^29.
    """

    def __init__(self, words: int, in_flight: int = 16):
        if not isinstance(words, int) or not 2 <= words <= 1 << 29:
            raise ValueError(f"AxiWords words must be an integer from 2 to 2^29, not {words!r}")
        self._words, self._in_flight = words, in_flight
        self._address_width = (words - 1).bit_length()
        super().__init__({
            "axi": In(Axi4Signature()),
            "memory": Out(WordSignature(self._address_width)),
        })

    def elaborate(self, platform: Any) -> Module:
        m = Module()
        axi = self.axi
        out = SkidBuffer(self.memory.request.payload.shape())
        m.submodules.out = out
        wiring.connect(m, out.o, wiring.flipped(self.memory.request))
        request = out.i

        # Of each read under way: is it the burst's last, and is it beyond the memory?
        m.submodules.reads = reads = StreamFifo(data.StructLayout({"last": 1, "beyond": 1}), self._in_flight)
        m.submodules.words = words = StreamFifo(64, self._in_flight)
        m.d.comb += [
            words.i.valid.eq(self.memory.read_valid),
            words.i.payload.eq(self.memory.read_data),
            axi.rvalid.eq(reads.o.valid & (reads.o.payload.beyond | words.o.valid)),
            axi.rdata.eq(Mux(reads.o.payload.beyond, 0, words.o.payload)),
            axi.rresp.eq(Mux(reads.o.payload.beyond, Resp.DECERR, Resp.OKAY)),
            axi.rlast.eq(reads.o.payload.last),
            reads.o.ready.eq(axi.rready & axi.rvalid),
            words.o.ready.eq(axi.rready & reads.o.valid & ~reads.o.payload.beyond),
        ]

        address = Signal(32 - WORD_SHIFT)
        left, last = Signal(8), Signal()  # beats of the burst, minus one
        beyond, failed, wrote = Signal(), Signal(), Signal()
        m.d.comb += [
            beyond.eq(address >= self._words),
            request.payload.address.eq(address),
            request.payload.data.eq(axi.wdata),
            request.payload.mask.eq(axi.wstrb),
            reads.i.payload.last.eq(last),
            reads.i.payload.beyond.eq(beyond),
        ]
        with m.If(axi.bvalid & axi.bready):
            m.d.sync += axi.bvalid.eq(0)
        with m.FSM():
            with m.State("IDLE"):
                m.d.sync += failed.eq(0)
                with m.If(axi.arvalid & (wrote | ~axi.awvalid)):
                    m.d.comb += axi.arready.eq(1)
                    m.d.sync += [address.eq(axi.araddr[WORD_SHIFT:]), wrote.eq(0)]
                    m.d.sync += [left.eq(axi.arlen), last.eq(axi.arlen == 0)]
                    m.next = "READ"
                with m.Elif(axi.awvalid):
                    m.d.comb += axi.awready.eq(1)
                    m.d.sync += [address.eq(axi.awaddr[WORD_SHIFT:]), wrote.eq(1)]
                    m.d.sync += [left.eq(axi.awlen), last.eq(axi.awlen == 0)]
                    m.next = "WRITE"
            with m.State("READ"):
                m.d.comb += [
                    request.valid.eq(reads.i.ready & ~beyond),
                    reads.i.valid.eq(request.ready | beyond),
                ]
                with m.If(reads.i.valid & reads.i.ready):
                    m.d.sync += [address.eq(address + 1), left.eq(left - 1), last.eq(left == 1)]
                    with m.If(last):
                        m.next = "IDLE"
            with m.State("WRITE"):
                m.d.comb += [
                    request.payload.write.eq(1),
                    request.valid.eq(axi.wvalid & ~beyond),
                    axi.wready.eq(request.ready | beyond),
                ]
                with m.If(axi.wvalid & axi.wready):
                    m.d.sync += [address.eq(address + 1), left.eq(left - 1), last.eq(left == 1)]
                    m.d.sync += failed.eq(failed | beyond)
                    with m.If(last):
                        m.next = "ANSWER"
            with m.State("ANSWER"):
                with m.If(~axi.bvalid):
                    m.d.sync += [axi.bvalid.eq(1), axi.bresp.eq(Mux(failed, Resp.DECERR, Resp.OKAY))]
                    m.next = "IDLE"
        return m
