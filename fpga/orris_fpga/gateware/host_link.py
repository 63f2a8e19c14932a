"""The board's side of the host link, from the serial line to the buses."""

from typing import Any

from amaranth.hdl import Module
from amaranth.lib import wiring
from amaranth.lib.fifo import SyncFIFOBuffered
from amaranth.lib.wiring import In, Out

from orris_hw.gateware.axi import Axi4LiteSignature, Axi4Signature
from orris_hw.register_map import ADDRESS_WIDTH

from ..link.protocol import Hello
from .executor import RequestExecutor
from .frames import FrameReceiver, FrameTransmitter
from .uart import UartReceiver, UartTransmitter

QUEUE_BYTES = 512
"""Bytes that may come while a request is executed or a reply is sent."""


class HostLink(wiring.Component):
    """UART to registers and memory, by the protocol of `orris_fpga.link.protocol`.

    Bytes that come faster than they are worked on wait in a queue; if it overflows, bytes are lost, the
    frame's CRC is wrong, and the host repeats it.

    Parameters
    ----------
    hello : Hello
        What the board says about itself.
    divisor : int
        Cycles per bit of the line.

    Members
    -------
    rx : In(1, init=1), tx : Out(1, init=1)
    registers : Out(Axi4LiteSignature(12))
    memory : Out(Axi4Signature())
    """

    def __init__(self, hello: Hello, divisor: int):
        self._hello, self._divisor = hello, divisor
        super().__init__({
            "rx": In(1, init=1),
            "tx": Out(1, init=1),
            "registers": Out(Axi4LiteSignature(ADDRESS_WIDTH)),
            "memory": Out(Axi4Signature()),
        })

    def elaborate(self, platform: Any) -> Module:
        m = Module()
        m.submodules.uart_receiver = uart_receiver = UartReceiver(self._divisor)
        m.submodules.uart_transmitter = uart_transmitter = UartTransmitter(self._divisor)
        m.submodules.queue = queue = SyncFIFOBuffered(width=8, depth=QUEUE_BYTES)
        m.submodules.receiver = receiver = FrameReceiver()
        m.submodules.transmitter = transmitter = FrameTransmitter()
        m.submodules.executor = executor = RequestExecutor(self._hello)
        m.d.comb += [uart_receiver.rx.eq(self.rx), self.tx.eq(uart_transmitter.tx)]
        m.d.comb += [
            queue.w_data.eq(uart_receiver.o.payload),
            queue.w_en.eq(uart_receiver.o.valid),
            uart_receiver.o.ready.eq(queue.w_rdy),
            receiver.i.payload.eq(queue.r_data),
            receiver.i.valid.eq(queue.r_rdy),
            queue.r_en.eq(receiver.i.ready),
            executor.valid.eq(receiver.valid),
            executor.length.eq(receiver.length),
            executor.read_byte.eq(receiver.read_byte),
            receiver.done.eq(executor.done),
            receiver.address.eq(executor.address),
        ]
        wiring.connect(m, executor.o, transmitter.i)
        wiring.connect(m, transmitter.o, uart_transmitter.i)
        wiring.connect(m, executor.registers, wiring.flipped(self.registers))
        wiring.connect(m, executor.memory, wiring.flipped(self.memory))
        return m
