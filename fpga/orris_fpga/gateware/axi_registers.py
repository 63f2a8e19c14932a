"""Registers in an AXI4 connection."""

from typing import Any

from amaranth.hdl import Module
from amaranth.lib import data, wiring
from amaranth.lib.wiring import In, Out

from orris_hw.gateware.axi import Axi4Signature
from orris_hw.gateware.buffers import SkidBuffer

MASTERS_CHANNELS = ("aw", "w", "ar")
"""Channels whose payload the master sends."""


class AxiRegisters(wiring.Component):
    """Cuts every combinational path between an AXI4 master and its slave.

    Each of the channels gets a `SkidBuffer`: latency 1 cycle a channel and direction, throughput 1
    transfer per cycle.

    Parameters
    ----------
    through : tuple of str
        Channels, of aw, w, b, ar and r, that pass through as they are: where an end has registers already.

    Members
    -------
    master : In(Axi4Signature())
    slave : Out(Axi4Signature())
    """

    def __init__(self, through: tuple[str, ...] = ()) -> None:
        self._through = through
        super().__init__({"master": In(Axi4Signature()), "slave": Out(Axi4Signature())})

    def elaborate(self, platform: Any) -> Module:
        m = Module()
        channels: dict[str, dict[str, Any]] = {}
        for name, member in Axi4Signature().members.items():
            channel = name[:2] if name.startswith(("aw", "ar")) else name[0]
            if channel in self._through:
                source, sink = (self.master, self.slave) if member.flow is Out else (self.slave, self.master)
                m.d.comb += getattr(sink, name).eq(getattr(source, name))
                continue
            fields = channels.setdefault(channel, {})
            if not name.endswith(("valid", "ready")):
                fields[name] = member.shape
        for channel, fields in channels.items():
            buffer = SkidBuffer(data.StructLayout(fields))
            m.submodules[channel] = buffer
            near, far = self.master, self.slave
            if channel not in MASTERS_CHANNELS:
                near, far = far, near
            for name in fields:
                m.d.comb += [
                    buffer.i.payload[name].eq(getattr(near, name)),
                    getattr(far, name).eq(buffer.o.payload[name]),
                ]
            m.d.comb += [
                buffer.i.valid.eq(getattr(near, f"{channel}valid")),
                getattr(near, f"{channel}ready").eq(buffer.i.ready),
                getattr(far, f"{channel}valid").eq(buffer.o.valid),
                buffer.o.ready.eq(getattr(far, f"{channel}ready")),
            ]
        return m
