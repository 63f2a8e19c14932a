"""Puts a generated accelerator into a design of one's own, and lints the two together.

    python examples/use_verilog.py [PRESET] [DIRECTORY]

The wrapper written here is where a design goes on: its memory port goes to an AXI4 interconnect or memory
controller, its register port to a processor's AXI4-Lite bus. Both are named as the AXI specification names
them, so most tools find them by themselves.
"""

import json
import subprocess
import sys
from pathlib import Path

from orris_hw.config import preset
from orris_hw.emission.product import write_product
from orris_sim.toolchain import verilator_environment, verilator_root


def wrapper(module: str, ports: list[dict]) -> str:
    """A module `soc` with the accelerator in it, its ports brought out one to one."""
    declarations, connections = [], []
    for port in ports:
        direction = {"i": "input", "o": "output"}.get(port["direction"], port["direction"])
        width = f"[{port['width'] - 1}:0] " if port["width"] > 1 else ""
        declarations.append(f"  {direction} wire {width}{port['name']}")
        connections.append(f"    .{port['name']}({port['name']})")
    return (
        "module soc(\n" + ",\n".join(declarations) + "\n);\n"
        f"  {module} accelerator(\n" + ",\n".join(connections) + "\n  );\nendmodule\n"
    )


def main(name: str = "tiny", directory: str = "build/example") -> None:
    verilog, description = write_product(preset(name), directory)
    told = json.loads(description.read_text())
    soc = Path(directory) / "soc.v"
    soc.write_text(wrapper(told["name"], told["ports"]))
    lint = [str(verilator_root() / "bin" / "verilator"), "--lint-only", "-Wall", "--top-module", "soc"]
    subprocess.run([*lint, str(soc), str(verilog)], env=verilator_environment(), check=True)
    print(f"{soc}: module soc with {told['name']} in it, lint-clean")


if __name__ == "__main__":
    main(*sys.argv[1:])
