"""What the board makes of requests: each once and in order, whatever is repeated, missing or wrong."""

import random

from amaranth.hdl import Module, Signal
from amaranth.lib import data, stream, wiring
from amaranth.lib.wiring import In, Out
from amaranth.sim import Simulator

from orris_fpga.gateware.axi_words import AxiWords
from orris_fpga.gateware.block_memory import BlockMemory
from orris_fpga.gateware.executor import RequestExecutor
from orris_fpga.gateware.frames import FrameReceiver
from orris_fpga.link.protocol import Deframer, Hello, Operation, Reply, Request, Status

WORDS = 64
HELLO = Hello(memory_bytes=8 * WORDS, clock_hz=12_345_678, config=0xCAFE7E7D)
READ_ONLY = 0xFC
"""The address of no register."""


class Board(wiring.Component):
    """Executor, memory, and a register at every address but one; `writes` counts the writes to it."""

    i: In(stream.Signature(8))
    o: Out(stream.Signature(data.StructLayout({"byte": 8, "last": 1})))
    writes: Out(16)

    def elaborate(self, platform):
        m = Module()
        m.submodules.receiver = receiver = FrameReceiver()
        m.submodules.executor = executor = RequestExecutor(HELLO)
        m.submodules.words = words = AxiWords(WORDS)
        m.submodules.memory = memory = BlockMemory(WORDS)
        wiring.connect(m, wiring.flipped(self.i), receiver.i)
        wiring.connect(m, executor.o, wiring.flipped(self.o))
        wiring.connect(m, executor.memory, words.axi)
        wiring.connect(m, words.memory, memory.port)
        m.d.comb += [
            executor.valid.eq(receiver.valid), executor.length.eq(receiver.length),
            executor.read_byte.eq(receiver.read_byte), receiver.done.eq(executor.done),
            receiver.address.eq(executor.address),
        ]  # fmt: skip
        bus = executor.registers
        register = Signal(32)
        refused = bus.awaddr == READ_ONLY
        m.d.comb += [
            bus.awready.eq(bus.wvalid & ~bus.bvalid), bus.wready.eq(bus.awvalid & ~bus.bvalid),
            bus.arready.eq(~bus.rvalid),
        ]  # fmt: skip
        with m.If(bus.awvalid & bus.awready):
            m.d.sync += [bus.bvalid.eq(1), bus.bresp.eq(refused << 1)]
            with m.If(~refused):
                m.d.sync += [register.eq(bus.wdata), self.writes.eq(self.writes + 1)]
        with m.Elif(bus.bready):
            m.d.sync += bus.bvalid.eq(0)
        with m.If(bus.arvalid & bus.arready):
            m.d.sync += [bus.rvalid.eq(1), bus.rdata.eq(register)]
        with m.Elif(bus.rready):
            m.d.sync += bus.rvalid.eq(0)
        return m


class Model:
    """The protocol, as its documentation has it."""

    def __init__(self):
        self.expected, self.register, self.writes = 0, 0, 0
        self.memory = bytearray(8 * WORDS)

    def answer(self, request):
        """The reply, or None."""
        ahead = (request.sequence - self.expected) % 256
        hello = request.operation == Operation.HELLO
        if not hello and 0 < ahead < 128:
            return None
        payload, status = self.execute(request, ahead == 0)
        if status == Status.OKAY and (hello or ahead == 0):
            self.expected = (request.sequence + 1) % 256
        return Reply(request.sequence, request.operation, payload, status)

    def execute(self, request, fresh):
        operation, count, address = request.operation, request.count, request.address
        to_memory = operation in (Operation.READ_MEMORY, Operation.WRITE_MEMORY)
        wanted = {Operation.WRITE_REGISTER: 4, Operation.WRITE_MEMORY: 8 * count}.get(operation, 0)
        fits = 1 <= count <= 32 if to_memory else count == 1
        if operation > 4 or not fits or len(request.payload) != wanted:
            return b"", Status.BAD_REQUEST
        if operation == Operation.HELLO:
            return HELLO.pack(), Status.OKAY
        if operation == Operation.READ_REGISTER:
            return self.register.to_bytes(4, "little"), Status.OKAY
        inside = max(0, min(count, WORDS - address // 8))
        if operation == Operation.READ_MEMORY:
            content = bytes(self.memory[address : address + 8 * inside])
            return content, Status.OKAY if inside == count else Status.DECERR
        if not fresh:
            return b"", Status.OKAY
        if operation == Operation.WRITE_REGISTER:
            if address == READ_ONLY:
                return b"", Status.SLVERR
            self.register, self.writes = int.from_bytes(request.payload, "little"), self.writes + 1
            return b"", Status.OKAY
        self.memory[address : address + 8 * inside] = request.payload[: 8 * inside]
        return b"", Status.OKAY if inside == count else Status.DECERR


def random_request(rng, expected):
    sequence = (expected + rng.choice((0, 0, 0, 0, 0, 0, -1, -2, -5, 1, 2, 127, 128, 129))) % 256
    operation = rng.choice((2, 3, 4) if rng.random() < 0.7 else (0, 1, 5, 127))
    count = rng.choice((1, 1, 2, 5, 32)) if operation in (3, 4) else 1
    if rng.random() < 0.05:
        count = rng.choice((0, 2, 33, 255))
    size = {2: 4, 4: 8 * count}.get(operation, 0)
    if rng.random() < 0.05:
        size = max(0, size + rng.choice((-1, 1, 8)))
    address = 8 * rng.randrange(WORDS) if operation != 2 else rng.choice((0x10, READ_ONLY))
    payload = bytes(rng.choice((0x7E, 0x7D, rng.randrange(256))) for _ in range(min(size, 260)))
    return Request(sequence, operation, address, count, payload)


def test_against_the_protocol(seed):
    rng = random.Random(seed)
    dut, model = Board(), Model()
    line, wanted = b"", []
    for _ in range(100):
        request = random_request(rng, model.expected)
        frame = request.pack()
        if rng.random() < 0.1:  # damaged: nothing must happen
            place = rng.randrange(1, len(frame) - 1)
            line += frame[:place] + bytes([frame[place] ^ 1 << rng.randrange(8)]) + frame[place + 1 :]
            if Deframer().feed(line[-len(frame) :]):  # no: a flag appeared, and the rest is a frame
                raise AssertionError("choose another seed")
            continue
        line += frame
        reply = model.answer(request)
        if reply is not None:
            wanted.append(reply)
    last = Request(77, Operation.HELLO)
    line += last.pack()
    wanted.append(model.answer(last))
    found = []

    async def send(ctx):
        for byte in line:
            ctx.set(dut.i.payload, byte)
            ctx.set(dut.i.valid, 1)
            await ctx.tick().until(dut.i.ready)
        ctx.set(dut.i.valid, 0)

    async def receive(ctx):
        content = bytearray()
        while len(found) < len(wanted):
            ctx.set(dut.o.ready, rng.random() < 0.7)
            _, _, valid, ready, payload = await ctx.tick().sample(dut.o.valid, dut.o.ready, dut.o.payload)
            if valid and ready:
                content.append(payload.byte)
                if payload.last:
                    found.append(Reply.unpack(bytes(content)))
                    content.clear()
        assert ctx.get(dut.writes) == model.writes

    sim = Simulator(dut)
    sim.add_clock(1e-6)
    sim.add_testbench(send)
    sim.add_testbench(receive)
    sim.run()
    assert found == wanted
    assert {reply.status for reply in wanted} == set(Status)
