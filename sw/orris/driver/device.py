"""The driver: runs compiled layers on an accelerator behind a transport."""

from dataclasses import dataclass

from orris_hw.config import AcceleratorConfig
from orris_hw.register_map import IDENT, REGISTER, VERSION, ErrorCode, constants, counter_offset, counters_of

from ..compiler import CompiledLayer, CompiledVector
from ..golden.tensors import IntArray
from .errors import DeviceError
from .program import Program
from .transport import Transport

DEFAULT_TIMEOUT = 1 << 16
"""Cycles without progress after which the accelerator stops a program."""

WAIT_CYCLES = 1 << 32


@dataclass(frozen=True, eq=False)
class LayerResult:
    """The ofmap (N, M, E, F), and the performance counters by name."""

    ofmap: IntArray
    counters: dict[str, int]


class Device:
    """An accelerator of `config`, reached through `transport`.

    Raises
    ------
    DeviceError
        At once, if what answers is no Orris accelerator, has another register map or another geometry.
    """

    def __init__(self, transport: Transport, config: AcceleratorConfig):
        self._transport, self.config = transport, config
        self._identify()

    def run_layer(
        self, compiled: CompiledLayer | CompiledVector, *ifmaps: IntArray, timeout: int = DEFAULT_TIMEOUT,
        max_cycles: int = WAIT_CYCLES,
    ) -> LayerResult:
        """Load everything, run the layer, and fetch its ofmap.

        Raises
        ------
        TensorError
            Ifmaps of another number, shape or type than the layer's.
        DeviceError
            The layer is for another configuration, the program stopped with an error, or it did not end in
            `max_cycles`.
        """
        self.load(compiled, *ifmaps)
        self.start(compiled, timeout)
        self.finish(max_cycles)
        ofmap = compiled.ofmap
        content = self._transport.read_memory(ofmap.address, ofmap.layout.bytes)
        return LayerResult(compiled.unpack_ofmap(content), self.counters())

    def load(self, compiled: CompiledLayer | CompiledVector, *ifmaps: IntArray) -> None:
        """Put program, constants and ifmaps into memory."""
        if compiled.config.content_hash() != self.config.content_hash():
            raise DeviceError(
                f"{compiled.layer.name} is compiled for {compiled.config.name}, "
                f"the device is {self.config.name}"
            )
        contents = compiled.pack_ifmaps(*ifmaps)  # checked before anything is written
        for address, segment in (*compiled.segments, *contents):
            self._transport.write_memory(address, segment)

    def start(self, program: Program, timeout: int = DEFAULT_TIMEOUT) -> None:
        """Start a program that is in memory, such as that of a layer after `load`."""
        (read_base, read_limit), (write_base, write_limit) = program.read_window, program.write_window
        self.reset()
        for name, value in (
            ("PROGRAM_ADDRESS", program.program_address),
            ("PROGRAM_COMMANDS", program.commands),
            ("READ_BASE", read_base),
            ("READ_LIMIT", read_limit),
            ("WRITE_BASE", write_base),
            ("WRITE_LIMIT", write_limit),
            ("TIMEOUT", timeout),
        ):
            self._write(name, value)
        self._control(start=1, irq_enable=1)

    def finish(self, max_cycles: int = WAIT_CYCLES) -> None:
        """Wait for the program's end; DeviceError if it is not a good one."""
        ended = self._transport.wait(max_cycles)
        status = REGISTER["STATUS"].unpack(self._read("STATUS"))
        if status["error"]:
            number, command = self._read("ERROR_CODE"), self._read("ERROR_INDEX")
            code = ErrorCode(number) if number in ErrorCode.__members__.values() else None
            name = code.name if code is not None else f"unknown error {number}"
            raise DeviceError(f"the program stopped at command {command}: {name}", code, command)
        if not status["done"]:
            why = f"within {max_cycles} cycles" if not ended else "although it gave an interrupt"
            raise DeviceError(f"the program did not end {why}")

    def reset(self) -> None:
        """Abandon what runs, and clear done and error."""
        self._control(soft_reset=1)

    def counters(self) -> dict[str, int]:
        """The performance counters there are, by name, of the last program."""
        result = {}
        for counter in counters_of(self.config):
            offset = counter_offset(counter.name)
            low = self._transport.read_register(offset)  # also latches the upper bits
            result[counter.name] = self._transport.read_register(offset + 4) << 32 | low
        return result

    def _identify(self) -> None:
        ident = self._read("IDENT")
        if ident != IDENT:
            raise DeviceError(f"no Orris accelerator answers: IDENT reads {ident:#010x}, not {IDENT:#010x}")
        version = self._read("VERSION")
        if version >> 16 != VERSION >> 16:
            raise DeviceError(
                f"the accelerator's register map is version {version >> 16}.{version & 0xFFFF}, "
                f"the driver needs {VERSION >> 16}.x"
            )
        for name, expected in constants(self.config).items():
            register = REGISTER[name]
            found, wanted = register.unpack(self._read(name)), register.unpack(expected)
            for field, value in wanted.items():
                if found[field] != value:
                    raise DeviceError(
                        f"the accelerator is not {self.config.name}: {name}.{field} is {found[field]}, "
                        f"expected {value}"
                    )

    def _control(self, **fields: int) -> None:
        self._write("CONTROL", REGISTER["CONTROL"].pack(**fields))

    def _write(self, name: str, value: int) -> None:
        self._transport.write_register(REGISTER[name].offset, value)

    def _read(self, name: str) -> int:
        return self._transport.read_register(REGISTER[name].offset)
