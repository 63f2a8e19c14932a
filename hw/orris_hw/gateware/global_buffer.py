"""The banked on-chip buffer that holds ifmaps, filters, psums and finished ofmaps."""

from functools import reduce
from operator import or_
from typing import Any, NamedTuple

from amaranth.hdl import Cat, Module, Mux, Signal, Value
from amaranth.lib import data, stream, wiring
from amaranth.lib.wiring import In, Out
from amaranth.utils import bits_for, exact_log2

from ..config import AcceleratorConfig
from ..emission.once import Once
from .buffers import SkidBuffer, StreamFifo
from .glb_bank import READ_LATENCY, WORD_BITS, WORD_BYTES, BankRead, BankWrite, GlbBank

ADDR_WIDTH = 20
"""Bits of a pool address (word = bank * depth + offset) on every client."""

PSUM_READ_LATENCY = READ_LATENCY
"""Cycles from `psum_read[j].en` to the word on `psum_data[j]`."""


def glb_write(words: int) -> data.StructLayout:
    """A write: byte k of the words from `addr` on becomes byte k of `data` where bit k of `mask` is set.

    With several words, `addr` is a multiple of their number."""
    return data.StructLayout({"addr": ADDR_WIDTH, "data": words * WORD_BITS, "mask": words * WORD_BYTES})


GLB_WRITE = glb_write(1)

READ_CLIENTS = ("ifmap_read", "filter_read", "store_read")
WRITE_CLIENTS = ("post_write", "load_write")
"""Users of the buffer in falling priority, each with a port of its own unless the configuration has fewer."""
_READ_PORTS = {3: READ_CLIENTS, 2: ("ifmap_read", "store_read"), 1: ("store_read",)}
_WRITE_PORTS = {2: WRITE_CLIENTS, 1: ("load_write",)}
"""The ports there are, by their number; a user without one shares the last."""

# The words of so many neighbouring banks are joined in one register on their way to the clients: the fewer,
# the shorter the wires of each bank, the more, the fewer registers.
_JOIN = 3
# Granted read to response FIFO: the bank, then the joining register.
_ANSWER_LATENCY = READ_LATENCY + 1
# Room to cover the round trip of a credit (request, bank, join, FIFO: 8 cycles); LUT RAM comes in sixteens.
_RESPONSE_DEPTH = 16


class GlbRead(wiring.Signature):
    """A read client's port, as the client sees it: `req` (word address) out, `resp` (64-bit word) in.

    With several `words` the answer is the row of so many words that the address is in.
    """

    def __init__(self, words: int = 1) -> None:
        super().__init__({
            "req": Out(stream.Signature(ADDR_WIDTH)), "resp": In(stream.Signature(words * WORD_BITS)),
        })


class _Head(NamedTuple):
    """The command a client presents to the banks."""

    asks: Value  # there is one, for a bank that exists
    addr: Value
    select: Value  # one bit per bank, and a last one for an address that no bank has
    served: Value  # it is done with after this cycle


class GlobalBuffer(wiring.Component):
    """Pool of 64-bit words in banks, shared by up to five stream clients and the psum ports.

    The clients next to memory, `store_read` and `load_write`, move as many words at once as a beat of the
    memory port has: a row of a bank.

    Equation: a read returns the word as left by all writes accepted before the request, in order, and maybe
    by later ones: a write may overtake a read that waits for its bank.
    Each bank grants one read and one write per cycle: psum port, then the clients in the order of
    `READ_CLIENTS` and `WRITE_CLIENTS`.
    Latency: request to response 7 cycles when nobody is in the way. Throughput: 1 word (or row) per cycle
    and client where clients use different banks.

    An address beyond the last bank raises `address_error` for a cycle; the read is answered with 0 and
    the write dropped. Without `control.checks` addresses count modulo 2^glb_addr_width.

    Parameters
    ----------
    config : AcceleratorConfig

    Members
    -------
    ifmap_read, filter_read : In(GlbRead()), store_read : In(GlbRead(port_words))
        As many of them as there are ports. A request of the feeders is only taken up when its response has
        room. `store_read` has no such room: whoever reads there takes every answer in the cycle it comes.
    post_write : In(stream.Signature(GLB_WRITE)), load_write : In(stream.Signature(glb_write(port_words)))
        Likewise.
    psum_read : In(BankRead(depth)).array(columns)
        Raw access to bank j, never refused.
    psum_data : Out(64).array(columns)
        The word read `PSUM_READ_LATENCY` cycles before.
    psum_write : In(BankWrite(depth)).array(columns)
        Never refused. A read sees what was written up to its own cycle; of bytes written in the next one it
        gives nothing useful.
    address_error : Out(1)
    """

    def __init__(self, config: AcceleratorConfig):
        self.banks = config.global_buffer.banks
        self.depth = config.global_buffer.depth
        self.columns = config.array.columns
        self.read_clients = _READ_PORTS[config.global_buffer.read_ports]
        self.write_clients = _WRITE_PORTS[config.global_buffer.write_ports]
        # Bits of an address that count.
        self._address_bits = ADDR_WIDTH if config.control.checks else config.glb_addr_width
        self.row_words = config.port_words
        super().__init__({
            **{name: In(GlbRead(self._words(name))) for name in self.read_clients},
            **{name: In(stream.Signature(glb_write(self._words(name)))) for name in self.write_clients},
            "psum_read": In(BankRead(self.depth)).array(self.columns),
            "psum_data": Out(WORD_BITS).array(self.columns),
            "psum_write": In(BankWrite(self.depth)).array(self.columns),
            "address_error": Out(1),
        })

    def _words(self, client: str) -> int:
        """Words that a client moves at once."""
        return self.row_words if client in ("store_read", "load_write") else 1

    def _select(self, addr: Value) -> Value:
        """`_Head.select` of an address."""
        bank = addr[exact_log2(self.depth):self._address_bits]
        return Cat(*(bank == b for b in range(self.banks)), bank >= self.banks)

    def _refused(self, head: _Head, psum: Any, higher: list[_Head]) -> Value:
        """Whether the bank serves its psum port instead, or one of the `higher` clients.

        The banks' own rule, found without waiting for the word of each bank.
        """
        psum_first = (head.select[:self.columns] & Cat(port.en for port in psum)).any()
        low = exact_log2(self.depth)
        bank = slice(low, low + bits_for(self.banks - 1))
        conflicts = (other.asks & (other.addr[bank] == head.addr[bank]) for other in higher)
        return reduce(or_, conflicts, psum_first)

    def _read_client(
        self, m: Module, name: str, banks: list[GlbBank], higher: list[_Head], hazard: Any
    ) -> _Head:
        """Serve client `name`, which comes after the `higher` ones."""
        client, port = getattr(self, name), 1 + len(higher)
        bits = self._words(name) * WORD_BITS
        m.submodules[f"{name}_request"] = request = SkidBuffer(self._address_bits)
        m.d.comb += [
            request.i.valid.eq(client.req.valid),
            request.i.payload.eq(client.req.payload),
            client.req.ready.eq(request.i.ready),
        ]

        # The request the banks see; `select` is 0 when there is none.
        busy, asks = Signal(name=f"{name}_busy"), Signal(name=f"{name}_asks")
        select = Signal(self.banks + 1, name=f"{name}_select")
        addr = Signal(self._address_bits, name=f"{name}_addr", reset_less=True)
        granted = Signal(name=f"{name}_granted")
        head = _Head(asks, addr, select, granted)
        m.d.comb += granted.eq(busy & ~self._refused(head, self.psum_read, higher))
        for b, bank in enumerate(banks):
            m.d.comb += [bank.read[port].en.eq(select[b]), bank.read[port].offset.eq(addr)]

        # Whether the banks take what they see is known last: that only enables what is ready by then.
        take, room = Signal(name=f"{name}_take"), Signal(name=f"{name}_room")
        clear, free = Signal(name=f"{name}_clear"), Signal(name=f"{name}_free")
        m.d.comb += [
            clear.eq(room & ~hazard(request.o.payload)),
            free.eq(~busy | granted),
            request.o.ready.eq(clear & free),
            take.eq(request.o.valid & request.o.ready),
        ]
        with m.If(free):
            follows, next_select = request.o.valid & clear, self._select(request.o.payload)
            m.d.sync += [
                busy.eq(follows),
                asks.eq(follows & ~next_select[-1]),
                addr.eq(request.o.payload),
                select.eq(Mux(follows, next_select, 0)),
            ]

        # Banks that have nothing for this client give 0, so joining them is an OR.
        joined = []
        for first in range(0, self.banks, _JOIN):
            joined.append(Signal(bits, name=f"{name}_joined_{first}", reset_less=True))
            group = banks[first:first + _JOIN]
            m.d.sync += joined[-1].eq(
                reduce(or_, ((bank.row if bits > WORD_BITS else bank.data) & bank.owner[port].replicate(bits)
                             for bank in group)))
        answers = Signal(_ANSWER_LATENCY, name=f"{name}_answers")
        m.d.sync += answers.eq(Cat(granted, answers))
        valid, word = answers[-1], reduce(or_, joined)
        if name == "store_read":
            payload = Signal(bits, reset_less=True, name=f"{name}_payload")
            m.d.comb += [room.eq(1), client.resp.payload.eq(payload)]
            m.d.sync += client.resp.valid.eq(valid)
            with m.If(valid):
                m.d.sync += payload.eq(word)
        else:
            # A credit is a free entry of the response FIFO.
            m.submodules[f"{name}_response"] = response = StreamFifo(bits, _RESPONSE_DEPTH)
            credits = Signal(range(_RESPONSE_DEPTH + 1), init=_RESPONSE_DEPTH, name=f"{name}_credits")
            give = response.o.valid & response.o.ready
            m.d.comb += [room.eq(credits != 0), response.i.valid.eq(valid), response.i.payload.eq(word)]
            m.d.sync += credits.eq(credits - take + give)
            wiring.connect(m, wiring.flipped(client.resp), response.o)
        return head

    def elaborate(self, platform: Any) -> Module:
        m = Module()
        ports = 1 + len(self.read_clients), 1 + len(self.write_clients)
        banks = [GlbBank(self.depth, *ports, self.row_words) for _ in range(self.banks)]
        for b, bank in enumerate(banks):
            m.submodules[f"bank_{b}"] = Once(bank, "glb_bank")
        for j in range(self.columns):
            wiring.connect(m, wiring.flipped(self.psum_read[j]), banks[j].read[0])
            wiring.connect(m, wiring.flipped(self.psum_write[j]), banks[j].write[0])
            m.d.comb += self.psum_data[j].eq(banks[j].data)

        writes: list[_Head] = []
        buffers = []
        for port, name in enumerate(self.write_clients, start=1):
            client = getattr(self, name)
            m.submodules[name] = buffer = SkidBuffer(
                data.StructLayout({"select": self.banks + 1, "write": client.payload.shape()}))
            valid, write, select = buffer.o.valid, buffer.o.payload.write, buffer.o.payload.select
            head = _Head(valid & ~select[-1], write.addr[:self._address_bits], select, valid & buffer.o.ready)
            m.d.comb += [
                buffer.i.valid.eq(client.valid),
                buffer.i.payload.write.eq(client.payload),
                buffer.i.payload.select.eq(self._select(client.payload.addr)),
                client.ready.eq(buffer.i.ready),
                buffer.o.ready.eq(~self._refused(head, self.psum_write, writes)),
            ]
            for b, bank in enumerate(banks):
                into = bank.write_row if self._words(name) > 1 else bank.write[port]
                m.d.comb += [
                    into.en.eq(valid & select[b]),
                    into.offset.eq(write.addr),
                    into.data.eq(write.data),
                    into.mask.eq(write.mask),
                ]
            writes.append(head)
            buffers.append(buffer)

        def hazard(addr: Value) -> Value:
            # A write that has been accepted and not yet served is at the head of its client, or behind it
            # where the bank has refused the head.
            row = slice(exact_log2(self.row_words), self._address_bits)
            return reduce(or_, ((head.asks & (head.addr[row] == addr[row]))
                                | (buffer.full & (buffer.behind.write.addr[row] == addr[row]))
                                for head, buffer in zip(writes, buffers, strict=True)))

        reads: list[_Head] = []
        for name in self.read_clients:
            reads.append(self._read_client(m, name, banks, reads, hazard))
        m.d.sync += self.address_error.eq(Cat(head.served & head.select[-1] for head in writes + reads).any())
        return m
