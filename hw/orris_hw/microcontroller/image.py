"""The compiled firmware, as it lies in the core's ROM.

`image.txt` is made by `make firmware` (`compile.py`) and kept beside the sources, so that nobody else needs a
compiler. Its first lines say what it was made from and with.
"""

import hashlib
from pathlib import Path

from .c_header import c_header
from .headers import commands_header

SOURCES = Path(__file__).with_name("firmware")
IMAGE = SOURCES / "image.txt"

WORDS_PER_LINE = 8


def generated_headers() -> dict[str, str]:
    """The headers that the definitions in Python give, by file name."""
    return {"contract.h": c_header(), "commands.h": commands_header()}


def sources_digest() -> str:
    """SHA-256 (hex) of all that is compiled: sources and generated headers."""
    texts = {path.name: path.read_text(encoding="utf-8") for path in SOURCES.glob("*.[chS]")}
    digest = hashlib.sha256()
    for name, text in sorted((texts | generated_headers()).items()):
        digest.update(f"\0{name}\0{text}".encode())
    return digest.hexdigest()


def image_text(words: list[int], digest: str, compiler: str) -> str:
    """The text of `image.txt`."""
    lines = [f"# sources {digest}", f"# compiler {compiler}"]
    for at in range(0, len(words), WORDS_PER_LINE):
        lines.append(" ".join(f"{word:08x}" for word in words[at : at + WORDS_PER_LINE]))
    return "\n".join([*lines, ""])


def image_digest() -> str:
    """Digest of the sources that the image was made from."""
    return IMAGE.read_text(encoding="utf-8").splitlines()[0].split()[-1]


def firmware_image() -> list[int]:
    """The image's 32-bit words, from address 0 of the ROM on."""
    lines = IMAGE.read_text(encoding="utf-8").splitlines()
    return [int(word, 16) for line in lines if not line.startswith("#") for word in line.split()]
