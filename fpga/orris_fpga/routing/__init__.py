"""A router of our own for devices so full that nextpnr's leaves wires overused.

A placed netlist's nets go, their `pins` as wires of nextpnr's `chip_database`, to a program in C++
(`router/`, compiled on first use), which finds each net a tree of pips, faster ones for slow paths; inputs of
LUTs may be exchanged on the way (`lut_inputs`). The routes go back into the netlist, are checked
(`legality`), and nextpnr adds the clocks.
"""
