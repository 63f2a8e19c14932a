"""The core against an independent model of its instructions, on random programs."""

import random

import pytest
from amaranth.sim import Simulator

from orris_hw.gateware.microcontroller.riscv import RiscvCore
from riscv_model import Machine, jal, random_program

ROM_WORDS = 512
DATA = 0x1000_0000
DATA_BYTES = 2048


def model_run(rom, data, instructions):
    """Stores (address, size, value) in order, and the model, after so many instructions."""
    stores = []

    def load(address, size):
        source = data if address >= DATA else b"".join(word.to_bytes(4, "little") for word in rom)
        at = address - DATA if address >= DATA else address
        return int.from_bytes(source[at : at + size], "little")

    def write(address, size, value):
        data[address - DATA : address - DATA + size] = value.to_bytes(size, "little")
        stores.append((address, size, value))

    machine = Machine(rom, load, write)
    for _ in range(instructions):
        machine.step()
        if machine.pc // 4 < len(rom) and rom[machine.pc // 4] == jal(0, 0):
            break
    return stores, machine


def core_run(rom, data, cycles, rng=None):
    """The same of the gateware; with `rng`, a memory that is not always ready. Also the cycles it took."""
    core = RiscvCore(4 * len(rom))
    stores, ended = [], []

    async def bench(ctx):
        word, read_data = 0, 0
        reset_vector = True
        for cycle in range(cycles):
            bus = core.bus
            ready = rng is None or rng.random() < 0.4
            ctx.set(bus.ready, ready)
            ctx.set(core.instruction, word)
            ctx.set(bus.read_data, read_data)
            if ctx.get(core.fetch):
                address = ctx.get(core.fetch_address)
                assert address == 0 or not reset_vector
                reset_vector = False
                if rom[address] == jal(0, 0) and not ended:
                    ended.append(cycle + 1)
                word = rom[address]
            read_data = rng.getrandbits(32) if rng else 0
            if ctx.get(bus.valid) and ready:
                address = ctx.get(bus.address)
                aligned = address & ~3
                if ctx.get(bus.write):
                    strobe, value = ctx.get(bus.strobe), ctx.get(bus.data)
                    lanes = [lane for lane in range(4) if strobe >> lane & 1]
                    assert lanes == list(range(address & 3, (address & 3) + len(lanes)))
                    written = bytes(value >> 8 * lane & 255 for lane in lanes)
                    data[address - DATA : address - DATA + len(lanes)] = written
                    stores.append((address, len(lanes), int.from_bytes(written, "little")))
                elif address >= DATA:
                    read_data = int.from_bytes(data[aligned - DATA : aligned - DATA + 4], "little")
                else:  # in the ROM: it no longer shows the instruction
                    word = read_data = rom[aligned // 4]
            await ctx.tick()
            if ended:
                break

    simulator = Simulator(core)
    simulator.add_clock(1e-6)
    simulator.add_testbench(bench)
    simulator.run()
    assert ended, "the program did not end"
    return stores, ended[0]


@pytest.mark.parametrize("number", range(6))
def test_random_programs(number, seed):
    rng = random.Random(f"{seed} {number}")
    rom = random_program(rng, 400, DATA, ROM_WORDS)
    content = rng.randbytes(DATA_BYTES)
    expected, machine = model_run(rom, bytearray(content), 2000)
    assert len(expected) >= 32
    patient = rng if number % 3 == 0 else None
    stores, cycles = core_run(rom, bytearray(content), 20 * machine.cycles, patient)
    assert stores == expected
    if patient is None:
        assert cycles == machine.cycles
