"""The core: a small RISC-V processor for firmware in a synchronous ROM."""

from typing import Any

from amaranth.hdl import C, Cat, Module, Mux, Signal, Value
from amaranth.lib import memory, wiring
from amaranth.lib.wiring import In, Out
from amaranth.utils import exact_log2

XLEN = 32


class BusSignature(wiring.Signature):
    """Loads and stores, seen from the core.

    An access begins with `valid` and ends in the first cycle in which `ready` is high too; until then the
    rest holds still. What is loaded is on `read_data` in the cycle after that, in the lanes that `address`
    says, the bytes of the addressed word that do not matter being anything.
    """

    def __init__(self) -> None:
        super().__init__({
            "valid": Out(1),
            "address": Out(XLEN),
            "write": Out(1),
            "data": Out(XLEN),
            "strobe": Out(XLEN // 8),
            "ready": In(1),
            "read_data": In(XLEN),
        })


class Opcode:
    """Bits 6 to 2 of an instruction."""

    LOAD, OP_IMM, AUIPC, STORE = 0b00000, 0b00100, 0b00101, 0b01000
    OP, LUI, BRANCH, JALR, JAL = 0b01100, 0b01101, 0b11000, 0b11001, 0b11011


class RiscvCore(wiring.Component):
    """RV32I with Zmmul, without FENCE, ECALL, EBREAK; what any other instruction does is undefined.

    Starts at address 0 after reset. Addresses of loads and stores are multiples of their size, those of
    instructions of 4, modulo the size of the ROM.

    An instruction is read from the ROM, where it stays while it is executed; its registers are read from
    block RAM; then it is executed, and the next one is read. One register serves as address of a load or
    store, as shifter, and as lower half of a product. Cycles: 2, and 2 more for a load, 1 for a store,
    1 + amount for a shift, 33 for a multiplication, with a memory that is always ready.

    Parameters
    ----------
    rom_bytes : int
        A power of two.

    Members
    -------
    fetch_address : Out(log2(rom_bytes / 4))
    fetch : Out(1)
        The ROM reads the word at `fetch_address`, which is on `instruction` from the next cycle on, until the
        ROM reads another: the core expects that only during its own loads.
    instruction : In(32)
    bus : Out(BusSignature())
    """

    def __init__(self, rom_bytes: int):
        self._pc_bits = exact_log2(rom_bytes)
        super().__init__({
            "fetch_address": Out(self._pc_bits - 2),
            "fetch": Out(1),
            "instruction": In(XLEN),
            "bus": Out(BusSignature()),
        })

    def elaborate(self, platform: Any) -> Module:
        m = Module()
        bus = self.bus
        instruction = self.instruction
        opcode, funct3 = instruction[2:7], instruction[12:15]
        pc = Signal(self._pc_bits - 2)  # of the instruction that is executed, in words

        def is_any(*opcodes: int) -> Value:
            return Cat(opcode == code for code in opcodes).any()

        computes, shifts, multiplies = Signal(), Signal(), Signal()
        m.d.comb += [
            computes.eq(is_any(Opcode.OP, Opcode.OP_IMM)),
            multiplies.eq((opcode == Opcode.OP) & instruction[25]),
            shifts.eq(computes & ~multiplies & (funct3[:2] == 1)),
        ]

        # -- registers ---------------------------------------------------------------------------
        # Never read in a cycle in which one is written.
        m.submodules.registers = registers = memory.Memory(shape=XLEN, depth=32, init=[])
        write = registers.write_port()
        read = [registers.read_port() for _ in range(2)]
        a, b = (port.data for port in read)
        decode = Signal()
        m.d.comb += [read[0].addr.eq(instruction[15:20]), read[1].addr.eq(instruction[20:25])]
        m.d.comb += [port.en.eq(decode) for port in read]

        # -- operands and their sum, difference and logic -------------------------------------------
        immediate = Signal(XLEN)
        sign = instruction[31]
        with m.If(is_any(Opcode.LUI, Opcode.AUIPC)):
            m.d.comb += immediate.eq(Cat(C(0, 12), instruction[12:]))
        with m.Elif(is_any(Opcode.JAL, Opcode.JALR)):
            m.d.comb += immediate.eq(4)
        with m.Elif(opcode == Opcode.STORE):
            m.d.comb += immediate.eq(Cat(instruction[7:12], instruction[25:31], sign.replicate(21)))
        with m.Else():
            m.d.comb += immediate.eq(Cat(instruction[20:31], sign.replicate(21)))
        first, second = Signal(XLEN), Signal(XLEN)
        subtracts = Signal()
        compares = computes & ~multiplies & (funct3[1:] == 1)
        m.d.comb += subtracts.eq(
            (opcode == Opcode.BRANCH) | compares
            | ((opcode == Opcode.OP) & instruction[30] & (funct3 == 0))
        )  # fmt: skip
        with m.If(is_any(Opcode.AUIPC, Opcode.JAL, Opcode.JALR)):
            m.d.comb += first.eq(pc << 2)
        with m.Elif((opcode != Opcode.LUI) & ~multiplies):
            m.d.comb += first.eq(a)
        with m.If(is_any(Opcode.OP, Opcode.BRANCH) & ~shifts):
            m.d.comb += second.eq(b ^ subtracts.replicate(XLEN))
        with m.Elif(~shifts):
            m.d.comb += second.eq(immediate ^ subtracts.replicate(XLEN))
        total = Signal(XLEN + 1)
        m.d.comb += total.eq(first + second + subtracts)
        logic = Signal(XLEN)
        with m.Switch(funct3[:2]):
            with m.Case(0):
                m.d.comb += logic.eq(first ^ second)
            with m.Case(2):
                m.d.comb += logic.eq(first | second)
            with m.Default():
                m.d.comb += logic.eq(first & second)
        # first < second: by the borrow, unless signed ones have different signs (second is inverted).
        less, signed = Signal(), Signal()
        m.d.comb += [
            signed.eq(Mux(opcode[4], ~funct3[1], ~funct3[0])),  # BRANCH, else SLT
            less.eq(Mux(signed & (first[-1] == second[-1]), first[-1], ~total[-1])),
        ]

        # -- where to go on --------------------------------------------------------------------------
        taken = Signal()
        m.d.comb += taken.eq(Mux(funct3[2], less, ~total[:XLEN].any()) ^ funct3[0])
        base, offset = Signal(self._pc_bits), Signal(self._pc_bits)
        following = Signal(self._pc_bits)
        m.d.comb += base.eq(Mux(opcode == Opcode.JALR, a, pc << 2))
        with m.If(opcode == Opcode.JALR):
            m.d.comb += offset.eq(Cat(instruction[20:31], sign.replicate(21)))
        with m.Elif(opcode == Opcode.JAL):
            m.d.comb += offset.eq(Cat(C(0, 1), instruction[21:31], instruction[20], instruction[12:20], sign))
        with m.Elif((opcode == Opcode.BRANCH) & taken):
            m.d.comb += offset.eq(Cat(C(0, 1), instruction[8:12], instruction[25:31], instruction[7], sign))
        with m.Else():
            m.d.comb += offset.eq(4)
        m.d.comb += following.eq(base + offset)

        # -- one bit a cycle: shifts and products ------------------------------------------------------
        result, high = Signal(XLEN), Signal(XLEN)  # product: {high, result}, over the factor b
        left = Signal(range(XLEN + 1))
        partial = Signal(XLEN + 1)
        signed_a, negative = Signal(), Signal()
        addend = Cat(a, a[-1] & signed_a) & result[0].replicate(XLEN + 1)
        m.d.comb += [
            signed_a.eq(funct3[0] ^ funct3[1]),  # MULH, MULHSU
            negative.eq((left == 1) & (funct3[:2] == 1)),  # the last bit of a signed b
            partial.eq(
                Cat(high, high[-1] & signed_a) + (addend ^ negative.replicate(XLEN + 1)) + negative
            ),
        ]

        # -- loads and stores --------------------------------------------------------------------------
        # What the instruction says of a load: by the time the data come, the ROM may hold something else.
        rd, size, unsigned = Signal(5), Signal(2), Signal()
        with m.If(decode):
            m.d.sync += [rd.eq(instruction[7:12]), size.eq(funct3), unsigned.eq(funct3[2])]
        place = result[:2]
        m.d.comb += [
            bus.address.eq(result),
            bus.write.eq(opcode[3]),
            bus.data.eq(b),
            bus.strobe.eq(0b1111),
        ]
        with m.If(~size[1]):
            m.d.comb += [bus.data[16:].eq(b[:16]), bus.strobe.eq(0b11 << Cat(C(0, 1), place[1]))]
            with m.If(~size[0]):
                m.d.comb += [
                    bus.data[8:16].eq(b[:8]), bus.data[24:].eq(b[:8]), bus.strobe.eq(1 << place),
                ]  # fmt: skip
        loaded = Signal(XLEN)
        half = Mux(place[1], bus.read_data[16:], bus.read_data[:16])
        byte = Mux(place[0], half[8:], half[:8])
        with m.If(size[1]):
            m.d.comb += loaded.eq(bus.read_data)
        with m.Elif(size[0]):
            m.d.comb += loaded.eq(Cat(half, (half[-1] & ~unsigned).replicate(16)))
        with m.Else():
            m.d.comb += loaded.eq(Cat(byte, (byte[-1] & ~unsigned).replicate(24)))

        # -- control -------------------------------------------------------------------------------------
        computed = Signal(XLEN)
        with m.If(computes & funct3[2]):
            m.d.comb += computed.eq(logic)
        with m.Elif(compares):
            m.d.comb += computed.eq(less)
        with m.Else():
            m.d.comb += computed.eq(total)
        writes = Signal()
        m.d.comb += [
            write.en.eq(writes & rd.any()),
            write.addr.eq(rd),
            write.data.eq(computed),
            self.fetch_address.eq(pc),
        ]
        with m.FSM():
            with m.State("FETCH"):
                m.d.comb += self.fetch.eq(1)
                m.next = "DECODE"
            with m.State("DECODE"):
                m.d.comb += decode.eq(1)
                m.next = "EXECUTE"
            with m.State("EXECUTE"):
                m.d.sync += [
                    pc.eq(following[2:]),
                    result.eq(total),
                    high.eq(0),
                    left.eq(Mux(opcode[3], b, instruction[20:25])[:5]),
                ]
                with m.If(multiplies):
                    m.d.sync += left.eq(XLEN)
                with m.If(is_any(Opcode.LOAD, Opcode.STORE)):
                    m.next = "ACCESS"
                with m.Elif(shifts | multiplies):
                    m.next = "ITERATE"
                with m.Else():
                    m.d.comb += [
                        self.fetch_address.eq(following[2:]),
                        self.fetch.eq(1),
                        writes.eq(opcode != Opcode.BRANCH),
                    ]
                    m.next = "DECODE"
            with m.State("ITERATE"):
                m.d.comb += write.data.eq(Mux(multiplies & funct3[:2].any(), high, result))
                with m.If(left == 0):
                    m.d.comb += [self.fetch.eq(1), writes.eq(1)]
                    m.next = "DECODE"
                with m.Else():
                    m.d.sync += [left.eq(left - 1), high.eq(partial[1:])]
                    with m.If(multiplies):
                        m.d.sync += result.eq(Cat(result[1:], partial[0]))
                    with m.Elif(funct3[2]):
                        m.d.sync += result.eq(Cat(result[1:], result[-1] & instruction[30]))
                    with m.Else():
                        m.d.sync += result.eq(result << 1)
            with m.State("ACCESS"):
                m.d.comb += bus.valid.eq(1)
                with m.If(bus.ready):
                    m.next = "LOAD"
                    with m.If(bus.write):
                        m.d.comb += self.fetch.eq(1)
                        m.next = "DECODE"
            with m.State("LOAD"):
                m.d.comb += [write.data.eq(loaded), self.fetch.eq(1), writes.eq(1)]
                m.next = "DECODE"
        return m
