"""Small netlists as nextpnr packs them for an ECP5, made up for tests of the placer."""

import random

from orris_fpga.placement.fabric import Fabric

SMALL = Fabric(
    device="small ECP5", database="none", columns=(2, 13), rows=(2, 11), groups=(4,), memory_rows=(5,),
    multiplier_rows=(8,),
)  # fmt: skip
"""Of 96 logic tiles, four block RAMs and four multipliers."""


class Packed:
    """A packed module under construction; nets are numbers."""

    def __init__(self):
        self.cells = {}
        self._nets = 1
        self.clock, self.constant = self.net(), self.net()
        self.pad("clock", self.clock, "X1/Y5/PIOA")

    @property
    def module(self):
        return {"cells": self.cells, "settings": {}}

    def net(self):
        self._nets += 1
        return self._nets

    def add(self, name, kind, inputs, outputs, parameters=None, site=None):
        connections = {port: [] if net is None else [net] for port, net in (inputs | outputs).items()}
        self.cells[name] = {
            "type": kind, "parameters": parameters or {}, "attributes": {"BEL": site} if site else {},
            "connections": connections,
            "port_directions": dict.fromkeys(inputs, "input") | dict.fromkeys(outputs, "output"),
        }  # fmt: skip

    def pad(self, name, net, site):
        self.add(name, "TRELLIS_IO", {}, {"O": net}, site=site)
        return net

    def lut(self, name, *inputs, mode=None, **ports):
        output = self.net()
        parameters = {"MODE": mode} if mode else {}
        pins = dict(zip("ABCD", inputs, strict=False)) | ports
        self.add(name, "TRELLIS_COMB", pins, {"F": output}, parameters)
        return output

    def flip_flop(self, name, data, enable=None, reset=None, paired=False, **parameters):
        output = self.net()
        self.add(
            name, "TRELLIS_FF", {"CLK": self.clock, "LSR": reset, "CE": enable, "DI": data}, {"Q": output},
            {
                "SD": "1 " if paired else "0 ", "CLKMUX": "CLK", "LSRMUX": "LSR", "GSR": "DISABLED",
                "CEMUX": "1 " if enable is None else "CE",
            } | parameters,
        )  # fmt: skip
        return output

    def chain(self, name, inputs):
        """A carry chain of as many LUTs as inputs; its sums."""
        carry, sums = None, []
        for index, net in enumerate(inputs):
            into, carry = carry, self.net() if index + 1 < len(inputs) else None
            sums.append(self.lut(f"{name}.{index}", net, mode="CCU2", FCI=into))
            cell = self.cells[f"{name}.{index}"]
            cell["connections"]["FCO"] = [] if carry is None else [carry]
            cell["port_directions"]["FCO"] = "output"
        return sums

    def ram(self, name, address, data, write=None):
        """A 16 x 4 RAM; its outputs."""
        internal = [self.net() for _ in range(4)]
        self.add(
            f"{name}$RAMW_SLICE", "TRELLIS_RAMW", {"A0": address, "B0": data},
            {f"WDO{i}": net for i, net in enumerate(internal)},
        )  # fmt: skip
        for index in range(2):
            self.add(f"{name}$RAMW_BLOCK{index}", "TRELLIS_COMB", {}, {}, {"MODE": "RAMW_BLOCK"})
        return [
            self.lut(
                f"{name}$DPRAM_COMB{index}", address, mode="DPRAM", WD=internal[index],
                WCK=self.clock, WRE=write,
            )  # fmt: skip
            for index in range(4)
        ]

    def multiplier(self, name, a, controls=(), site=None):
        """A multiplier with nets at its controls, such as {"CE0": net}; its product."""
        product = self.net()
        ports = {f"{kind}{index}": None for kind in ("CLK", "CE", "RST") for index in range(4)}
        parameters = {"REG_INPUTA_CLK": "CLK0", "REG_INPUTA_CE": "CE0", "REG_INPUTA_RST": "RST0"}
        self.add(name, "MULT18X18D", {"A0": a} | ports | dict(controls), {"P0": product}, parameters, site)
        return product


def random_netlist(seed, logic=150):
    """LUTs, pairs, flip-flops of several controls, chains, RAMs, a block RAM, multipliers, wired anyhow."""
    rng = random.Random(seed)
    packed = Packed()
    nets = [packed.pad(f"pad_{i}", packed.net(), f"X0/Y{2 + i}/PIOA") for i in range(4)]
    resets, enables = [None, nets[0], nets[1]], [None, nets[2], nets[3]]

    def recent():
        return nets[max(0, len(nets) - 1 - rng.randrange(25))]

    for index in range(logic):
        what = rng.random()
        controls = {"enable": rng.choice(enables), "reset": rng.choice(resets)}
        if what < 0.35:
            nets.append(packed.lut(f"lut_{index}", *(recent() for _ in range(3))))
        elif what < 0.6:
            data = packed.lut(f"lut_{index}", *(recent() for _ in range(3)))
            nets.append(packed.flip_flop(f"pair_{index}", data, paired=True, **controls))
        elif what < 0.9:
            nets.append(packed.flip_flop(f"flip_flop_{index}", recent(), **controls))
        elif what < 0.95:
            sums = packed.chain(f"chain_{index}", [recent() for _ in range(rng.choice((4, 8, 14)))])
            nets.append(packed.flip_flop(f"sum_{index}", sums[1], paired=True, **controls))
            nets += sums[2:]
        else:
            nets += packed.ram(f"ram_{index}", recent(), recent())
    packed.add("memory", "DP16KD", {"DIA0": recent()}, {"DOA0": packed.net()}, {"REGMODE_B": "OUTREG"})
    for index in range(2):
        packed.multiplier(f"multiplier_{index}", recent(), {"CE0": nets[2 + index], "CLK0": packed.clock})
    return packed
