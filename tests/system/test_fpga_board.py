"""The whole path without a board: host program, pseudo-terminal, UART, bridge, SDRAM controller and chip."""

import json
import random
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from orris.compiler import compile_layer
from orris.driver import DeviceError
from orris.layers import ConvLayer, Padding
from orris.mapper import map_layer
from orris_fpga.boards import find_board
from orris_fpga.build import board_config
from orris_fpga.errors import BoardError
from orris_fpga.gateware.system import Spram, SystemParameters
from orris_fpga.layer_run import run_on_board
from orris_fpga.link.connection import board_device
from orris_fpga.link.protocol import Operation, Request
from orris_fpga.link.serial_link import SerialLink
from orris_fpga.link.transport import SerialTransport
from orris_fpga.sdram.chips import IS42S16160G
from orris_fpga.simulation import BoardSimulator, LineNoise
from orris_hw.config import preset
from orris_hw.register_map import REGISTER
from orris_sim.layer_run import golden_ofmap, layer_data

BAUD = 3_000_000
CLOCK = 24_000_000
SDRAM = SystemParameters(preset("tiny"), IS42S16160G, CLOCK, BAUD)
LAYER = ConvLayer(name="layer", M=8, C=4, H=8, W=8, R=3, S=3, padding=Padding.all(1))
DIGITS = Path(__file__).parents[2] / "examples" / "digits"
PATIENCE = 5.0
"""Seconds to wait for a reply: the simulation is slower than a board."""


@pytest.fixture(scope="module")
def board():
    with BoardSimulator(SDRAM) as simulator:
        yield simulator


@pytest.fixture
def transport(board):
    link = SerialLink(board.port, BAUD, PATIENCE)
    yield SerialTransport(link)
    board.noise = LineNoise()
    link.close()


def test_layer_through_everything(transport):
    run = run_on_board(LAYER, board_device(transport), transport.link.hello, seed=1)
    assert run.bit_exact
    assert run.counters["mac_done"] + run.counters["mac_gated"] == LAYER.macs
    assert transport.link.repeats == 0


def test_memory_of_any_place_and_size(transport, seed):
    rng = np.random.default_rng(seed)
    size = transport.link.hello.memory_bytes
    content = rng.integers(0, 256, 1000).astype(np.uint8)
    # 0x7E and 0x7D, the bytes that are special on the line, in every place of a word
    special = np.tile(np.array([0x7E, 0x7D, 0x7E, 1, 0x7D, 0x5E, 0x5D], np.uint8), 40)
    for address, piece in ((3, content), (4095, special), (size - 1000, content), (12345, content[:1])):
        around = transport.read_memory(max(0, address - 8), 8)
        transport.write_memory(address, piece)
        assert (transport.read_memory(address, len(piece)) == piece).all()
        if address >= 8:
            assert (transport.read_memory(address - 8, 8) == around).all()


def test_what_the_board_refuses(transport):
    with pytest.raises(BoardError, match="outside the board's memory"):
        transport.read_memory(transport.link.hello.memory_bytes - 4, 8)
    with pytest.raises(BoardError, match="read memory at 0x2000000 with DECERR"):
        transport.link.request(Operation.READ_MEMORY, 0x2000000)
    with pytest.raises(BoardError, match="write memory at 0x2000000 with DECERR"):
        transport.link.request(Operation.WRITE_MEMORY, 0x2000000, payload=bytes(8))
    with pytest.raises(BoardError, match="write register at 0x0 with SLVERR"):
        transport.write_register(0, 1)
    with pytest.raises(BoardError, match="read register at 0xffc with SLVERR"):
        transport.read_register(0xFFC)
    with pytest.raises(BoardError, match="BAD_REQUEST"):
        transport.link.request(Operation.WRITE_MEMORY, 0, count=2, payload=bytes(8))
    with pytest.raises(BoardError, match="BAD_REQUEST"):
        transport.link.request(Operation.READ_MEMORY, 0, count=33)
    assert transport.read_register(REGISTER["IDENT"].offset) == int.from_bytes(b"ORRS", "big")


def test_another_program_left_a_frame_unfinished(board, transport):
    transport.link._line.write(Request(5, Operation.WRITE_MEMORY, 0, 32, bytes(256)).pack()[:100])
    transport.link.close()
    link = SerialLink(board.port, BAUD, PATIENCE)
    assert SerialTransport(link).read_register(REGISTER["IDENT"].offset) == int.from_bytes(b"ORRS", "big")
    link.close()


def test_a_repeated_write_has_its_effect_once(transport):
    """A write that comes twice, with another one between, must not undo that one."""
    link = transport.link
    transport.write_memory(64, np.full(8, 1, np.uint8))
    first = Request(link._next, Operation.WRITE_MEMORY, 64, 1, bytes([2] * 8))
    second = Request((link._next + 1) % 256, Operation.WRITE_MEMORY, 64, 1, bytes([3] * 8))
    answers = []
    for request in (first, second, first):
        link._write(request.pack())
        while not (received := link._receive()):
            pass
        answers += received
    assert [(reply.sequence, reply.status) for reply in answers] == [
        (first.sequence, 0), (second.sequence, 0), (first.sequence, 0)]  # fmt: skip
    link._next = (link._next + 2) % 256
    assert (transport.read_memory(64, 8) == 3).all()


def test_a_request_after_a_lost_one_waits(transport):
    link = transport.link
    transport.write_memory(64, np.full(8, 1, np.uint8))
    ahead = Request((link._next + 1) % 256, Operation.WRITE_MEMORY, 64, 1, bytes([9] * 8))
    link._write(ahead.pack())
    assert (transport.read_memory(64, 8) == 1).all()


@pytest.mark.parametrize("noise", [
    dict(changed=0.002), dict(lost=0.002), dict(doubled=0.002), dict(inserted=0.002),
    dict(changed=0.001, lost=0.001, doubled=0.001, inserted=0.001),
])  # fmt: skip
def test_noise_never_gives_a_wrong_result(board, transport, noise, seed):
    """Random accesses on a bad line: each is right, or gives an error, and what was written is there."""
    rng = random.Random(seed)
    transport.link.close()
    memory = {}
    link, failures = None, 0
    for number in range(12):
        if link is None:
            board.noise = LineNoise()
            link = SerialLink(board.port, BAUD, 0.6)
            transport = SerialTransport(link)
            board._rng.seed(seed + number)
            board.noise = LineNoise(**noise)
        address = 8 * rng.randrange(32)
        words = rng.randrange(1, 40)
        try:
            if rng.random() < 0.6:
                values = [rng.getrandbits(8) for _ in range(8 * words)]
                touched = range(address, address + 8 * words)
                memory = {place: byte for place, byte in memory.items() if place not in touched}
                transport.write_memory(address, np.array(values, np.uint8))
                memory |= dict(zip(touched, values, strict=True))
            else:
                found = transport.read_memory(address, 8 * words)
                for place, byte in enumerate(found, address):
                    assert memory.get(place, byte) == byte
            assert transport.read_register(REGISTER["IDENT"].offset) == int.from_bytes(b"ORRS", "big")
        except BoardError:
            failures += 1
            link.close()
            link = None
    if link is not None:
        link.close()
    assert failures < 12


def test_layer_on_a_noisy_line(board, transport, seed):
    board.noise = LineNoise(changed=0.0004, lost=0.0003, doubled=0.0003, seed=seed)
    link = transport.link
    link._timeout = 1.0
    run = run_on_board(LAYER, board_device(transport), link.hello, seed=2)
    assert run.bit_exact


def test_a_dead_line_ends_with_an_error(board, transport):
    board.noise = LineNoise(lost=1.0)
    transport.link._timeout = 0.05
    with pytest.raises(BoardError, match=r"^no Orris board answers on \S+ \(8 tries\): is the"):
        transport.read_register(0)
    board.noise = LineNoise(changed=0.3)
    with pytest.raises(BoardError, match=r"too noisy|no Orris board answers"):
        transport.read_memory(0, 256)


def test_program_errors_come_through(transport):
    """A program that reads outside the memory it was given stops with an error, and the next one runs."""
    config = preset("tiny")
    device = board_device(transport)
    data = layer_data(LAYER, config, 3)
    mapping = map_layer(LAYER, config)
    compiled = compile_layer(LAYER, mapping, config, data.weights, data.requant, data.product_shift)
    device.load(compiled, data.ifmap)
    transport.write_memory(compiled.program_address, np.full(64, 0xEE, np.uint8))
    device.start(compiled)
    with pytest.raises(DeviceError, match="the program stopped at command 0: BAD_OPCODE"):
        device.finish()
    result = device.run_layer(compiled, data.ifmap)
    assert (result.ofmap == golden_ofmap(mapping, data)).all()


def orris(*arguments):
    command = [sys.executable, "-c", "from orris.cli import main; main()", *arguments]
    return subprocess.run(command, capture_output=True, text=True, timeout=300)


def test_real_host_program(board):
    shape = ["--M", "8", "--C", "4", "--H", "8", "--R", "3", "--pad", "same"]
    line = ["--port", board.port, "--baud", str(BAUD), "--timeout", str(PATIENCE)]
    info = orris("board", "info", *line, "--json")
    assert info.returncode == 0, info.stderr
    facts = json.loads(info.stdout)
    assert facts["configuration"] == "tiny"
    assert facts["memory_bytes"] == 1 << 25
    assert facts["GEOMETRY_ARRAY"] == {"rows": 3, "columns": 4}
    run = orris("board", "run", *shape, *line, "--json")
    assert run.returncode == 0, run.stderr
    (figures,) = json.loads(run.stdout)
    assert figures["bit_exact"] is True
    assert figures["counters"]["cycles"] > 0


@pytest.mark.long
def test_network(board, tmp_path):
    """A network through the cable gives what it gives in the simulation of the accelerator alone."""
    digits = np.load(DIGITS / "digits.npz")["images"][:1]
    np.save(tmp_path / "digit.npy", digits.astype(np.float32) / 16)
    line = ["--port", board.port, "--baud", str(BAUD), "--timeout", str(PATIENCE)]
    results = []
    for number, place in enumerate((line, ["--preset", "tiny"])):
        output = tmp_path / f"{number}.npy"
        run = orris("run", str(DIGITS / "digits.onnx"), "--input", str(tmp_path / "digit.npy"),
                    "--output", str(output), "--json", *place)  # fmt: skip
        assert run.returncode == 0, run.stderr
        results.append(np.load(output))
    assert results[0].size >= 10
    assert (results[0] == results[1]).all()


def test_wrong_bitstream(board):
    line = ["--port", board.port, "--baud", str(BAUD), "--timeout", str(PATIENCE)]
    run = orris("board", "run", "--layer", "alexnet.conv3", "--preset", "orris-168", *line)
    assert run.returncode == 2
    assert run.stderr.strip() == (
        "error: the accelerator is not orris-168: GEOMETRY_ARRAY.rows is 3, expected 12")


def test_busy_port(board):
    link = SerialLink(board.port, BAUD, PATIENCE)
    run = orris("board", "info", "--port", board.port)
    link.close()
    assert run.returncode == 2
    assert run.stderr.strip() == f"error: the serial port {board.port} is in use by another program: close it"


def test_missing_port():
    run = orris("board", "info", "--port", "/dev/ttyNONE7")
    assert run.returncode == 2
    assert run.stderr.startswith("error: there is no serial port /dev/ttyNONE7: is the board plugged in? (")
    assert len(run.stderr.strip().splitlines()) == 1


@pytest.mark.parametrize("name", ["icebreaker", pytest.param("tang-nano-9k", marks=pytest.mark.long)])
def test_boards_run_by_firmware(name, seed):
    """The smallest boards as they are built: accelerator in firmware, memory on the chip, own clock."""
    target = find_board(name)
    config = board_config(target)
    with BoardSimulator(SystemParameters(config, target.memory, target.clock_hz, target.baud)) as simulator:
        link = SerialLink(simulator.port, target.baud, PATIENCE)
        device = board_device(SerialTransport(link), config)
        run = run_on_board(LAYER, device, link.hello, seed=seed)
        assert run.bit_exact
        assert run.counters["cycles"] > LAYER.macs
        link.close()


@pytest.mark.long
def test_on_chip_memory():
    """The same with an iCEBreaker's memory and clock, the slowest possible sampling of the line, and an
    accelerator that does without whatever a configuration can do without."""
    config = preset("ecp5-25f").derive({"control": {"checks": False}})
    with BoardSimulator(SystemParameters(config, Spram(), 12_000_000, BAUD)) as simulator:
        link = SerialLink(simulator.port, BAUD, PATIENCE)
        transport = SerialTransport(link)
        run = run_on_board(LAYER, board_device(transport, config), link.hello)
        assert run.bit_exact
        assert set(run.counters) == {"cycles", "commands", "dram_read_words", "dram_write_words"}
        with pytest.raises(BoardError, match="needs [0-9,]+ bytes of memory and the board has 131,072"):
            large = ConvLayer(name="large", M=8, C=8, H=128, W=128, R=3, S=3)
            run_on_board(large, board_device(transport, config), link.hello)
        link.close()
