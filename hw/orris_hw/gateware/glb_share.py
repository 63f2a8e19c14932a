"""Two clients on one port of the global buffer."""

from typing import Any

from amaranth.hdl import Module, Mux, Signal
from amaranth.lib import data, stream, wiring
from amaranth.lib.wiring import In, Out
from amaranth.utils import exact_log2

from .buffers import SkidBuffer, StreamFifo
from .glb_bank import WORD_BITS
from .global_buffer import GLB_WRITE, GlbRead

_UNDER_WAY = 32
"""Reads under way: more than the global buffer takes in."""
_AHEAD = 16
"""Answers that `ReadAhead` has room for: they cover a read's way there and back at full rate."""


class _Choice(wiring.Component):
    """Which of two valid streams goes next; the choice stays until it is taken.

    Members
    -------
    valid : In(2)
        The streams' valid; the first has priority.
    ready : In(1)
        What is chosen is taken, if valid.
    second : Out(1)
        The second is chosen.
    """

    valid: In(2)
    ready: In(1)
    second: Out(1)

    def elaborate(self, platform: Any) -> Module:
        m = Module()
        holding, held = Signal(), Signal()
        m.d.comb += self.second.eq(Mux(holding, held, ~self.valid[0]))
        m.d.sync += [holding.eq(self.valid.any() & ~self.ready), held.eq(self.second)]
        return m


class ReadShare(wiring.Component):
    """Two read clients on one read port, `first` before `second`; answers come in the order of requests.

    Every answer is taken in the cycle it comes: each client asks for no more than it has room for. With
    several words a row, the first gets rows and the second the word it asked for. Latency 0,
    throughput 1 answer per cycle in all.

    Parameters
    ----------
    row_words : int

    Members
    -------
    first : In(GlbRead(row_words)), second : In(GlbRead())
    port : Out(GlbRead(row_words))
    """

    def __init__(self, row_words: int = 1) -> None:
        self._lane_bits = exact_log2(row_words)
        wide = GlbRead(row_words)
        super().__init__({"first": In(wide), "second": In(GlbRead()), "port": Out(wide)})

    def elaborate(self, platform: Any) -> Module:
        m = Module()
        m.submodules.choice = choice = _Choice()
        m.submodules.owners = owners = StreamFifo(
            data.StructLayout({"second": 1, "lane": self._lane_bits}), _UNDER_WAY
        )
        req, resp = self.port.req, self.port.resp
        taken = req.ready & owners.i.ready
        of_second = owners.o.payload.second
        m.d.comb += [
            choice.valid[0].eq(self.first.req.valid),
            choice.valid[1].eq(self.second.req.valid),
            choice.ready.eq(taken),
            req.valid.eq(choice.valid.any() & owners.i.ready),
            req.payload.eq(Mux(choice.second, self.second.req.payload, self.first.req.payload)),
            self.first.req.ready.eq(taken & ~choice.second),
            self.second.req.ready.eq(taken & choice.second),
            owners.i.valid.eq(req.valid & req.ready),
            owners.i.payload.second.eq(choice.second),
            owners.i.payload.lane.eq(self.second.req.payload[: self._lane_bits]),
            # An owner is known long before its answer comes.
            self.first.resp.valid.eq(resp.valid & ~of_second),
            self.second.resp.valid.eq(resp.valid & of_second),
            self.first.resp.payload.eq(resp.payload),
            self.second.resp.payload.eq(resp.payload.word_select(owners.o.payload.lane, WORD_BITS)),
            resp.ready.eq(1),
            owners.o.ready.eq(resp.valid),
        ]
        return m


class ReadAhead(wiring.Component):
    """Passes on only requests whose answers have room, so that its client may share a read port.

    Latency 1 cycle for a request and 1 for its answer, throughput 1 word per cycle.

    Members
    -------
    client : In(GlbRead())
    port : Out(GlbRead())
        Answers are always taken at once.
    """

    def __init__(self) -> None:
        super().__init__({"client": In(GlbRead()), "port": Out(GlbRead())})

    def elaborate(self, platform: Any) -> Module:
        m = Module()
        m.submodules.answers = answers = StreamFifo(WORD_BITS, _AHEAD)
        # Whose turn it is at the port depends on all clients: that stays out of this one's registers.
        m.submodules.requests = requests = SkidBuffer(self.port.req.payload.shape())
        req, resp = self.client.req, self.client.resp
        room = Signal(range(_AHEAD + 1), init=_AHEAD)  # places not spoken for
        wiring.connect(m, wiring.flipped(self.port.resp), answers.i)
        wiring.connect(m, answers.o, wiring.flipped(resp))
        wiring.connect(m, requests.o, wiring.flipped(self.port.req))
        m.d.comb += [
            requests.i.valid.eq(req.valid & (room != 0)),
            requests.i.payload.eq(req.payload),
            req.ready.eq(requests.i.ready & (room != 0)),
        ]
        m.d.sync += room.eq(room - (req.valid & req.ready) + (resp.valid & resp.ready))
        return m


class WriteShare(wiring.Component):
    """Two write clients on one write port, `first` before `second`.

    What a client sees accepted, the port has accepted. Latency 0, throughput 1 word per cycle in all.

    Members
    -------
    first, second : In(stream of GLB_WRITE)
    port : Out(stream of GLB_WRITE)
    """

    def __init__(self) -> None:
        super().__init__({
            "first": In(stream.Signature(GLB_WRITE)),
            "second": In(stream.Signature(GLB_WRITE)),
            "port": Out(stream.Signature(GLB_WRITE)),
        })  # fmt: skip

    def elaborate(self, platform: Any) -> Module:
        m = Module()
        m.submodules.choice = choice = _Choice()
        m.d.comb += [
            choice.valid[0].eq(self.first.valid),
            choice.valid[1].eq(self.second.valid),
            choice.ready.eq(self.port.ready),
            self.port.valid.eq(choice.valid.any()),
            self.port.payload.eq(Mux(choice.second, self.second.payload, self.first.payload)),
            self.first.ready.eq(self.port.ready & ~choice.second),
            self.second.ready.eq(self.port.ready & choice.second),
        ]
        return m
