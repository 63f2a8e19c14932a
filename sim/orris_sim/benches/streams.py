"""Both ends of a stream: a source and a sink that stall at random and follow the port's layout."""

from collections.abc import Iterable, Mapping
from typing import Any

import cocotb
from amaranth.hdl import Const, Shape
from amaranth.lib import data, wiring
from cocotb.triggers import RisingEdge
from cocotb.types import LogicArray, Range

from .bench import four_valued, generator, known

_AFTER = 30  # cycles


class _Port:
    """The three signals of a stream port, found by the port's name in the Verilog."""

    def __init__(self, dut: Any, component: wiring.Component, name: str, stall: float):
        self._name, self._stall = name, stall
        self._edge = RisingEdge(dut.clk)
        self._valid, self._ready = getattr(dut, f"{name}_valid"), getattr(dut, f"{name}_ready")
        self._payload = getattr(dut, f"{name}_payload")
        self._shape = _payload_shape(component, name)
        self._rng = generator(name)

    async def _pause(self) -> None:
        while self._rng.random() < self._stall:
            await self._edge


class StreamSource(_Port):
    """Sends payloads into a stream port of the design.

    Before each payload it pauses for a cycle with probability `stall`, again and again. While nothing is
    offered the payload is X, or garbage where the simulator has no X: who looks at it then is wrong.

    Parameters
    ----------
    dut : cocotb handle
    component : wiring.Component
        What the design was made from, for the payload's layout.
    name : str
        The port's name in the Verilog, such as `psum_0`.
    stall : float
    """

    def __init__(self, dut: Any, component: wiring.Component, name: str, stall: float = 0.0):
        super().__init__(dut, component, name, stall)
        self._width = Shape.cast(self._shape).width
        self.sent = 0
        self._idle()

    def _idle(self) -> None:
        self._valid.value = 0
        if four_valued():
            self._payload.value = LogicArray("X" * self._width, Range(self._width - 1, "downto", 0))
        else:
            self._payload.value = self._rng.getrandbits(self._width)

    async def send(self, payloads: Iterable[Any]) -> None:
        """Sends one after the other; ints, or mappings from field to value where the payload is a struct."""
        for payload in payloads:
            if self._stall:
                self._idle()
                await self._pause()
            self._payload.value = pack(self._shape, payload)
            self._valid.value = 1
            await self._edge
            while not known(self._ready):
                await self._edge
            self.sent += 1
        self._idle()


class StreamSink(_Port):
    """Takes payloads from a stream port of the design, and checks the rules of streams.

    It is ready with probability 1 - `stall` in each cycle. Valid must always be known, the payload while
    valid is high; what is offered must stay until it is taken.

    Parameters: as for `StreamSource`.
    """

    def __init__(self, dut: Any, component: wiring.Component, name: str, stall: float = 0.0):
        super().__init__(dut, component, name, stall)
        self.received: list[Any] = []
        """Payloads taken: ints, or dicts where the payload is a struct."""
        self._ready.value = 0

    def start(self) -> "StreamSink":
        """Takes payloads from now to the end of the bench."""
        cocotb.start_soon(self._run())
        return self

    async def _run(self) -> None:
        held: int | None = None
        ready = False
        while True:
            ready = self._rng.random() >= self._stall
            self._ready.value = int(ready)
            await self._edge
            if known(self._valid):
                now = known(self._payload)
                assert held in (None, now), f"{self._name} was {held:#x} and is {now:#x} before it was taken"
                held = None if ready else now
                if ready:
                    self.received.append(unpack(self._shape, now))
            else:
                assert held is None, f"{self._name} took {held:#x} back before it was taken"


    async def check(self, expected: list[Any], cycles: int) -> None:
        """Waits, at most so many cycles, until all payloads have come, then for some that should not come.

        They must be the expected ones, in order.
        """
        for _ in range(cycles):
            if len(self.received) >= len(expected):
                break
            await self._edge
        for _ in range(_AFTER):
            await self._edge
        for number, (got, wanted) in enumerate(zip(self.received, expected, strict=False)):
            assert got == wanted, f"{self._name}: number {number} of {len(expected)} is {got}, not {wanted}"
        count = len(self.received)
        assert count == len(expected), f"{self._name}: {count} payloads came, not {len(expected)}"


def _payload_shape(component: wiring.Component, stream: str) -> Any:
    for path, member, _ in component.signature.flatten(component):
        if "_".join(map(str, path)) == f"{stream}_payload":
            return member.shape
    raise ValueError(f"{type(component).__name__} has no stream '{stream}'")


def pack(shape: Any, value: Any) -> int:
    """The bits of a value of an Amaranth shape."""
    if isinstance(value, Mapping):
        return data.Layout.cast(shape).const(value).as_bits()
    return Const(value, Shape.cast(shape)).value & ((1 << Shape.cast(shape).width) - 1)


def unpack(shape: Any, bits: int) -> Any:
    """The value of an Amaranth shape in the lowest of these bits: an int, or a dict by field."""
    try:
        fields = data.Layout.cast(shape)
    except TypeError:  # no struct
        fields = None
    if fields is not None:
        return {name: unpack(field.shape, bits >> field.offset) for name, field in fields}
    cast = Shape.cast(shape)
    bits &= (1 << cast.width) - 1
    return bits - (1 << cast.width) if cast.signed and bits >> (cast.width - 1) else bits
