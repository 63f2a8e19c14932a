"""Small stream buffers that every block is glued together with."""

from typing import Any

from amaranth.hdl import Module, Mux, Signal
from amaranth.lib import memory, stream, wiring
from amaranth.lib.wiring import In, Out


def _wrapped(pointer: Signal, depth: int) -> Any:
    """The entry after `pointer` in a ring of `depth` entries."""
    return Mux(pointer == depth - 1, 0, pointer + 1)


class SkidBuffer(wiring.Component):
    """Cuts every combinational path of a stream: valid, payload and ready all come from registers.

    Latency 1 cycle, throughput 1 payload per cycle, 2 entries.

    Parameters
    ----------
    shape : shape-like
        Shape of the payload.

    Members
    -------
    i : In(stream.Signature(shape))
    o : Out(stream.Signature(shape))
    full : Out(1)
        A second payload waits behind that of `o`.
    behind : Out(shape)
        It, while `full`.
    """

    def __init__(self, shape: Any):
        super().__init__(
            {
                "i": In(stream.Signature(shape)),
                "o": Out(stream.Signature(shape)),
                "full": Out(1),
                "behind": Out(shape),
            }
        )

    def elaborate(self, platform: Any) -> Module:
        m = Module()
        # `skid` takes the payload that comes in the one cycle in which the output turned out to be blocked.
        payload = Signal(self.o.payload.shape(), reset_less=True)
        skid = Signal(self.o.payload.shape(), reset_less=True)
        valid, ready, moves, full = Signal(), Signal(init=1), Signal(), Signal()
        m.d.comb += [
            self.i.ready.eq(ready),
            self.o.valid.eq(valid),
            self.o.payload.eq(payload),
            moves.eq(~valid | self.o.ready),
            full.eq(~ready),
            self.full.eq(full),
            self.behind.eq(skid),
        ]
        with m.If(moves):
            m.d.sync += [valid.eq(self.i.valid | full), ready.eq(1)]
            with m.If(self.i.valid | full):  # else the payload holds still: less power, faster simulation
                m.d.sync += payload.eq(Mux(full, skid, self.i.payload))
        with m.Elif(self.i.valid):
            m.d.sync += ready.eq(0)
            with m.If(ready):
                m.d.sync += skid.eq(self.i.payload)
        return m


class StreamRegister(wiring.Component):
    """Cuts valid and payload of a stream; ready passes through, and should come from a register.

    Latency 1 cycle, throughput 1 payload per cycle, 1 entry: half of a `SkidBuffer`.

    Parameters
    ----------
    shape : shape-like
        Shape of the payload.

    Members
    -------
    i : In(stream.Signature(shape))
    o : Out(stream.Signature(shape))
    """

    def __init__(self, shape: Any):
        super().__init__({"i": In(stream.Signature(shape)), "o": Out(stream.Signature(shape))})

    def elaborate(self, platform: Any) -> Module:
        m = Module()
        payload, valid = Signal(self.o.payload.shape(), reset_less=True), Signal()
        m.d.comb += [
            self.i.ready.eq(~valid | self.o.ready),
            self.o.valid.eq(valid),
            self.o.payload.eq(payload),
        ]
        with m.If(self.i.ready):
            m.d.sync += valid.eq(self.i.valid)
            with m.If(self.i.valid):
                m.d.sync += payload.eq(self.i.payload)
        return m


class StreamFifo(wiring.Component):
    """A FIFO of a few words, in registers or LUT RAM.

    Valid and ready are registers; the payload is an asynchronous read at a registered address.
    Latency 1 cycle, throughput 1 payload per cycle, also when full or nearly empty.

    Parameters
    ----------
    shape : shape-like
        Shape of the payload.
    depth : int
        Entries, at least 2; need not be a power of two.

    Members
    -------
    i : In(stream.Signature(shape))
    o : Out(stream.Signature(shape))
    level : Out(range(depth + 1))
        Entries held.

    Raises
    ------
    ValueError
        If `depth` is not an integer of at least 2.
    """

    def __init__(self, shape: Any, depth: int):
        if not isinstance(depth, int) or depth < 2:
            raise ValueError(f"StreamFifo depth must be an integer of at least 2, not {depth!r}")
        self._shape = shape
        self.depth = depth
        super().__init__({
            "i": In(stream.Signature(shape)),
            "o": Out(stream.Signature(shape)),
            "level": Out(range(depth + 1)),
        })

    def elaborate(self, platform: Any) -> Module:
        m = Module()
        m.submodules.storage = storage = memory.Memory(shape=self._shape, depth=self.depth, init=[])
        write, read = storage.write_port(), storage.read_port(domain="comb")
        valid, ready = Signal(), Signal(init=1)
        push, pop = self.i.valid & ready, valid & self.o.ready

        m.d.comb += [
            self.i.ready.eq(ready),
            self.o.valid.eq(valid),
            self.o.payload.eq(read.data),
            write.data.eq(self.i.payload),
            # Not whenever there is a free place: what an idle source drives would come out of the payload.
            write.en.eq(push),
        ]
        with m.If(push):
            m.d.sync += write.addr.eq(_wrapped(write.addr, self.depth))
        with m.If(pop):
            m.d.sync += read.addr.eq(_wrapped(read.addr, self.depth))
        # Who takes or gives is known late in the cycle: that only enables what is ready by then. Where the
        # level changes, it rises with a push and falls without.
        with m.If(push ^ pop):
            m.d.sync += [
                self.level.eq(Mux(push, self.level + 1, self.level - 1)),
                valid.eq(push | (self.level != 1)),
                ready.eq(~push | (self.level != self.depth - 1)),
            ]
        return m
