"""Runs a component in Amaranth's simulator."""

from amaranth.sim import Simulator


def simulate(component, bench, *background):
    """Until `bench` is through; what stands in the background goes on as long."""
    simulator = Simulator(component)
    simulator.add_clock(1e-8)
    for other in background:
        simulator.add_testbench(other, background=True)
    simulator.add_testbench(bench)
    simulator.run()
