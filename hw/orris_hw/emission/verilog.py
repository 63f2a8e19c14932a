"""From a component to one Verilog-2001 text."""

from collections.abc import Sequence
from dataclasses import dataclass

from amaranth._toolchain.yosys import YosysBinary, YosysError, _BuiltinYosys, find_yosys
from amaranth.lib import wiring

from .library import ModuleLibrary
from .ports import EmissionError, Port
from .rtlil_text import join_modules, merge_modules
from .verilog_text import compact_initial, file_header, order_ports, split_verilog

# Plain assigns instead of always @* blocks: a simulator that never triggers those at time 0 would
# show X, and both Icarus and Verilator run about three times faster. Resets and enables go into the
# registers' own statements (opt_dff): as part of the next value, a reset from outside makes Verilator
# compute all logic a second time, at half the speed. A memory named so that it needs no initial content
# gets none: large RAMs of some FPGAs cannot have one.
_SCRIPT = """\
read_rtlil <<rtlil
{rtlil}
rtlil
proc -norom -noopt
opt_clean -purge
opt_merge
opt_dff
opt_clean -purge
delete t:$meminit_v2 r:MEMID=*uninitialised* %i
memory_collect
"""
_WRITE_VERILOG = "write_verilog -noattr\n"
_WRITE_NETLIST = "flatten\nopt_clean -purge\nopt_merge\nopt_clean -purge\nwrite_rtlil -\n"

@dataclass(frozen=True)
class Emitted:
    """Verilog text and the ports of its top module."""

    name: str
    verilog: str
    ports: tuple[Port, ...]


def emit(component: wiring.Component, name: str, header_lines: Sequence[str] = (), *,
         check_keys: bool = False) -> Emitted:
    """Write a component as Verilog-2001; the same component gives the same bytes.

    Parameters
    ----------
    component : :class:`amaranth.lib.wiring.Component`
        The top level, not elaborated before. Its clock domain ``sync`` becomes ports ``clk`` and ``rst``.
    name : str
        Module name of the top level, and prefix of the helper modules' names.
    header_lines : sequence of str
        Lines for the comment at the top of the file.
    check_keys : bool
        Compare whole modules, not only their ``emission_key``; see :class:`.library.ModuleLibrary`.

    Raises
    ------
    EmissionError
        If the component cannot be expressed, or Yosys is missing or fails.
    """
    library = ModuleLibrary(check_keys=check_keys)
    top = library.add(component, name)
    modules = _merged(library, name)
    bodies = split_verilog(_run_yosys(join_modules(modules), _WRITE_VERILOG))
    orders = {unit.name: [port.name for port in unit.ports] for unit in library.units}
    parts = [file_header([name, *header_lines])]
    for module in modules:
        if module not in bodies:  # Yosys wrote it as an escaped identifier
            raise EmissionError(f"'{module}' is a reserved word of Verilog and cannot name a module")
        parts.append(compact_initial(order_ports(bodies[module], orders.get(module, ("clk", "rst")))))
    return Emitted(name, "\n".join(parts), top.ports)


def emit_verilog(component: wiring.Component, name: str, header_lines: Sequence[str] = ()) -> str:
    """The Verilog text alone; see :func:`emit`."""
    return emit(component, name, header_lines).verilog


def emit_netlist(component: wiring.Component, name: str, keep: Sequence[str] = ()) -> str:
    """Write a component as RTLIL of simple cells, made by the same steps as its Verilog.

    Parameters
    ----------
    component, name
        As for :func:`emit`.
    keep : sequence of str
        Modules that stay modules; all others are dissolved in those around them.

    Raises
    ------
    EmissionError
        Like :func:`emit`.
    """
    library = ModuleLibrary()
    library.add(component, name)
    modules = _merged(library, name)
    text = "".join(
        ("attribute \\keep_hierarchy 1\n" if module in keep else "") + join_modules({module: body})
        for module, body in modules.items()
    )
    return _run_yosys(text, _WRITE_NETLIST)


def _merged(library: ModuleLibrary, name: str) -> dict[str, str]:
    """All modules of an emission under their final names, parents first."""
    modules: dict[str, str] = {}
    classes: dict[str, str] = {}
    for unit in reversed(library.units):  # the top first, inner units later
        modules |= unit.modules
        classes |= unit.classes
    fixed = {unit.name for unit in library.units}
    return merge_modules(modules, fixed, classes, prefix=name)


def _run_yosys(rtlil: str, write: str) -> str:
    # The pinned Yosys comes first: another version would write other bytes.
    try:
        yosys: type[YosysBinary] = (
            _BuiltinYosys if _BuiltinYosys.available() else find_yosys(lambda version: version >= (0, 40)))
        return yosys.run(["-q", "-"], _SCRIPT.format(rtlil=rtlil) + write, ignore_warnings=True)
    except YosysError as error:
        raise EmissionError(f"Yosys cannot write the design: {error}") from error

