"""A hard module boundary: every component so marked under one name shares one Verilog module."""

from typing import Any

from amaranth.hdl import Elaboratable
from amaranth.lib import wiring

from .library import ModuleLibrary


class Once(Elaboratable):
    """Instantiates ``component`` as the Verilog module ``name``, which is emitted once.

    The parent adds the wrapper as its submodule and goes on connecting the component's own ports::

        m.submodules.pe_0_0 = Once(pe, "pe")
        wiring.connect(m, pe.psum, ...)

    In simulation the wrapper is transparent. When Verilog is emitted, the first component seen under
    ``name`` is elaborated on its own, with all of its ports (nothing is pruned by how this or that
    parent uses it), and each use becomes an instance of that module. ``Once`` nests.

    All components of one name have to be the same hardware. A component states what it is made from in
    an attribute ``emission_key`` (any comparable value, such as its configuration and constructor
    arguments), which is compared with the first one's. Without the attribute the component itself is
    elaborated and compared: always sound, but slower.

    Clock domains reach the module as ports ``clk`` and ``rst`` (``<domain>_clk``, ``<domain>_rst`` for a
    domain other than ``sync``), connected to the domain around the instance: ``DomainRenamer`` around a
    parent works as usual. ``ResetInserter`` and ``EnableInserter`` rewrite registers and so do not reach
    into the module: to reset a part of a design, give it a clock domain of its own with the same
    ``clk`` and ``rst`` driven from the wanted condition.

    Parameters
    ----------
    component : :class:`amaranth.lib.wiring.Component`
        What to instantiate.
    name : str
        Verilog module name.

    Raises
    ------
    EmissionError
        While emitting, if two different components are given the same name.
    """

    def __init__(self, component: wiring.Component, name: str) -> None:
        if not isinstance(component, wiring.Component):
            raise TypeError(f"Once expects a wiring.Component, not {component!r}")
        if not name.isidentifier():
            raise ValueError(f"Once expects a Verilog identifier as module name, not {name!r}")
        self.component = component
        self.name = name

    def elaborate(self, platform: object) -> Any:
        if isinstance(platform, ModuleLibrary):
            return platform.instantiate(self.component, self.name)
        return self.component
