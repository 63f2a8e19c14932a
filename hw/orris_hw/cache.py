"""Where things that take time to make are kept from one process to the next, and what they depend on."""

import hashlib
import os
from collections.abc import Iterable
from pathlib import Path

from platformdirs import user_cache_path


def cache_directory() -> Path:
    """$ORRIS_CACHE, or orris in the user's cache directory; it need not exist yet."""
    if "ORRIS_CACHE" in os.environ:
        return Path(os.environ["ORRIS_CACHE"])
    return user_cache_path("orris")


def sources_digest(root: Path, names: Iterable[str] = (".",)) -> str:
    """SHA-256 (hex) of sources in `root`, Python and firmware: of the files and directories named."""
    found = {source for name in names for source in _sources(root / name)}
    digest = hashlib.sha256()
    for source in sorted(found):
        digest.update(f"\0{source.relative_to(root).as_posix()}\0".encode())
        digest.update(hashlib.sha256(source.read_bytes()).digest())
    return digest.hexdigest()


def _sources(path: Path) -> list[Path]:
    return [path] if path.is_file() else [*path.rglob("*.py"), *path.rglob("image.txt")]
