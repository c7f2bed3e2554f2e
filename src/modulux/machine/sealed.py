"""Layers with the tree of hashes behind them by which a kernel checks them as they are read, for where nobody else checks."""

from __future__ import annotations

import hashlib
import shutil
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from modulux.machine.layers import OPTIONS
from modulux.machine.tools import Tools
from modulux.model.plan import fingerprint
from modulux.paths import cache, lock


@dataclass(frozen=True)
class Sealed:
    """A layer's id, its file, the file's SHA-256, and what a kernel is told of it: `BLOCKS:ROOT`."""

    id: str
    path: Path
    sum: str
    told: str


def seal(layers: Sequence[Path], tools: Tools) -> tuple[Sealed, ...]:
    """These layers, each sealed once and kept in the cache.

    Raises:
        EngineError: a tree could not be made.
    """
    folder = cache() / "machine" / f"sealed.{fingerprint(OPTIONS)}"
    folder.mkdir(parents=True, exist_ok=True)
    with lock("machine-sealed"):
        missing = [path for path in layers if not (folder / f"{path.stem}.verity").is_file()]
        if missing:
            _make(missing, folder, tools)
    return tuple(_sealed(folder, path.stem) for path in layers)


def _make(layers: Sequence[Path], folder: Path, tools: Tools) -> None:
    work = Path(tempfile.mkdtemp(dir=folder, prefix=".sealing."))
    try:
        work.chmod(0o755)
        for path in layers:
            shutil.copyfile(path, work / path.name)
        tools.do("verity", work, *(path.stem for path in layers))
        for path in layers:
            (work / path.name).replace(folder / path.name)
            (work / f"{path.stem}.verity").replace(folder / f"{path.stem}.verity")
    finally:
        shutil.rmtree(work, ignore_errors=True)


def _sealed(folder: Path, id: str) -> Sealed:
    path = folder / f"{id}.erofs"
    with path.open("rb") as file:
        sum = hashlib.file_digest(file, "sha256").hexdigest()
    return Sealed(id, path, sum, (folder / f"{id}.verity").read_text().strip())
