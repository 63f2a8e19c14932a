"""Load and store units: LOAD and STORE commands, plane by plane, to the DMA engines."""

from typing import Any

from amaranth.hdl import Const, Module, Mux, Signal
from amaranth.lib import data, stream, wiring
from amaranth.lib.wiring import In, Out

from ..commands import LOAD, STORE
from .buffers import StreamFifo
from .command_layout import command_layout
from .read_dma import Destination, ReadTransfer
from .semaphores import ID_BITS, TokenSink, TokenSource
from .write_dma import WriteTransfer

INDEX_BITS = 32
IN_FLIGHT = 16
"""Transfers under way at once."""


def indexed(command: data.StructLayout) -> data.StructLayout:
    """A command with its place in the program."""
    return data.StructLayout({"index": INDEX_BITS, "command": command})


class _TransferUnit(wiring.Component):
    """Runs commands of one kind in order: a token, then one transfer per plane, then a token.

    The next planes are handed to the DMA while earlier ones are under way; one transfer takes two cycles
    to hand over. `index` is the command whose transfer is the oldest not done.
    """

    def __init__(self, command: data.StructLayout, transfer: Any):
        self._command, self._transfer = command, transfer
        super().__init__(
            {
                "commands": In(stream.Signature(indexed(command))),
                "transfer": Out(stream.Signature(transfer)),
                "done": In(1),
                "wait": Out(TokenSink()),
                "signal": Out(TokenSource()),
                "idle": Out(1),
                "index": Out(INDEX_BITS),
            }
        )

    def _each_plane(self, command: Any) -> Any:
        """Whether tokens are taken and given plane by plane."""
        raise NotImplementedError

    def _fill(self, m: Module, command: Any, buffer_address: Signal) -> None:
        """Drives what is particular to this kind of transfer."""
        raise NotImplementedError

    def _ring(self, command: Any) -> tuple[Any, Any]:
        """Planes after which the buffer address starts again (0: never), and the first plane's place."""
        raise NotImplementedError

    def elaborate(self, platform: Any) -> Module:
        m = Module()
        flight = data.StructLayout({"index": INDEX_BITS, "signal": ID_BITS})
        m.submodules.flights = flights = StreamFifo(flight, IN_FLIGHT)
        head = Signal(indexed(self._command), reset_less=True)
        command = head.command
        plane, place = Signal(16, reset_less=True), Signal(8, reset_less=True)
        address, buffer_address = Signal(32, reset_less=True), Signal(20, reset_less=True)
        ring, ring_start = self._ring(command)
        each = self._each_plane(command)
        # Known a cycle after `plane` and `place`, and needed two cycles after them.
        first, last, wraps = Signal(), Signal(), Signal()
        m.d.sync += [
            last.eq(plane + 1 == command.planes),
            wraps.eq((ring != 0) & (place + 1 == ring)),
        ]
        m.d.comb += [
            self.transfer.payload.addr.eq(address),
            self.transfer.payload.row_words.eq(command.row_words),
            self.transfer.payload.rows.eq(command.rows),
            self.transfer.payload.row_stride.eq(command.row_stride),
            self.wait.id.eq(command.wait),
            flights.i.payload.index.eq(head.index),
            flights.i.payload.signal.eq(Mux(each | last, command.signal, 0)),
        ]
        self._fill(m, command, buffer_address)
        with m.FSM():
            with m.State("COMMAND"):
                m.d.comb += [self.commands.ready.eq(1), self.idle.eq(~flights.o.valid)]
                m.d.sync += head.eq(self.commands.payload)
                with m.If(self.commands.valid):
                    m.next = "BEGIN"
            with m.State("BEGIN"):
                m.d.sync += [plane.eq(0), place.eq(0), first.eq(1)]
                m.d.sync += [address.eq(command.address), buffer_address.eq(command.buffer_address)]
                m.next = "SEEK"
            with m.State("SEEK"):  # to the ring place of the first plane
                with m.If(place == ring_start):
                    m.next = "TOKEN"
                with m.Else():
                    m.d.sync += [
                        place.eq(place + 1), buffer_address.eq(buffer_address + command.buffer_plane_stride),
                    ]  # fmt: skip
            with m.State("TOKEN"):
                m.d.comb += self.wait.want.eq(first | each)
                with m.If(self.wait.granted | ~self.wait.want):
                    m.next = "NOTE"
            with m.State("NOTE"):
                m.d.comb += flights.i.valid.eq(1)
                with m.If(flights.i.ready):
                    m.next = "TRANSFER"
            with m.State("TRANSFER"):
                m.d.comb += self.transfer.valid.eq(1)
                with m.If(self.transfer.ready):
                    m.d.sync += [
                        first.eq(0),
                        plane.eq(plane + 1),
                        place.eq(place + 1),
                        address.eq(address + command.plane_stride),
                        buffer_address.eq(buffer_address + command.buffer_plane_stride),
                    ]
                    with m.If(wraps):
                        m.d.sync += [place.eq(0), buffer_address.eq(command.buffer_address)]
                    m.next = "TOKEN"
                    with m.If(last):
                        m.next = "COMMAND"
        m.d.comb += [
            flights.o.ready.eq(self.done),
            self.signal.give.eq(self.done),
            self.signal.id.eq(flights.o.payload.signal),
            self.index.eq(flights.o.payload.index),
        ]
        return m


class LoadUnit(_TransferUnit):
    """LOAD: planes from memory to a ring of places in the global buffer, or to the parameter memory.

    Members
    -------
    commands : In(stream of indexed(LOAD))
    transfer : Out(stream of ReadTransfer)
    done : In(1)
        The oldest transfer is done.
    wait, signal : Out(TokenSink()), Out(TokenSource())
    idle : Out(1)
    index : Out(32)
    """

    def __init__(self) -> None:
        super().__init__(command_layout(LOAD), ReadTransfer)

    def _each_plane(self, command: Any) -> Any:
        return command.each

    def _ring(self, command: Any) -> tuple[Any, Any]:
        return command.ring, command.ring_start

    def _fill(self, m: Module, command: Any, buffer_address: Signal) -> None:
        m.d.comb += [
            self.transfer.payload.dest.eq(
                Mux(command.parameters, Destination.PARAMETERS, Destination.GLB)
            ),
            self.transfer.payload.dest_addr.eq(buffer_address),
            self.transfer.payload.dest_stride.eq(command.buffer_row_stride),
        ]


class StoreUnit(_TransferUnit):
    """STORE: planes from the global buffer to memory.

    Members
    -------
    commands : In(stream of indexed(STORE))
    transfer : Out(stream of WriteTransfer)
    done : In(1)
        The oldest transfer is done.
    wait, signal : Out(TokenSink()), Out(TokenSource())
    idle : Out(1)
    index : Out(32)
    """

    def __init__(self) -> None:
        super().__init__(command_layout(STORE), WriteTransfer)

    def _each_plane(self, command: Any) -> Any:
        return Const(0)

    def _ring(self, command: Any) -> tuple[Any, Any]:
        return Const(0), Const(0)

    def _fill(self, m: Module, command: Any, buffer_address: Signal) -> None:
        m.d.comb += [
            self.transfer.payload.src_addr.eq(buffer_address),
            self.transfer.payload.src_stride.eq(command.buffer_row_stride),
        ]
