"""Puts the lockstep program in the place of its module: a Verilog module that calls it, and the calls."""

import re
from dataclasses import dataclass
from pathlib import Path

from .expressions import parts
from .program import lockstep_program
from .rtlil import LockstepError, Module, read_modules
from .structs import CLOCK

LANES_HEADER = Path(__file__).with_name("lanes.h")

_SHELL = """\
module {name}({ports});
{declarations}
  import "DPI-C" function chandle lockstep_new();
  import "DPI-C" function void lockstep_delete(input chandle self);
  import "DPI-C" function void lockstep_cycle(input chandle self, {takes});
  import "DPI-C" function void lockstep_outputs(input chandle self, {gives});
  chandle self;
  initial begin
    self = lockstep_new();
    lockstep_outputs(self, {outputs});
  end
  final lockstep_delete(self);
{variables}
  always @(posedge {clock}) begin
    lockstep_cycle(self, {inputs});
    lockstep_outputs(self, {nexts});
{assignments}
  end
{check}endmodule
"""

_CHECK = """\
  import "DPI-C" function void lockstep_differ();
{wires}
  {name}_checked checked({connections});
  always @(posedge {clock})
    if ({{{outputs}}} !== {{{others}}}) lockstep_differ();
"""

_CALLS = """\

extern "C" {{
void* lockstep_new() {{ return new {name}; }}
void lockstep_delete(void* self) {{ delete static_cast<{name}*>(self); }}
void lockstep_cycle(void* self, {takes}) {{
    auto& top = *static_cast<{name}*>(self);
{loads}
    top.cycle();
}}
void lockstep_outputs(void* self, {gives}) {{
    const auto& top = *static_cast<{name}*>(self);
{stores}
}}
static uint64_t differences;
void lockstep_differ() {{ ++differences; }}
__attribute__((visibility("default"))) uint64_t lockstep_differences() {{ return differences; }}
}}
"""


@dataclass(frozen=True)
class Lockstep:
    """A design in which one module is simulated in lockstep: its Verilog, and C++ to compile with it."""

    verilog: str
    program: str


def with_lockstep(verilog: str, netlist: str, name: str, check: bool = False) -> Lockstep:
    """Replaces module `name` of a Verilog text by a program made from its RTLIL.

    Parameters
    ----------
    verilog : str
    netlist : str
        RTLIL of module `name`; see `lockstep_program`.
    check : bool
        Simulates the module's Verilog as well, on the same inputs; the program's `lockstep_differences()`
        says in how many cycles an output was not the same.

    Raises
    ------
    LockstepError
        If there is no such module, or it cannot be simulated in lockstep.
    """
    module = read_modules(netlist)[name]
    found = re.search(rf"^module {name}\b.*?^endmodule\n", verilog, re.MULTILINE | re.DOTALL)
    if found is None:
        raise LockstepError(f"the Verilog has no module {name}")
    original = found[0].replace(f"module {name}", f"module {name}_checked", 1) if check else ""
    verilog = verilog[: found.start()] + _shell(module, check) + original + verilog[found.end() :]
    return Lockstep(verilog, lockstep_program(netlist, name) + _calls(module))


def _ports(module: Module) -> tuple[list[tuple[str, int]], list[tuple[str, int]]]:
    """Names and widths of inputs (without the clock) and of outputs."""
    inputs = [(name[1:], module.widths[name]) for name in module.inputs if name[1:] != CLOCK]
    return inputs, [(name[1:], module.widths[name]) for name in module.outputs]


def _shell(module: Module, check: bool) -> str:
    inputs, outputs = _ports(module)
    names, ins = [name for name, _ in outputs], [name for name, _ in inputs]

    def each(template: str, ports: list[tuple[str, int]], between: str = ", ") -> str:
        return between.join(template.format(name=name, high=width - 1) for name, width in ports)

    comparison = _CHECK.format(
        name=module.name, clock=CLOCK,
        wires=each("  wire [{high}:0] checked_{name};", outputs, "\n"),
        connections=", ".join([f".{name}({name})" for name in [CLOCK, *ins]]
                              + [f".{name}(checked_{name})" for name in names]),
        outputs=", ".join(names), others=", ".join(f"checked_{name}" for name in names),
    )  # fmt: skip
    return _SHELL.format(
        name=module.name, clock=CLOCK, ports=", ".join([CLOCK, *ins, *names]),
        declarations="\n".join(["  input clk;", each("  input [{high}:0] {name};", inputs, "\n"),
                                each("  output reg [{high}:0] {name};", outputs, "\n")]),
        takes=each("input bit [{high}:0] {name}", inputs),
        gives=each("output bit [{high}:0] {name}", outputs),
        variables=each("  bit [{high}:0] next_{name};", outputs, "\n"),
        inputs=", ".join(ins), outputs=", ".join(names), nexts=each("next_{name}", outputs),
        assignments=each("    {name} <= next_{name};", outputs, "\n"),
        check=comparison if check else "",
    )  # fmt: skip


def _calls(module: Module) -> str:
    inputs, outputs = _ports(module)
    loads = [
        f"    top.i_{name}_{k} = {f'-(*{name} & 1)' if width == 1 else f'{name}[{k}]'};"
        for name, width in inputs for k in parts(width)
    ]  # fmt: skip
    stores = [
        f"    {name}[{k}] = top.o_{name}_{k}{' & 1' if width == 1 else ''};"
        for name, width in outputs for k in parts(width)
    ]  # fmt: skip
    return _CALLS.format(
        name=module.name, loads="\n".join(loads), stores="\n".join(stores),
        takes=", ".join(f"const uint32_t* {name}" for name, _ in inputs),
        gives=", ".join(f"uint32_t* {name}" for name, _ in outputs),
    )  # fmt: skip
