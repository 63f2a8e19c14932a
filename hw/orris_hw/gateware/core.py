"""The core: everything between the registers and the memory port."""

from functools import partial
from typing import Any

from amaranth.hdl import Cat, Const, Module, Mux, Signal
from amaranth.lib import data, wiring
from amaranth.lib.wiring import In, Out

from ..config import AcceleratorConfig
from ..register_map import ErrorCode, sized_counters
from .axi import WORD_BYTES, Axi4Signature
from .buffers import StreamFifo
from .command_unit import CommandUnit
from .compute_unit import ComputeUnit
from .event_sum import count_ones
from .glb_share import ReadAhead, ReadShare, WriteShare
from .global_buffer import READ_CLIENTS, GlobalBuffer
from .performance_counters import increments
from .read_dma import Destination, ReadDma
from .semaphores import Semaphores
from .transfer_units import IN_FLIGHT, INDEX_BITS, LoadUnit, StoreUnit
from .vector_unit import VectorUnit
from .word_aligner import WordSerialiser
from .write_dma import WriteDma


class Core(wiring.Component):
    """Runs one program: commands, load, compute, store and vector units, DMA and global buffer.

    Everything here is reset before each program. An error of any unit is reported once, the first one;
    with `halt` the memory port comes to rest (`quiet`), so that the core can be reset at any time. Without
    `control.checks` its index is that of the command handed out last.

    Parameters
    ----------
    config : AcceleratorConfig

    Members
    -------
    start : In(1)
    program_address, program_commands, read_base, read_limit, write_base, write_limit, timeout : In(32)
    halt : In(1)
    quiet : Out(1)
        After `halt`: nothing was under way on the memory port in the cycle before.
    finished : Out(1)
    error : Out(1), error_code : Out(ErrorCode), error_index : Out(32)
    increments : Out(counter increments)
    m_axi : Out(Axi4Signature(port_words))
    """

    def __init__(self, config: AcceleratorConfig):
        self.config = config
        words = (
            "program_address", "program_commands", "read_base", "read_limit", "write_base", "write_limit",
            "timeout",
        )  # fmt: skip
        super().__init__(
            {
                "start": In(1),
                **{name: In(32) for name in words},
                "halt": In(1),
                "quiet": Out(1),
                "finished": Out(1),
                "error": Out(1),
                "error_code": Out(ErrorCode),
                "error_index": Out(INDEX_BITS),
                "increments": Out(increments(sized_counters(config))),
                "m_axi": Out(Axi4Signature(config.port_words)),
            }
        )

    def elaborate(self, platform: Any) -> Module:
        m = Module()
        config = self.config
        m.submodules.commands = commands = CommandUnit(config)
        m.submodules.load = load = LoadUnit()
        m.submodules.store = store = StoreUnit()
        m.submodules.compute = compute = ComputeUnit(config)
        m.submodules.read_dma = read_dma = ReadDma(port_words=config.port_words)
        m.submodules.write_dma = write_dma = WriteDma(port_words=config.port_words)
        m.submodules.global_buffer = buffer = GlobalBuffer(config)
        vector = VectorUnit(config) if config.vector.lanes else None
        units = [load, store, compute, *([vector] if vector else [])]
        takers = [store.wait, *compute.wait, load.wait, *([vector.wait] if vector else [])]
        givers = [commands.signal, load.signal, store.signal, *compute.signal]
        givers += [vector.signal] if vector else []
        m.submodules.semaphores = semaphores = Semaphores(len(givers), len(takers))

        # -- commands and tokens ---------------------------------------------------------------------
        wiring.connect(m, commands.load, load.commands)
        wiring.connect(m, commands.store, store.commands)
        wiring.connect(m, commands.run, compute.runs)
        m.d.comb += [
            commands.start.eq(self.start),
            commands.address.eq(self.program_address),
            commands.count.eq(self.program_commands),
            commands.units_idle.eq(Cat(unit.idle for unit in units).all()),
        ]
        m.d.comb += semaphores.clear.eq(commands.clear_tokens)
        for source, port in zip(givers, semaphores.source, strict=True):
            wiring.connect(m, source, port)
        for sink, port in zip(takers, semaphores.sink, strict=True):
            wiring.connect(m, sink, port)

        # -- memory port -----------------------------------------------------------------------------
        self._connect_axi(m, read_dma, write_dma)
        loading = self._share_reads(m, commands, load, read_dma)
        wiring.connect(m, store.transfer, write_dma.transfer)
        m.d.comb += store.done.eq(write_dma.done)

        # -- global buffer ---------------------------------------------------------------------------
        for column in range(config.array.columns):
            wiring.connect(m, compute.psum_read[column], buffer.psum_read[column])
            wiring.connect(m, compute.psum_write[column], buffer.psum_write[column])
            m.d.comb += compute.psum_data[column].eq(buffer.psum_data[column])
        ports = self._buffer_ports(m, buffer, vector)
        wiring.connect(m, compute.ifmap_read, ports["ifmap_read"])
        wiring.connect(m, compute.filter_read, ports["filter_read"])
        wiring.connect(m, compute.ofmap_write, ports["post_write"])
        if vector:
            m.submodules.vector = vector
            wiring.connect(m, commands.vector, vector.commands)
            wiring.connect(m, vector.read, ports["vector_read"])
            wiring.connect(m, vector.write, ports["vector_write"])
        store_read = ports["store_read"]
        reads, answers = write_dma.read, write_dma.data
        m.d.comb += [
            store_read.req.valid.eq(reads.valid),
            store_read.req.payload.eq(reads.payload.addr),
            reads.ready.eq(store_read.req.ready),
            answers.valid.eq(store_read.resp.valid),
            answers.payload.eq(store_read.resp.payload),
            store_read.resp.ready.eq(answers.ready),
        ]
        loaded = self._route_words(m, read_dma, commands, ports["load_write"], compute)

        # -- errors ----------------------------------------------------------------------------------
        load_index = Mux(loading, load.index, commands.index)
        faults = [
            (commands.error, commands.error_code, commands.index),
            (read_dma.error, read_dma.error_code, load_index),
            (write_dma.error, write_dma.error_code, store.index),
        ]
        if config.control.checks:
            faults += [
                (outside, ErrorCode.GLB_RANGE, index)
                for outside, index in self._outside(read_dma, write_dma, load, store, compute, vector)
            ]
            faults.append((semaphores.overflow, ErrorCode.SEMAPHORE, commands.index))
            if vector:
                faults.append((vector.endless, ErrorCode.BAD_FIELD, vector.index))
        stuck = self._stuck(m, read_dma, write_dma, compute, vector, commands)
        faults.append((stuck, ErrorCode.TIMEOUT, commands.index))
        report = data.StructLayout({"there": 1, "code": ErrorCode, "index": INDEX_BITS})
        seen = [Signal(report, name=f"fault_{number}") for number in range(len(faults))]
        for (there, code, index), fault in zip(faults, seen, strict=True):
            m.d.sync += [fault.there.eq(there), fault.code.eq(code), fault.index.eq(index)]
        with m.If(~self.error):
            for fault in reversed(seen):
                with m.If(fault.there):
                    m.d.sync += [self.error.eq(1), self.error_code.eq(fault.code)]
                    m.d.sync += self.error_index.eq(fault.index if config.control.checks else commands.index)
        m.d.comb += [
            self.finished.eq(commands.finished),
            read_dma.halt.eq(self.halt),
            write_dma.halt.eq(self.halt),
        ]
        m.d.sync += self.quiet.eq(read_dma.idle & write_dma.idle)
        self._count(m, read_dma, write_dma, loaded, load, store, compute, vector, commands)
        return m

    def _outside(
        self, read_dma: Any, write_dma: Any, load: Any, store: Any, compute: Any, vector: Any
    ) -> list[tuple[Any, Any]]:
        """Whether someone uses an address that no bank or parameter entry has, and whose command it is."""
        words, entries = self.config.glb_words, 2 * self.config.post_processing.channels

        def beyond(port: Any, address: Any) -> Any:
            return port.valid & (address >= words)

        load_word, reads = read_dma.write, write_dma.read
        to_buffer = load_word.payload.dest == Destination.GLB
        to_parameters = load_word.payload.dest == Destination.PARAMETERS
        ofmap = compute.ofmap_write
        found = [
            (beyond(load_word, load_word.payload.addr) & to_buffer, load.index),
            (load_word.valid & to_parameters & (load_word.payload.addr >= entries), load.index),
            (beyond(reads, reads.payload.addr), store.index),
            (beyond(compute.ifmap_read.req, compute.ifmap_read.req.payload), compute.index[0]),
            (beyond(compute.filter_read.req, compute.filter_read.req.payload), compute.index[1]),
            (beyond(ofmap, ofmap.payload.addr), compute.index[2]),
        ]
        if vector:
            found += [
                (beyond(vector.read.req, vector.read.req.payload), vector.index),
                (beyond(vector.write, vector.write.payload.addr), vector.index),
            ]
        return found

    def _buffer_ports(self, m: Module, buffer: GlobalBuffer, vector: Any) -> dict[str, Any]:
        """A port for each user of the buffer; users share one where it has fewer, the first of them first."""
        reads = partial(ReadShare, self.config.port_words)
        ports = {name: getattr(buffer, name) for name in (*buffer.read_clients, *buffer.write_clients)}

        def share(kind: Any, name: str, first: str, second: str) -> None:
            m.submodules[f"{first}_or_{second}"] = both = kind()
            wiring.connect(m, both.port, ports[name])
            ports[first], ports[second] = both.first, both.second

        for name in READ_CLIENTS:
            if name not in ports:
                share(reads, "store_read", name, "store_read")
                m.submodules[f"{name}_ahead"] = ahead = ReadAhead()
                wiring.connect(m, ahead.port, ports[name])
                ports[name] = ahead.client
        if "post_write" not in ports:
            share(WriteShare, "load_write", "post_write", "load_write")
        if vector:
            share(reads, "store_read", "store_read", "vector_read")
            share(WriteShare, "post_write", "post_write", "vector_write")
        return ports

    def _connect_axi(self, m: Module, read_dma: Any, write_dma: Any) -> None:
        """The read engine has the read channels, the write engine the write channels."""
        for name, member in self.m_axi.signature.members.items():
            engine = read_dma if name.startswith(("ar", "r")) else write_dma
            ours, theirs = getattr(self.m_axi, name), getattr(engine.axi, name)
            m.d.comb += ours.eq(theirs) if member.flow is Out else theirs.eq(ours)
        for engine in (read_dma, write_dma):
            side = "read" if engine is read_dma else "write"
            m.d.comb += [
                engine.window_base.eq(getattr(self, f"{side}_base")),
                engine.window_limit.eq(getattr(self, f"{side}_limit")),
            ]

    def _share_reads(self, m: Module, commands: Any, load: Any, read_dma: Any) -> Signal:
        """Command fetches go first; returns whether the oldest transfer under way is a load's."""
        m.submodules.read_order = order = StreamFifo(1, IN_FLIGHT)  # 1: a load's, 0: a fetch
        fetch, plane, transfer = commands.fetch, load.transfer, read_dma.transfer
        # What is offered to the DMA stays offered until it is taken.
        holding, held_fetch, choose_fetch = Signal(), Signal(), Signal()
        m.d.comb += choose_fetch.eq(Mux(holding, held_fetch, fetch.valid))
        with m.If(transfer.valid):
            m.d.sync += [holding.eq(~transfer.ready), held_fetch.eq(choose_fetch)]
        m.d.comb += [
            transfer.valid.eq(Mux(choose_fetch, fetch.valid, plane.valid) & order.i.ready),
            transfer.payload.eq(Mux(choose_fetch, fetch.payload, plane.payload)),
            fetch.ready.eq(choose_fetch & transfer.ready & order.i.ready),
            plane.ready.eq(~choose_fetch & transfer.ready & order.i.ready),
            order.i.valid.eq(transfer.valid & transfer.ready),
            order.i.payload.eq(~choose_fetch),
            order.o.ready.eq(read_dma.done),
            load.done.eq(read_dma.done & order.o.payload),
        ]
        return order.o.payload

    def _route_words(self, m: Module, read_dma: Any, commands: Any, load: Any, compute: Any) -> Any:
        """Words from memory to where they belong; returns how many the buffer takes in this cycle."""
        words = read_dma.write
        mask: Any = Const(1, 1)
        address, word, serialiser = words.payload.addr, words.payload.data, None
        if self.config.port_words > 1:  # parameters and commands are taken word by word
            m.submodules.serialiser = serialiser = WordSerialiser(self.config.port_words)
            mask = words.payload.mask
            m.d.comb += [serialiser.i.payload.data.eq(word), serialiser.i.payload.mask.eq(mask)]
            address, word = address | serialiser.lane, serialiser.o.payload
        in_range = words.payload.addr < 2 * self.config.post_processing.channels
        with m.Switch(words.payload.dest):
            with m.Case(Destination.GLB):
                m.d.comb += [load.valid.eq(words.valid), words.ready.eq(load.ready)]
            for destination, port, takes in (
                (Destination.PARAMETERS, compute.param_write, in_range),
                (Destination.COMMANDS, commands.words, 1),
            ):
                with m.Case(destination):
                    source = words
                    if serialiser is not None:
                        source = serialiser.o
                        m.d.comb += [
                            serialiser.i.valid.eq(words.valid),
                            words.ready.eq(serialiser.i.ready),
                        ]
                    m.d.comb += [port.valid.eq(source.valid & takes), source.ready.eq(port.ready)]
        m.d.comb += [
            load.payload.addr.eq(words.payload.addr),
            load.payload.data.eq(words.payload.data),
            load.payload.mask.eq(Cat(lane.replicate(WORD_BYTES) for lane in mask)),
            compute.param_write.payload.addr.eq(address),
            compute.param_write.payload.data.eq(word),
            commands.words.payload.eq(word),
        ]
        return Mux(load.valid & load.ready, count_ones(list(mask)), 0)

    def _stuck(
        self, m: Module, read_dma: Any, write_dma: Any, compute: Any, vector: Any, commands: Any
    ) -> Signal:
        """Nothing has moved for `timeout` cycles."""
        events = compute.events
        progress, still, stuck = Signal(), Signal(32), Signal()
        m.d.sync += [
            progress.eq(
                (self.m_axi.rvalid & self.m_axi.rready)
                | (self.m_axi.wvalid & self.m_axi.wready)
                | (self.m_axi.bvalid & self.m_axi.bready)
                | commands.decoded
                | events.ifmap_beat
                | events.filter_beat
                | events.psums.any()
                | compute.pe_events.mac_done.any()
                | compute.pe_events.mac_gated.any()
                | events.ofmap_values.any()
                | ((vector.read.req.valid & vector.read.req.ready) if vector else 0)
            ),
            still.eq(Mux(progress, 0, still + 1)),
            stuck.eq(still >= self.timeout),
        ]
        return stuck

    def _count(
        self, m: Module, read_dma: Any, write_dma: Any, loaded: Any, load: Any, store: Any, compute: Any,
        vector: Any, commands: Any,
    ) -> None:  # fmt: skip
        def moves(port: Any) -> Any:
            return port.valid & port.ready

        pe, events = compute.pe_events, compute.events
        rates = {
            "cycles": 1,
            "spad_filter_read": pe.mac_done,
            **{name: pe[name] for name, _ in pe.shape()},
            "net_ifmap_beats": events.ifmap_beat,
            "net_filter_beats": events.filter_beat,
            "glb_ifmap_read": moves(compute.ifmap_read.req),
            "glb_filter_read": moves(compute.filter_read.req),
            "glb_psum_read": events.psum_reads,
            "glb_psum_write": events.psum_writes,
            "glb_ofmap_read": write_dma.fetched,
            "glb_ofmap_write": events.ofmap_values,
            "glb_load_write": loaded,
            "dram_read_words": read_dma.words,
            "dram_write_words": write_dma.words,
            "compute_busy": ~compute.idle,
            "load_busy": ~load.idle,
            "store_busy": ~store.idle,
            "commands": commands.decoded,
        }
        if vector:
            rates |= {
                "glb_vector_read": moves(vector.read.req),
                "glb_vector_write": moves(vector.write),
                "vector_busy": ~vector.idle,
            }
        for name, rate in rates.items():
            m.d.sync += self.increments[name].eq(rate)

