"""What a LUT of an ECP5 computes: beside its table only Yosys' model of a carry cell, CCU2C."""

from itertools import product

NETS = (10, 11, 12, 13)


def outputs(cell, opened):
    """LUT4 for all values of the nets, and a carry's LUT2, INIT[3:0] of A and B; open inputs are `opened`."""
    table = int(cell["parameters"]["INITVAL"], 2)
    found = []
    for values in product((0, 1), repeat=len(NETS)):
        value = dict(zip(NETS, values, strict=True))
        a, b, c, d = (value[net[0]] if (net := cell["connections"][port]) else opened for port in "ABCD")
        lut4 = table >> (a + 2 * b + 4 * c + 8 * d) & 1
        lut2 = table >> (a + 2 * b) & 1
        found.append((lut4, lut2) if cell["parameters"]["MODE"] == "CCU2" else lut4)
    return found
