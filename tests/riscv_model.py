"""RV32I with Zmmul as its specification says, an instruction at a time, and random programs for it."""

import random
from collections.abc import Callable

MASK = (1 << 32) - 1

R_TYPE = {  # name: (funct7, funct3)
    "add": (0, 0), "sub": (32, 0), "sll": (0, 1), "slt": (0, 2), "sltu": (0, 3), "xor": (0, 4), "srl": (0, 5),
    "sra": (32, 5), "or": (0, 6), "and": (0, 7), "mul": (1, 0), "mulh": (1, 1), "mulhsu": (1, 2),
    "mulhu": (1, 3),
}  # fmt: skip
I_TYPE = {"addi": 0, "slti": 2, "sltiu": 3, "xori": 4, "ori": 6, "andi": 7}
SHIFTS = {"slli": (0, 1), "srli": (0, 5), "srai": (32, 5)}
LOADS = {"lb": 0, "lh": 1, "lw": 2, "lbu": 4, "lhu": 5}
STORES = {"sb": 0, "sh": 1, "sw": 2}
BRANCHES = {"beq": 0, "bne": 1, "blt": 4, "bge": 5, "bltu": 6, "bgeu": 7}


def signed(value: int, bits: int = 32) -> int:
    value &= (1 << bits) - 1
    return value - (1 << bits) if value >> (bits - 1) else value


# -- encoding ----------------------------------------------------------------------------------------
def r_type(name: str, rd: int, rs1: int, rs2: int) -> int:
    funct7, funct3 = R_TYPE[name]
    return funct7 << 25 | rs2 << 20 | rs1 << 15 | funct3 << 12 | rd << 7 | 0x33


def i_type(name: str, rd: int, rs1: int, immediate: int) -> int:
    if name in SHIFTS:
        funct7, funct3 = SHIFTS[name]
        return funct7 << 25 | immediate << 20 | rs1 << 15 | funct3 << 12 | rd << 7 | 0x13
    opcode, funct3 = (
        (0x67, 0) if name == "jalr" else (0x03, LOADS[name]) if name in LOADS else (0x13, I_TYPE[name])
    )
    return (immediate & 0xFFF) << 20 | rs1 << 15 | funct3 << 12 | rd << 7 | opcode


def store(name: str, rs2: int, rs1: int, immediate: int) -> int:
    high, low = immediate >> 5 & 0x7F, immediate & 0x1F
    return high << 25 | rs2 << 20 | rs1 << 15 | STORES[name] << 12 | low << 7 | 0x23


def branch(name: str, rs1: int, rs2: int, offset: int) -> int:
    high = (offset >> 12 & 1) << 6 | offset >> 5 & 0x3F
    low = offset & 0x1E | offset >> 11 & 1
    return high << 25 | rs2 << 20 | rs1 << 15 | BRANCHES[name] << 12 | low << 7 | 0x63


def u_type(name: str, rd: int, upper: int) -> int:
    return upper << 12 | rd << 7 | {"lui": 0x37, "auipc": 0x17}[name]


def jal(rd: int, offset: int) -> int:
    low = (offset >> 1 & 0x3FF) << 9 | (offset >> 11 & 1) << 8
    return ((offset >> 20 & 1) << 19 | low | offset >> 12 & 0xFF) << 12 | rd << 7 | 0x6F


# -- executing ---------------------------------------------------------------------------------------
class Machine:
    """Registers and program counter; `load(address, size)` and `store(address, size, value)` are memory."""

    def __init__(
        self,
        rom: list[int],
        load: Callable[[int, int], int],
        store: Callable[[int, int, int], None],
    ):
        self.rom, self.load, self.store = rom, load, store
        self.x = [0] * 32
        self.pc = 0
        self.cycles = 1  # until the first instruction is there

    def step(self) -> None:
        word = self.rom[self.pc // 4 % len(self.rom)]
        opcode, rd, funct3 = word & 0x7F, word >> 7 & 31, word >> 12 & 7
        a, b = self.x[word >> 15 & 31], self.x[word >> 20 & 31]
        funct7, immediate = word >> 25, signed(word >> 20, 12)
        result, target, cycles = None, self.pc + 4, 2
        match opcode:
            case 0x33 | 0x13:
                operand = b if opcode == 0x33 else immediate & MASK
                if opcode == 0x33 and funct7 == 1:
                    left = signed(a) if funct3 in (1, 2) else a
                    right = signed(b) if funct3 == 1 else b
                    result, cycles = left * right >> (32 if funct3 else 0), 35
                else:
                    amount = operand & 31
                    result = [
                        a - operand if opcode == 0x33 and funct7 else a + operand, a << amount,
                        int(signed(a) < signed(operand)), int(a < operand), a ^ operand,
                        (signed(a) if funct7 & 32 else a) >> amount, a | operand, a & operand,
                    ][funct3]  # fmt: skip
                    if funct3 in (1, 5):
                        cycles = 3 + amount
            case 0x03:
                bits = 8 << (funct3 & 3)
                loaded = self.load(a + immediate & MASK, bits // 8)
                result, cycles = loaded if funct3 & 4 else signed(loaded, bits), 4
            case 0x23:
                offset = signed(funct7 << 5 | rd, 12)
                bits = 8 << funct3
                self.store(a + offset & MASK, bits // 8, b & (1 << bits) - 1)
                rd, cycles = 0, 3
            case 0x63:
                offset = signed(word >> 31 << 12 | (rd & 1) << 11 | (funct7 & 0x3F) << 5 | rd & 0x1E, 13)
                pairs = [a == b, a != b, False, False, signed(a) < signed(b), signed(a) >= signed(b),
                         a < b, a >= b]  # fmt: skip
                if pairs[funct3]:
                    target = self.pc + offset
                rd = 0
            case 0x37:
                result = word & ~0xFFF
            case 0x17:
                result = self.pc + (word & ~0xFFF)
            case 0x6F:
                bits = word >> 31 << 20 | (word >> 12 & 0xFF) << 12 | (word >> 20 & 1) << 11
                result, target = target, self.pc + signed(bits | (word >> 21 & 0x3FF) << 1, 21)
            case 0x67:
                result, target = target, a + immediate & ~1
            case _:
                raise ValueError(f"{word:#010x} is no instruction of the core")
        if rd:
            self.x[rd] = result & MASK
        self.pc = target & MASK
        self.cycles += cycles


# -- random programs ---------------------------------------------------------------------------------
BASE = 31
"""Register that always holds the address of the data."""


def random_program(rng: random.Random, length: int, data: int, rom_words: int) -> list[int]:
    """`length` instructions that never go back, then stores of all registers, then a jump to itself.

    data : address of 2 kB of memory, in the middle of which `BASE` points.
    """
    code = [u_type("lui", BASE, data >> 12), i_type("addi", BASE, BASE, 1024)]
    corners = (0, 1, -1, 2047, -2048)
    targets = set()  # instructions that are jumped to

    def register() -> int:
        return rng.randrange(0, BASE) if rng.random() < 0.5 else rng.randrange(0, 5)

    def immediate() -> int:
        return rng.choice((rng.choice(corners), rng.randrange(-2048, 2048)))

    while len(code) < length:
        kind = rng.choice(("r", "r", "i", "shift", "load", "store", "branch", "jal", "jalr", "u", "rom"))
        left = length - len(code)
        forward = 4 * rng.randint(1, min(6, left))
        match kind:
            case "r":
                code.append(r_type(rng.choice(list(R_TYPE)), register(), register(), register()))
            case "i":
                code.append(i_type(rng.choice(list(I_TYPE)), register(), register(), immediate()))
            case "shift":
                code.append(i_type(rng.choice(list(SHIFTS)), register(), register(), rng.randrange(32)))
            case "load" | "rom":
                name = rng.choice(list(LOADS))
                size = 1 << (LOADS[name] & 3)
                base, at = (BASE, rng.randrange(-1024, 1024, size)) if kind == "load" else (
                    0, rng.randrange(0, 2048, size))  # fmt: skip
                code.append(i_type(name, register(), base, at))
            case "store":
                name = rng.choice(list(STORES))
                at = rng.randrange(-1024, 1024) & ~((1 << STORES[name]) - 1)
                code.append(store(name, register(), BASE, at))
            case "branch":
                first = register()
                second = first if rng.random() < 0.2 else register()
                targets.add(len(code) + forward // 4)
                code.append(branch(rng.choice(list(BRANCHES)), first, second, forward))
            case "jal":
                targets.add(len(code) + forward // 4)
                code.append(jal(register(), forward))
            case "u":
                upper = rng.choice((0, 1, 0xFFFFF, 0x80000, rng.randrange(1 << 20)))
                code.append(u_type(rng.choice(("lui", "auipc")), register(), upper))
            case "jalr" if left > 8 and len(code) + 1 not in targets:
                source = rng.randint(1, BASE - 1)
                ahead = rng.randint(2, 6)
                targets.add(len(code) + ahead)
                code += [u_type("auipc", source, 0), i_type("jalr", register(), source, 4 * ahead)]
    code += [store("sw", number, BASE, 4 * number) for number in range(32)]
    code.append(jal(0, 0))
    assert len(code) <= rom_words
    return code + [rng.getrandbits(32) for _ in range(rom_words - len(code))]
