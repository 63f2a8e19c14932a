"""Generates an accelerator from a configuration file, and shows what its JSON tells.

    python examples/generate.py [CONFIG.toml] [DIRECTORY]
"""

import json
import sys
from pathlib import Path

from orris_hw.config import load_config
from orris_hw.emission.product import write_product

HERE = Path(__file__).parent


def main(config: str = str(HERE / "custom.toml"), directory: str = "build/example") -> None:
    verilog, description = write_product(load_config(config), directory)
    told = json.loads(description.read_text())
    print(f"{verilog}: {len(verilog.read_text().splitlines()):,} lines")
    for name, value in told["geometry"].items():
        print(f"  {name:26}{value}")
    print(f"{description}: {len(told['ports'])} ports, {len(told['register_map']['registers'])} registers")


if __name__ == "__main__":
    main(*sys.argv[1:])
