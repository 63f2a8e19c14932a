"""A component's ports as Verilog sees them: flat, with clean names."""

from dataclasses import dataclass

from amaranth.hdl import Signal, ValueCastable
from amaranth.lib import wiring

from ..errors import OrrisError


class EmissionError(OrrisError):
    """A component that cannot be written as Verilog."""


@dataclass(frozen=True)
class Port:
    """One Verilog port. ``direction`` is ``"input"`` or ``"output"``, ``width`` is in bits."""

    name: str
    direction: str
    width: int
    signed: bool

    def as_dict(self) -> dict[str, object]:
        return {"name": self.name, "direction": self.direction, "width": self.width, "signed": self.signed}


def component_ports(component: wiring.Component) -> list[tuple[Port, Signal]]:
    """Every port of a component with its signal, in signature order.

    Nested members join their names with one underscore (``m_axi`` and ``awaddr`` become
    ``m_axi_awaddr``); a payload of any layout is one port.
    """
    ports: dict[str, tuple[Port, Signal]] = {}
    for path, member, value in component.signature.flatten(component):
        name = "_".join(map(str, path))
        if isinstance(value, ValueCastable):
            value = value.as_value()
        where = f"port '{name}' of {type(component).__name__}"
        if not isinstance(value, Signal):
            raise EmissionError(f"{where} is not a signal but {value!r}")
        if len(value) == 0:
            raise EmissionError(f"{where} has no bits, which Verilog cannot express")
        if name in ports:
            raise EmissionError(f"{where} occurs twice once its members' names are joined")
        direction = "input" if member.flow == wiring.In else "output"
        ports[name] = Port(name, direction, len(value), value.shape().signed), value
    return list(ports.values())


def rename_ports(component: wiring.Component, prefix: str = "") -> None:
    """Name the signals behind a component's ports after the ports, so that no aliases are emitted."""
    for port, signal in component_ports(component):
        signal.name = f"{prefix}{port.name}"
