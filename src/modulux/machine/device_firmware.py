"""Firmware that drivers give to devices: which files of those that came with a kernel a machine carries.

Reads files only. The firmware that starts a PC itself is `firmware.py`'s.
"""

from __future__ import annotations

import glob
import hashlib
import lzma
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath

import zstandard

from modulux.errors import HostError
from modulux.machine.demands import options

WHERE = "lib/firmware"
"""In a kernel's folder, and in the machine's system: where the kernel looks by itself."""

PACKED = {".zst": "FW_LOADER_COMPRESS_ZSTD", ".xz": "FW_LOADER_COMPRESS_XZ"}
"""Ends of compressed files, in the order in which a kernel looks for them after the plain one; the option for each."""


@dataclass(frozen=True)
class Chosen:
    """Files of firmware for a machine.

    Attributes:
        groups: each file, with the end of its name, and the names by which drivers ask for it: its own, then links.
        named: by driver, how many files it names.
        lacking: by driver, the names among these that are nowhere.
    """

    groups: Mapping[tuple[Path, str], tuple[str, ...]] = field(default_factory=dict)
    named: Mapping[str, int] = field(default_factory=dict)
    lacking: Mapping[str, tuple[str, ...]] = field(default_factory=dict)

    @property
    def bare(self) -> dict[str, tuple[str, ...]]:
        """Drivers of whose firmware nothing is there, and what they name. Some name a few files that never were anywhere."""
        return {driver: names for driver, names in self.lacking.items() if len(names) == self.named[driver]}


def choose(folders: Sequence[Path], version: str, asked: Mapping[str, Sequence[str]]) -> Chosen:
    """What drivers ask for, from the first of the folders that has it; links are followed, but never out of their folder.

    Args:
        folders: each as a kernel's /lib/firmware.
        version: the kernel's, which may have files of its own there.
        asked: by driver, names of files or patterns of them.
    """
    found: dict[str, tuple[Path, str]] = {}
    named: dict[str, int] = {}
    lacking: dict[str, tuple[str, ...]] = {}
    for driver, words in asked.items():
        names = list(dict.fromkeys(name for word in words for name in _names(folders, version, word)))
        for name in names:
            if name not in found and (file := _file(folders, version, name)):
                found[name] = file
        named[driver] = len(names)
        missing = tuple(name for name in names if name not in found)
        if missing:
            lacking[driver] = missing
    groups: dict[tuple[Path, str], tuple[str, ...]] = {}
    for name in sorted(found):
        groups[found[name]] = (*groups.get(found[name], ()), name)
    return Chosen(groups, named, lacking)


def _places(folders: Sequence[Path], version: str) -> Iterator[tuple[Path, Path]]:
    """Each folder, and the places in it in the order in which a kernel looks there."""
    for folder in folders:
        for place in (f"updates/{version}", "updates", version, ""):
            if (folder / place).is_dir():
                yield folder.resolve(), folder / place


def _names(folders: Sequence[Path], version: str, word: str) -> list[str]:
    if PurePosixPath(word).is_absolute() or ".." in PurePosixPath(word).parts:
        return []
    if not glob.has_magic(word):
        return [word]
    ends = ["", *PACKED]
    found = [
        path.relative_to(place) for _, place in _places(folders, version) for end in ends for path in place.glob(word + end)
    ]
    plain = {str(path.with_suffix("") if path.suffix in PACKED else path) for path in found}
    return sorted(plain) or [word]


def _file(folders: Sequence[Path], version: str, name: str) -> tuple[Path, str] | None:
    for folder, place in _places(folders, version):
        for end in ("", *PACKED):
            real = (place / f"{name}{end}").resolve()
            if real.is_file() and real.is_relative_to(folder):
                return real, end
    return None


def write(chosen: Chosen, root: Path, config: str) -> dict[str, int]:
    """Put the files below ROOT/lib/firmware, compressed where they are and the kernel can read that; the bytes of each.

    Args:
        config: the kernel's configuration.

    Raises:
        HostError: a file is damaged.
    """
    readable = {end for end, option in PACKED.items() if option in options(config)}
    sizes = {}
    for (source, end), names in chosen.groups.items():
        kept = end if end in readable else ""
        content = source.read_bytes() if kept == end else _unpacked(source, end)
        first = root / WHERE / f"{names[0]}{kept}"
        first.parent.mkdir(parents=True, exist_ok=True)
        first.write_bytes(content)
        first.chmod(0o644)
        sizes[f"{names[0]}{kept}"] = len(content)
        for name in names[1:]:
            link = root / WHERE / f"{name}{kept}"
            link.parent.mkdir(parents=True, exist_ok=True)
            link.symlink_to(_from(PurePosixPath(name).parent, f"{names[0]}{kept}"))
    return sizes


def _from(folder: PurePosixPath, target: str) -> str:
    return "../" * len(folder.parts) + target


def _unpacked(path: Path, end: str) -> bytes:
    try:
        if end == ".xz":
            return lzma.decompress(path.read_bytes())
        return zstandard.ZstdDecompressor().decompressobj().decompress(path.read_bytes())
    except (lzma.LZMAError, EOFError, zstandard.ZstdError) as error:
        raise HostError(f"{path} is damaged: {error}", hint="unpack the firmware anew") from None


def lines(root: Path, sizes: Collection[str]) -> list[str]:
    """A line for each of these files below ROOT/lib/firmware, which changes with what the file holds."""
    return [f"firmware {name} {hashlib.sha256((root / WHERE / name).read_bytes()).hexdigest()}" for name in sorted(sizes)]
