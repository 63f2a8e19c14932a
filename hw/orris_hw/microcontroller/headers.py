"""The commands and the fields of the geometry registers for firmware in C."""

from ..commands import FORMATS, QUEUE_DEPTH, SEMAPHORE_MAX, SEMAPHORES
from ..register_map import REGISTERS


def commands_header() -> str:
    """Opcodes as macros, and each field as a function: `RUN_taps(parts)`, `GEOMETRY_ARRAY_rows(value)`."""
    lines = [
        "/* Made by orris_hw.microcontroller.headers: do not edit. */",
        "#pragma once",
        '#include "fields.h"',
        f"#define QUEUE_DEPTH {QUEUE_DEPTH}",
        f"#define SEMAPHORES {SEMAPHORES}",
        f"#define SEMAPHORE_MAX {SEMAPHORE_MAX}",
    ]
    for format_ in FORMATS.values():
        lines.append(f"#define {format_.name}_OPCODE {format_.opcode}")
        at = 8
        for field in format_.fields:
            kind, extract = ("int32_t", "signed_field") if field.signed else ("uint32_t", "field")
            lines.append(
                f"INLINE {kind} {format_.name}_{field.name}(const uint32_t *parts) "
                f"{{ return {extract}(parts, {at}, {field.bits}); }}"
            )
            at += field.bits
    lines += [
        f"INLINE uint32_t {register.name}_{field.name}(uint32_t value) "
        f"{{ return field(&value, {field.lsb}, {field.width}); }}"
        for register in REGISTERS
        if register.name.startswith("GEOMETRY_")
        for field in register.fields
    ]
    return "\n".join([*lines, ""])
