"""The modules of one emission: each hard boundary is elaborated on its own, once."""

from collections.abc import Iterable
from dataclasses import dataclass

from amaranth.back import rtlil
from amaranth.hdl import (
    ClockDomain,
    ClockSignal,
    Elaboratable,
    Fragment,
    Instance,
    Module,
    ResetSignal,
    Signal,
)
from amaranth.hdl._ir import Design, PortDirection
from amaranth.lib import wiring

from . import rtlil_text
from .ports import EmissionError, Port, component_ports, rename_ports


@dataclass(frozen=True)
class Unit:
    """One separately elaborated module, with the helper modules below it.

    ``modules`` maps RTLIL module names (the first is the unit's own) to their bodies; ``classes`` maps
    them to the Python class they come from; ``domains`` maps clock and reset ports to their domain.
    """

    name: str
    key: tuple[type, object]  # class and emission_key
    ports: tuple[Port, ...]
    domains: dict[str, tuple[str, str]]  # port name -> (domain, "clk" or "rst")
    modules: dict[str, str]
    classes: dict[str, str]


class ModuleLibrary:
    """The platform that designs are elaborated with when Verilog is emitted; see :class:`.once.Once`.

    With ``check_keys``, every component is elaborated and compared even if it has an ``emission_key``:
    slow, and meant for tests that the key tells apart all that differs.
    """

    def __init__(self, *, check_keys: bool = False) -> None:
        self._check_keys = check_keys
        self._units: dict[str, Unit] = {}

    @property
    def units(self) -> list[Unit]:
        """Units in the order in which they were completed: inner ones first."""
        return list(self._units.values())

    def add(self, component: wiring.Component, name: str) -> Unit:
        """Elaborate ``component`` as module ``name``, or find it, and check that it is the same."""
        key = (type(component), getattr(component, "emission_key", None))
        known = self._units.get(name)
        if known is not None and not self._check_keys and hasattr(component, "emission_key"):
            _mark_used(component)
            if key != known.key:
                raise EmissionError(
                    f"two different components are named '{name}': {known.key[0].__name__} with key "
                    f"{known.key[1]!r} and {key[0].__name__} with key {key[1]!r}")
            return known
        unit = self._elaborate(component, name, key)
        known = self._units.setdefault(name, unit)  # only now: a module of this name may be nested inside
        if (unit.key, unit.modules) != (known.key, known.modules):
            raise EmissionError(f"two different components are named '{name}': {known.key[0].__name__} and "
                                f"{key[0].__name__} do not elaborate to the same hardware")
        return unit

    def instantiate(self, component: wiring.Component, name: str) -> Instance:
        """An instance of module ``name``, connected to the component's own port signals."""
        unit = self.add(component, name)
        connections: list[tuple[str, str, object]] = []
        for port, (domain, line) in unit.domains.items():
            signal = ClockSignal(domain) if line == "clk" else ResetSignal(domain, allow_reset_less=True)
            connections.append(("i", port, signal))
        for port, signal in component_ports(component):
            connections.append((port.direction[0], port.name, signal))
        return Instance(name, *connections)

    def _elaborate(self, component: wiring.Component, name: str, key: tuple[type, object]) -> Unit:
        fragment = Fragment.get(component, self)
        _name_instance_ports(fragment)
        rename_ports(component)

        # Domains nobody below defines become ports; clocks come first in the port list.
        missing: list[ClockDomain] = []
        fragment._propagate_domains(lambda domain: missing.append(ClockDomain(domain)) or missing[-1])
        ports: dict[str, tuple[Signal, PortDirection]] = {}
        domains: dict[str, tuple[str, str]] = {}
        for domain in sorted(missing, key=lambda domain: (domain.name != "sync", domain.name)):
            for line, signal in ("clk", domain.clk), ("rst", domain.rst):
                ports[signal.name] = signal, PortDirection.Input
                domains[signal.name] = domain.name, line
        for port, signal in component_ports(component):
            if port.name in ports:
                raise EmissionError(f"port '{port.name}' of {type(component).__name__} has the name "
                                    "of a clock or reset that the emitted module needs")
            ports[port.name] = signal, PortDirection(port.direction)

        design = fragment.prepare(ports, hierarchy=(name,), propagate_domains=False)
        text, _ = rtlil.convert_fragment(design, name=name, emit_src=False)
        modules = rtlil_text.split_modules(text)
        for port in [port for port, (_, line) in domains.items() if line == "rst"]:
            # A domain has a reset whether or not a register listens to it: leave out the idle one.
            if not rtlil_text.is_used(modules[name], port):
                modules[name] = rtlil_text.drop_port(modules[name], port)
                del domains[port]
        clocks = tuple(Port(port, "input", 1, False) for port in domains)
        signals = tuple(port for port, _ in component_ports(component))
        return Unit(name, key, clocks + signals, domains, modules, _module_classes(design))


def _module_classes(design: Design) -> dict[str, str]:
    """RTLIL module name -> name of the outermost class that stands for it."""
    from .once import Once  # late: Once needs the library to recognise an emission

    classes: dict[str, str] = {}
    for elaboratable, fragment in design.elaboratables.items():
        if not isinstance(elaboratable, (Module, Once)) and not hasattr(elaboratable, "_transforms_"):
            classes.setdefault(".".join(design.fragments[fragment].name), type(elaboratable).__name__)
    return classes


def _name_instance_ports(fragment: Fragment) -> None:
    """Prefix the port signals of every instance made by Once with the instance's name.

    Otherwise 168 PEs give the parent `psum`, `psum$1`, `psum$2`, ...
    """
    from .once import Once

    for subfragment, name, _src_loc in fragment.subfragments:
        for origin in subfragment.origins or ():
            if isinstance(origin, Once):
                rename_ports(origin.component, f"{name}_" if name else "")
        _name_instance_ports(subfragment)


def _mark_used(value: object) -> None:
    """Tell Amaranth that a component left out, because its module is there already, is no mistake."""
    if isinstance(value, Elaboratable):
        if value._MustUse__used:
            return
        value._MustUse__used = True
        _mark_used(vars(value))
    elif isinstance(value, dict):
        _mark_used(value.values())
    elif isinstance(value, Iterable) and not isinstance(value, (str, bytes)) and not hasattr(value, "shape"):
        for item in value:
            if isinstance(item, (Elaboratable, dict, list, tuple)):
                _mark_used(item)
