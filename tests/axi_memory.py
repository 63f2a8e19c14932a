"""An AXI4 memory for pysim: latency, bandwidth, random stalls, error injection, and protocol checks."""

import random
from collections import deque
from dataclasses import dataclass, field

CHANNELS = {
    "aw": ("awaddr", "awlen", "awsize", "awburst"),
    "w": ("wdata", "wstrb", "wlast"),
    "ar": ("araddr", "arlen", "arsize", "arburst"),
}
CANARY = 0xA5


@dataclass
class AxiMemory:
    """Serves `bus` (an Axi4Signature interface driven by the block under test).

    `latency`: cycles from a read request's handshake to its first beat being offered, and from a burst's
    last W beat to its response being offered. Beats are as wide as the bus. `stall`: chance that a channel
    pauses for a cycle. `failing`:
    word addresses (bytes // 8) answered with SLVERR. `drop_beat`: index of a read beat that is lost.
    """

    bus: object
    size: int
    latency: int = 1
    stall: float = 0.0
    seed: int = 0
    failing: set = field(default_factory=set)
    drop_beat: int | None = None

    def __post_init__(self):
        self.bytes = bytearray([CANARY]) * self.size
        self.beat = len(self.bus.rdata) // 8  # bytes
        self.cycle = 0
        self.bursts = {"ar": [], "aw": []}
        self.read_beats = []  # cycles of the R handshakes
        self.write_beats = []
        self.responses = 0
        self.max_in_flight = 0

    def word(self, addr, size=8):
        return int.from_bytes(self.bytes[addr:addr + size], "little")

    def _fails(self, addr):
        return any(word in self.failing for word in range(addr // 8, (addr + self.beat) // 8))

    def load(self, addr, words):
        for index, word in enumerate(words):
            self.bytes[addr + 8 * index:addr + 8 * index + 8] = word.to_bytes(8, "little")

    def _request(self, channel, addr, length, size, burst):
        assert (1 << size, burst) == (self.beat, 1), "bursts are INCR of whole beats"
        assert length < 32 and addr % 8 == 0
        end = addr // self.beat * self.beat + self.beat * (length + 1)
        assert addr // 4096 == (end - 1) // 4096, f"burst {addr:#x}..{end:#x} crosses 4 KiB"
        assert end <= self.size, f"burst {addr:#x}..{end:#x} outside memory"
        self.bursts[channel].append((addr, length + 1))

    async def run(self, ctx):
        rng = random.Random(self.seed)
        bus = self.bus
        names = [*CHANNELS["aw"], "awvalid", *CHANNELS["w"], "wvalid", *CHANNELS["ar"], "arvalid",
                 "rready", "bready"]
        signals = [getattr(bus, name) for name in names]
        reads = deque()  # [ready cycle, data, resp, last]
        writes, beats, answers = deque(), deque(), deque()
        offered_r = offered_b = None
        held = {}  # what each channel's master must hold
        beat_index = 0
        while True:
            ready = {channel: rng.random() >= self.stall for channel in CHANNELS}
            for channel, value in ready.items():
                ctx.set(getattr(bus, channel + "ready"), value)
            if offered_r is None and reads and reads[0][0] <= self.cycle and rng.random() >= self.stall:
                offered_r = reads.popleft()
                ctx.set(bus.rdata, offered_r[1])
                ctx.set(bus.rresp, offered_r[2])
                ctx.set(bus.rlast, offered_r[3])
            ctx.set(bus.rvalid, offered_r is not None)
            if offered_b is None and answers and answers[0][0] <= self.cycle and rng.random() >= self.stall:
                offered_b = answers.popleft()
                ctx.set(bus.bresp, offered_b[1])
            ctx.set(bus.bvalid, offered_b is not None)

            _, _, *values = await ctx.tick().sample(*signals)
            got = dict(zip(names, values, strict=True))
            self.cycle += 1
            for channel, members in CHANNELS.items():
                now = tuple(got[name] for name in members)
                if channel in held:
                    assert got[channel + "valid"] and now == held[channel], f"{channel} changed while waiting"
                held.pop(channel, None)
                if got[channel + "valid"] and not ready[channel]:
                    held[channel] = now

            if got["arvalid"] and ready["ar"]:
                addr, length = got["araddr"], got["arlen"]
                self._request("ar", addr, length, got["arsize"], got["arburst"])
                for index in range(length + 1):
                    here = addr // self.beat * self.beat + self.beat * index
                    resp = 2 if self._fails(here) else 0
                    if beat_index != self.drop_beat:
                        due = self.cycle + self.latency - 1
                        reads.append((due, self.word(here, self.beat), resp, index == length))
                    beat_index += 1
            if offered_r is not None and got["rready"]:
                self.read_beats.append(self.cycle)
                offered_r = None
            if got["awvalid"] and ready["aw"]:
                self._request("aw", got["awaddr"], got["awlen"], got["awsize"], got["awburst"])
                writes.append((got["awaddr"], got["awlen"]))
            if got["wvalid"] and ready["w"]:
                beats.append((got["wdata"], got["wstrb"], got["wlast"]))
                self.write_beats.append(self.cycle)
            while writes and len(beats) > writes[0][1]:
                addr, length = writes.popleft()
                resp = 0
                for index in range(length + 1):
                    word, strobes, last = beats.popleft()
                    assert last == (index == length), "WLAST where it does not belong"
                    here = addr // self.beat * self.beat + self.beat * index
                    failing = self._fails(here)
                    resp = 2 if failing else resp
                    for lane in range(self.beat):
                        if strobes >> lane & 1 and not failing:
                            self.bytes[here + lane] = word >> 8 * lane & 0xFF
                answers.append((self.cycle + self.latency - 1, resp))
            if offered_b is not None and got["bready"]:
                self.responses += 1
                offered_b = None
            pending_bursts = len(self.bursts["aw"]) - self.responses
            self.max_in_flight = max(self.max_in_flight, pending_bursts)
