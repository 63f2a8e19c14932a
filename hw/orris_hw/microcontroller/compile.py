"""Compiles the firmware: ``make firmware``, or ``python -m orris_hw.microcontroller.compile``.

The compiler is Clang, as the package `ziglang` brings it (extra `firmware`).
"""

import subprocess
import sys
import tempfile
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

from ..errors import OrrisError
from . import memory_map
from .image import IMAGE, SOURCES, generated_headers, image_text, sources_digest

FLAGS = (
    "-target", "riscv32-freestanding-none", "-mcpu=generic_rv32+zmmul", "-std=gnu17", "-Os", "-flto",
    "-Wall", "-Wextra", "-Werror", "-ffreestanding", "-fno-builtin", "-fno-jump-tables", "-fno-sanitize=all",
    "-fno-stack-protector", "-fomit-frame-pointer", "-fno-unwind-tables", "-fno-asynchronous-unwind-tables",
    "-nostdlib", "-Wl,--gc-sections",
)  # fmt: skip
LINKER_SCRIPT = """\
ENTRY(_start)
state_begin = {ram:#x};
stack_top = {ram:#x} + {state:#x};
SECTIONS
{{
    .text 0 : {{ *(.boot) *(.text .text.*) *(.rodata .rodata.*) *(.srodata .srodata.*) }}
    ASSERT(SIZEOF(.text) <= {rom:#x}, "the firmware is larger than the ROM")
    .data : {{ *(.data .data.*) *(.sdata .sdata.*) }}
    ASSERT(SIZEOF(.data) == 0, "a variable's first value is not zero")
    .bss state_begin (NOLOAD) : {{ *(.bss .bss.*) *(.sbss .sbss.*) *(COMMON) }}
    ASSERT(SIZEOF(.bss) <= {state:#x} - {stack:#x}, "the variables leave too little room for the stack")
    /DISCARD/ : {{ *(.comment) *(.eh_frame*) *(.note*) *(.riscv.attributes) }}
}}
"""
STACK_BYTES = 320


class FirmwareError(OrrisError):
    """The firmware could not be compiled."""


def compiler_version() -> str:
    """Of the installed compiler; FirmwareError if there is none."""
    try:
        return f"ziglang {version('ziglang')}"
    except PackageNotFoundError:
        raise FirmwareError("the firmware's compiler is not installed: run make firmware") from None


def compile_firmware(directory: Path) -> list[int]:
    """The firmware's 32-bit words; its ELF file is left in `directory` as ``firmware.elf``.

    Raises
    ------
    FirmwareError
        The compiler is not there, or has found an error.
    """
    compiler_version()
    for name, text in generated_headers().items():
        (directory / name).write_text(text, encoding="utf-8")
    script = LINKER_SCRIPT.format(
        ram=memory_map.RAM, state=memory_map.STATE_BYTES, stack=STACK_BYTES,
        rom=memory_map.ROM_BYTES - memory_map.CONSTANTS_BYTES,
    )  # fmt: skip
    (directory / "link.ld").write_text(script, encoding="utf-8")
    sources = sorted(str(path) for pattern in ("*.S", "*.c") for path in SOURCES.glob(pattern))
    elf, binary = directory / "firmware.elf", directory / "firmware.bin"
    _zig("cc", *FLAGS, "-I", str(directory), "-I", str(SOURCES), *sources, "-Wl,-T,link.ld", "-o", str(elf),
         directory=directory)  # fmt: skip
    _zig("objcopy", "-O", "binary", str(elf), str(binary), directory=directory)
    content = binary.read_bytes()
    content += bytes(-len(content) % 4)
    return [int.from_bytes(content[at : at + 4], "little") for at in range(0, len(content), 4)]


def _zig(*arguments: str, directory: Path) -> None:
    command = [sys.executable, "-m", "ziglang", *arguments]
    result = subprocess.run(command, cwd=directory, capture_output=True, text=True, check=False)
    if result.returncode:
        raise FirmwareError(f"the firmware does not compile:\n{result.stderr.strip()}")


def main() -> None:
    with tempfile.TemporaryDirectory() as directory:
        words = compile_firmware(Path(directory))
    IMAGE.write_text(image_text(words, sources_digest(), compiler_version()), encoding="utf-8")
    print(f"{IMAGE.name}: {4 * len(words)} bytes, of {memory_map.ROM_BYTES - memory_map.CONSTANTS_BYTES}")


if __name__ == "__main__":
    main()
