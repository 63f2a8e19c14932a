"""The command formats as Amaranth layouts."""

from amaranth.hdl import Module, Shape, signed, unsigned
from amaranth.lib import data

from ..commands import Field, Format


def shape(field: Field) -> Shape:
    return signed(field.bits) if field.signed else unsigned(field.bits)


def command_layout(command: Format) -> data.StructLayout:
    """The whole command, opcode first."""
    return data.StructLayout({"opcode": 8} | {field.name: shape(field) for field in command.fields})


def part_layout(command: Format, *names: str) -> data.StructLayout:
    """Only the fields that one block needs."""
    known = {field.name: field for field in command.fields}
    return data.StructLayout({name: shape(known[name]) for name in names})


def copy_fields(m: Module, target: data.View, source: data.View) -> None:
    """Drives every field of `target` from the field of the same name."""
    for name, _ in target.shape():
        m.d.comb += target[name].eq(source[name])
