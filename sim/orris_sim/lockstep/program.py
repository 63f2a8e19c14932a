"""The C++ of a tree of modules: one struct per module, or per set of many of the same."""

from .netlist import Netlist
from .rtlil import Module, read_modules
from .sets import Set
from .structs import Struct, set_of


def lockstep_program(rtlil: str, top: str) -> str:
    """C++ for module `top`, its instances, and theirs.

    The instances of `top` are the lanes of vectors, as many vectors of each module as it takes. Of theirs,
    all lanes are computed at once: those without instances of their own in `sets`, others one after the
    other. Each module becomes a struct of its own name: `i_*` are its input ports in 32-bit parts, `o_*` its
    outputs, which come from registers; `cycle()` does what a rising clock edge does.

    Parameters
    ----------
    rtlil : str
        Modules of simple cells, flattened but for those that are instantiated several times.
    top : str

    Raises
    ------
    LockstepError
        If a module has an output that follows an input within a cycle, a loop, a second clock, or a cell
        that is not supported.
    """
    modules = read_modules(rtlil)
    outputs = {name: [port[1:] for port in module.outputs] for name, module in modules.items()}
    structs: dict[str, str] = {}

    def write(name: str, is_top: bool) -> Module:
        netlist = Netlist(modules[name], outputs)
        children: dict[str, Module] = {}
        for kind in dict.fromkeys(cell.kind[1:] for cell in netlist.instances):
            inner = Netlist(modules[kind], outputs)
            if is_top or inner.instances:
                children[kind] = write(kind, False)
            else:
                children[kind] = inner.module
                structs.setdefault(set_of(kind), Set(inner, {}).text())
        if name not in structs:
            structs[name] = Struct(netlist, children, is_top).text()
        return netlist.module

    write(top, True)
    return '#include "lanes.h"\n\n' + "\n".join(structs.values())
