"""A placer of our own for devices so full that nextpnr's find no legal placement.

nextpnr packs a netlist; `placing` reads it into a model (`packed_netlist`), which a program in C++
(`annealer/`, compiled on first use) places on the device's `fabric`; the placement goes back into the
netlist, is checked (`legality`), and nextpnr routes it.
"""
