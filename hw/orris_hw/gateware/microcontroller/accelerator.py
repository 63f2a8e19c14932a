"""The accelerator whose commands firmware executes."""

from collections.abc import Sequence
from typing import Any

from amaranth.hdl import Cat, ClockDomain, ClockSignal, DomainRenamer, Module, Mux, ResetSignal, Signal
from amaranth.lib import memory, wiring
from amaranth.lib.wiring import In, Out

from ...config import AcceleratorConfig
from ...microcontroller import memory_map
from ...register_map import ADDRESS_WIDTH
from ..axi import Axi4LiteSignature, Axi4Signature
from ..pe import PE
from .data_ram import DataRam
from .host_port import HostPort
from .memory_port import MemoryPort
from .riscv import RiscvCore

COUNT_BITS = 32


class MicrocontrolledAccelerator(wiring.Component):
    """One PE, and a small processor that does everything around it: the same registers, commands and ports.

    The processor sees what `orris_hw.microcontroller.memory_map` says. A soft reset restarts it, and the PE,
    as soon as no transaction is under way on the memory port. If memory does not answer for as long as the
    register TIMEOUT says, the program has ended, and processor and PE stand still until a soft reset.

    Parameters
    ----------
    config : AcceleratorConfig
        With control.kind = "microcontroller".
    firmware : sequence of int
        32-bit words from address 0 of the ROM.

    Members
    -------
    m_axi : Out(Axi4Signature())
    s_axi : In(Axi4LiteSignature())
    irq : Out(1)

    Raises
    ------
    ValueError
        If the firmware is too large for the ROM.
    """

    def __init__(self, config: AcceleratorConfig, firmware: Sequence[int]):
        room = (memory_map.ROM_BYTES - memory_map.CONSTANTS_BYTES) // 4
        if len(firmware) > room:
            raise ValueError(f"the firmware has {len(firmware)} words, the ROM has room for {room}")
        self.config, self._firmware = config, [*firmware, *(0,) * (room - len(firmware))]
        super().__init__({
            "m_axi": Out(Axi4Signature()),
            "s_axi": In(Axi4LiteSignature(ADDRESS_WIDTH)),
            "irq": Out(1),
        })

    def elaborate(self, platform: Any) -> Module:
        m = Module()
        core_reset, restart = Signal(), Signal()
        m.domains.core = domain = ClockDomain()
        m.d.comb += [domain.clk.eq(ClockSignal()), domain.rst.eq(ResetSignal() | core_reset)]
        core, pe = RiscvCore(memory_map.ROM_BYTES), PE(self.config)
        m.submodules.core = DomainRenamer("core")(core)
        m.submodules.pe = DomainRenamer("core")(pe)
        m.submodules.host = host = HostPort()
        m.submodules.port = port = MemoryPort()
        m.submodules.ram = ram = DataRam(memory_map.ram_bytes(self.config))
        wiring.connect(m, wiring.flipped(self.s_axi), host.bus)
        wiring.connect(m, port.axi, wiring.flipped(self.m_axi))
        m.d.comb += self.irq.eq(host.irq)

        bus = core.bus
        address = bus.address
        region = {
            "rom": address[28:] == 0,
            "memory": address[31],
            "ram": ~address[31] & address[28],
            "io": ~address[31] & address[29],
        }
        selected = {name: Signal(name=f"selected_{name}") for name in region}
        m.d.comb += [selected[name].eq(bus.valid & here) for name, here in region.items()]

        # -- ROM: instructions, and the core's loads between them ----------------------------------
        content = [*self._firmware, *memory_map.constants_table(self.config)]
        m.submodules.rom = rom_memory = memory.Memory(shape=32, depth=len(content), init=content)
        rom = rom_memory.read_port()
        m.d.comb += [
            rom.en.eq(core.fetch | selected["rom"]),
            rom.addr.eq(Mux(core.fetch, core.fetch_address, address[2:])),
            core.instruction.eq(rom.data),
        ]

        # -- RAM: the core's, and the host's between its accesses ------------------------------------
        m.d.comb += [
            host.grant.eq(~selected["ram"] & ~host.hold),
            host.read_data.eq(ram.read_data),
            ram.enable.eq((selected["ram"] | host.request) & ~host.hold),
            ram.write.eq(Mux(selected["ram"], bus.write, host.write)),
            ram.strobe.eq(Mux(selected["ram"], bus.strobe, -1)),
            ram.data.eq(Mux(selected["ram"], bus.data, host.data)),
            ram.address.eq(Mux(
                selected["ram"], address[2:],
                (memory_map.REGISTERS_BASE - memory_map.RAM >> 2) + host.address,
            )),
        ]  # fmt: skip

        # -- memory -----------------------------------------------------------------------------------
        m.d.comb += [
            port.bus.valid.eq(selected["memory"]),
            port.bus.address.eq(address),
            port.bus.write.eq(bus.write),
            port.bus.data.eq(bus.data),
            port.bus.strobe.eq(bus.strobe),
            port.patience.eq(host.patience),
            host.late.eq(port.late),
            core_reset.eq((restart | host.halted) & ~selected["memory"]),
        ]
        with m.If(host.restart):
            m.d.sync += restart.eq(1)
        with m.Elif(core_reset):
            m.d.sync += restart.eq(0)

        # -- control, status, and the PE ------------------------------------------------------------------
        failed = Signal(2)
        cycles = Signal(COUNT_BITS)
        m.d.sync += cycles.eq(cycles + 1)
        with m.If(core_reset):
            m.d.sync += failed.eq(0)
        with m.Else():
            m.d.sync += failed.eq(failed | Cat(port.read_failed, port.write_failed))
        stores = {
            name: selected["io"] & bus.write & (address[2:9] == place - memory_map.IO >> 2)
            for name, place in (
                ("finish", memory_map.IO_FINISH), ("page", memory_map.IO_PAGE), ("ifmap", memory_map.PE_IFMAP)
            )
        }  # fmt: skip
        with m.If(stores["page"]):
            m.d.sync += port.page.eq(bus.data[31])
        pops = Signal()  # the psum is taken in the cycle after the load's
        m.d.sync += pops.eq(selected["io"] & ~bus.write & address[3] & pe.psum_out.valid)
        field = address[2:6]
        io_ready, io_data = Signal(), Signal(32)
        m.d.comb += [
            host.finish.eq(stores["finish"] & ~restart),
            Cat(host.finish_done, host.finish_error).eq(bus.data[:2]),
            pe.ifmap.valid.eq(stores["ifmap"]),
            pe.ifmap.payload.eq(bus.data.as_signed()),
            pe.filter.valid.eq(selected["io"] & bus.write & address[8]),
            pe.filter.payload.data.eq(bus.data),
            pe.filter.payload.field.eq(field),
            pe.filter.payload.parameter.eq(address[6]),
            pe.filter.payload.last.eq(address[7]),
            pe.psum_out.ready.eq(pops),
            io_ready.eq(1),
        ]
        with m.If(bus.write & address[8]):
            m.d.comb += io_ready.eq(pe.filter.ready)
        with m.Elif(bus.write & address[3]):
            m.d.comb += io_ready.eq(pe.ifmap.ready)
        with m.Elif(address[3]):
            m.d.comb += io_ready.eq(pe.psum_out.valid)
        with m.If(address[3]):
            m.d.comb += io_data.eq(pe.psum_out.payload.psum)
        with m.Elif(address[2]):
            m.d.comb += io_data.eq(cycles)
        with m.Else():
            m.d.comb += io_data.eq(Cat(host.busy, failed, host.cold))

        with m.If(address[31]):
            m.d.comb += [bus.ready.eq(port.bus.ready), bus.read_data.eq(port.bus.read_data)]
        with m.Elif(address[29]):
            m.d.comb += [bus.ready.eq(io_ready), bus.read_data.eq(io_data)]
        with m.Elif(address[28]):
            m.d.comb += [bus.ready.eq(~host.hold), bus.read_data.eq(ram.read_data)]
        with m.Else():
            m.d.comb += [bus.ready.eq(1), bus.read_data.eq(rom.data)]
        return m
