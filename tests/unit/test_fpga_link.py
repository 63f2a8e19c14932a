"""The host link: frames and bytes in gateware against the host's own encoding, and lines of another speed."""

import random

import pytest
from amaranth.sim import Simulator

from orris_fpga.gateware.frames import BUFFER_BYTES, FrameReceiver, FrameTransmitter
from orris_fpga.gateware.uart import UartReceiver, UartTransmitter, divisor
from orris_fpga.link.protocol import CRC_BYTES, ESCAPE, ESCAPE_XOR, FLAG, Deframer, Reply, decode, encode


def run(dut, *benches, background=()):
    sim = Simulator(dut)
    sim.add_clock(1e-6)
    for bench in background:
        sim.add_testbench(bench, background=True)
    for bench in benches:
        sim.add_testbench(bench)
    sim.run()


def random_content(rng):
    size = rng.choice((1, 3, 7, 15, 271))
    return bytes(rng.choice((FLAG, ESCAPE, 0x5E, 0x5D, rng.randrange(256))) for _ in range(size))


async def send_without_pause(ctx, receiver, line):
    ctx.set(receiver.i.valid, 1)
    for byte in line:
        ctx.set(receiver.i.payload, byte)
        await ctx.tick().until(receiver.i.ready)
    ctx.set(receiver.i.valid, 0)


def damaged(rng, frame):
    """A frame after something happened to it."""
    frame = bytearray(frame)
    kind = rng.randrange(6)
    place = rng.randrange(len(frame))
    if kind == 0:
        frame[place] ^= 1 << rng.randrange(8)
    elif kind == 1:
        del frame[place]
    elif kind == 2:
        frame.insert(place, rng.randrange(256))
    elif kind == 3:
        frame = frame[:place]
    elif kind == 4:
        frame = frame[:-1] + bytes([ESCAPE, FLAG])
    else:
        frame = bytearray(encode(bytes(BUFFER_BYTES - CRC_BYTES + rng.randrange(1, 40))))
    return bytes(frame)


def test_host_encoding_by_hand():
    # CRC-32 of "123456789" is the published check value of IEEE 802.3
    assert encode(b"123456789") == b"\x7e123456789" + 0xCBF43926.to_bytes(4, "little") + b"\x7e"
    assert encode(b"\x7e\x7d")[:5] == b"\x7e\x7d\x5e\x7d\x5d"


def test_host_finds_frames_again(seed):
    rng = random.Random(seed)
    for _ in range(200):
        content = random_content(rng)
        frame = encode(content)
        assert FLAG not in frame[1:-1]
        assert decode(frame[1:-1]) == content
        deframer = Deframer()
        noise = bytes(rng.randrange(256) for _ in range(rng.randrange(20)))
        assert deframer.feed(noise + frame)[-1:] == [content]
        flipped = bytearray(frame[1:-1])
        flipped[rng.randrange(len(flipped))] ^= 1 << rng.randrange(8)
        assert decode(bytes(flipped)) is None


def test_short_replies_are_none():
    assert Reply.unpack(b"") is None
    assert Reply.unpack(b"\x01\x80") is None
    assert Reply.unpack(b"\x01\x03\x00") is None  # an echo of a request
    assert Reply.unpack(b"\x01\x83\x00") == Reply(1, 3, b"", 0)


def test_receiver_gives_what_the_host_would_accept(seed):
    """Good and damaged frames in any order: the receiver offers those that the host's own decoder accepts."""
    rng = random.Random(seed)
    line = b""
    for _ in range(60):
        frame = encode(random_content(rng))
        line += damaged(rng, frame) if rng.random() < 0.5 else frame
    line += encode(b"end")
    wanted = [content for content in Deframer().feed(line) if len(content) + CRC_BYTES <= BUFFER_BYTES]
    found = []
    dut = FrameReceiver()

    async def send(ctx):
        for byte in line:
            while rng.random() < 0.2:
                await ctx.tick()
            ctx.set(dut.i.payload, byte)
            ctx.set(dut.i.valid, 1)
            await ctx.tick().until(dut.i.ready)
            ctx.set(dut.i.valid, 0)

    async def receive(ctx):
        while found[-1:] != [b"end"]:
            for _ in range(20 * len(line)):  # with pauses, more than all frames take
                await ctx.tick()
                if ctx.get(dut.valid):
                    break
            assert ctx.get(dut.valid), "a frame is lost, or not found"
            content = bytearray()
            for place in range(ctx.get(dut.length)):
                ctx.set(dut.address, place)
                await ctx.tick()
                content.append(ctx.get(dut.read_byte))
            found.append(bytes(content))
            ctx.set(dut.done, 1)
            await ctx.tick()
            ctx.set(dut.done, 0)
            await ctx.tick()

    run(dut, send, receive)
    assert found == wanted
    assert len(found) > 20


@pytest.mark.parametrize("content", [bytes(50), bytes([ESCAPE]) * 50], ids=["bytes", "escapes"])
def test_cycles_of_a_frame(content):
    """As documented: 11 a byte, also of the CRC, 3 for an escape before it, 3 for each flag."""
    line, taken = encode(content), []
    dut = FrameReceiver()

    async def send(ctx):
        await send_without_pause(ctx, dut, line)

    async def wait(ctx):
        while not ctx.get(dut.valid):
            await ctx.tick()
            taken.append(0)
            assert len(taken) < 2000

    run(dut, send, wait)
    assert len(taken) == 11 * (len(content) + CRC_BYTES) + 3 * line.count(ESCAPE) + 3 * 2


def test_an_escaped_escape_is_a_byte():
    """The host never sends it, but reads it so."""
    content = bytes([ESCAPE ^ ESCAPE_XOR]) + b"next"
    line = bytes([FLAG, ESCAPE, ESCAPE]) + encode(content)[2:]
    assert Deframer().feed(line) == [content]
    dut = FrameReceiver()

    async def send(ctx):
        await send_without_pause(ctx, dut, line)
        await ctx.tick().repeat(3)
        assert ctx.get(dut.valid) and ctx.get(dut.length) == len(content)

    run(dut, send)


def test_transmitter_makes_frames_of_the_host(seed):
    rng = random.Random(seed)
    contents = [random_content(rng) for _ in range(30)]
    line = bytearray()
    dut = FrameTransmitter()

    async def send(ctx):
        for content in contents:
            for place, byte in enumerate(content):
                while rng.random() < 0.2:
                    await ctx.tick()
                ctx.set(dut.i.payload, {"byte": byte, "last": place == len(content) - 1})
                ctx.set(dut.i.valid, 1)
                await ctx.tick().until(dut.i.ready)
                ctx.set(dut.i.valid, 0)

    async def receive(ctx):
        while len(line) < sum(len(encode(content)) for content in contents):
            ctx.set(dut.o.ready, rng.random() < 0.5)
            _, _, valid, ready, byte = await ctx.tick().sample(dut.o.valid, dut.o.ready, dut.o.payload)
            if valid and ready:
                line.append(byte)

    run(dut, send, receive)
    assert bytes(line) == b"".join(encode(content) for content in contents)


@pytest.mark.parametrize("cycles, drift", [(4, 0.0), (4, 0.02), (8, -0.03), (27, 0.03), (27, -0.03)])
def test_bytes_at_a_slightly_wrong_speed(cycles, drift, seed):
    rng = random.Random(seed)
    sent = [rng.randrange(256) for _ in range(40)]
    received = []
    dut = UartReceiver(cycles)

    async def line(ctx):
        now = edge = 0.0
        await ctx.tick().repeat(10)
        for byte in sent:
            for bit in (0, *(byte >> place & 1 for place in range(8)), 1):
                ctx.set(dut.rx, bit)
                edge += cycles * (1 + drift)
                while now < edge:
                    await ctx.tick()
                    now += 1
            if rng.random() < 0.5:
                pause = rng.randrange(3 * cycles)
                await ctx.tick().repeat(pause + 1)
                now, edge = now + pause + 1, now + pause + 1
        await ctx.tick().repeat(3 * cycles)

    async def collect(ctx):
        ctx.set(dut.o.ready, 1)
        while True:
            _, _, valid, byte = await ctx.tick().sample(dut.o.valid, dut.o.payload)
            if valid:
                received.append(byte)

    run(dut, line, background=[collect])
    assert received == sent


def test_a_broken_line_is_no_byte():
    """A line that stays low for long gives nothing, and the byte after it is right."""
    dut, received = UartReceiver(8), []

    async def line(ctx):
        ctx.set(dut.rx, 0)
        await ctx.tick().repeat(500)
        ctx.set(dut.rx, 1)
        await ctx.tick().repeat(20)
        for bit in (0, 1, 0, 1, 0, 0, 1, 0, 1, 1):
            ctx.set(dut.rx, bit)
            await ctx.tick().repeat(8)
        await ctx.tick().repeat(20)

    async def collect(ctx):
        ctx.set(dut.o.ready, 1)
        while True:
            _, _, valid, byte = await ctx.tick().sample(dut.o.valid, dut.o.payload)
            if valid:
                received.append(byte)

    run(dut, line, background=[collect])
    assert received == [0b10100101]


def test_a_byte_that_is_not_taken_stays():
    """The receiver keeps what it offers, and drops what comes in the meantime."""
    dut, cycles = UartReceiver(4), 4

    async def line(ctx):
        for byte in (0x12, 0x34):
            for bit in (0, *(byte >> place & 1 for place in range(8)), 1):
                ctx.set(dut.rx, bit)
                await ctx.tick().repeat(cycles)
        await ctx.tick().repeat(20)
        assert ctx.get(dut.o.valid)
        assert ctx.get(dut.o.payload) == 0x12

    run(dut, line)


def test_transmitter_keeps_time():
    dut, cycles = UartTransmitter(5), 5
    seen = []

    async def send(ctx):
        for byte in (0xA6, 0x0F):
            ctx.set(dut.i.payload, byte)
            ctx.set(dut.i.valid, 1)
            await ctx.tick().until(dut.i.ready)
        ctx.set(dut.i.valid, 0)
        await ctx.tick().repeat(15 * cycles)

    async def watch(ctx):
        async for _, _, level in ctx.tick().sample(dut.tx):
            seen.append(level)

    run(dut, send, background=[watch])
    start = seen.index(0)
    frame = 10 * cycles + 1
    for place, byte in ((start, 0xA6), (start + frame, 0x0F)):
        bits = [seen[place + cycles * bit + cycle] for bit in range(10) for cycle in range(cycles)]
        wanted = [0, *(byte >> bit & 1 for bit in range(8)), 1]
        assert bits == [level for level in wanted for _ in range(cycles)]


def test_speeds_that_cannot_be_made():
    assert divisor(80e6, 3_000_000) == 27
    assert divisor(12e6, 3_000_000) == 4
    with pytest.raises(ValueError, match=r"^3000000 baud needs a clock of at least 12 MHz, not 8 MHz \(4 c"):
        divisor(8e6, 3_000_000)
    with pytest.raises(ValueError, match=r"^921600 baud cannot be made from 6 MHz: .*7\.0% off"):
        divisor(6e6, 921_600)
    with pytest.raises(ValueError, match=r"^UART divisor must be an integer of at least 4, not 3$"):
        UartReceiver(3)
