"""A kernel's modules: which there are, which must be loaded, in which order. Reads files only, runs nothing."""

from __future__ import annotations

import gzip
import lzma
import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import zstandard

from modulux.errors import HostError

PACKED: dict[str, Callable[[bytes], bytes]] = {
    ".ko": bytes,
    ".ko.xz": lzma.decompress,
    ".ko.gz": gzip.decompress,
    ".ko.zst": lambda packed: zstandard.ZstdDecompressor().decompressobj().decompress(packed),
}
"""How a kernel's packager may have compressed its modules, by the end of the file's name."""

NOTES = re.compile(rb"(?:^|\0)(depends|softdep|alias|firmware)=([^\0]*)(?=\0)")


@dataclass(frozen=True)
class Note:
    """What a module says of itself: what it needs, what should come before it, what it drives, which firmware it asks for."""

    depends: tuple[str, ...] = ()
    before: tuple[str, ...] = ()
    aliases: tuple[str, ...] = ()
    firmware: tuple[str, ...] = ()


class Kernel:
    """The modules below `folder` (…/lib/modules/VERSION)."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._files = {module_name(p): p for p in sorted(folder.rglob("*.ko*")) if _end(p) in PACKED}
        built_in = folder / "modules.builtin"
        lines = built_in.read_text().split() if built_in.is_file() else []
        self._within = {module_name(Path(line)): Path(line) for line in lines}
        self.built_in = frozenset(self._within)
        self._notes: dict[str, Note] = {}

    @property
    def version(self) -> str:
        return self.folder.name

    @property
    def names(self) -> frozenset[str]:
        """All that it has, loadable or built in, written with underscores."""
        return self.built_in | self._files.keys()

    @property
    def files(self) -> list[Path]:
        """Its loadable modules' files, in the order of their names."""
        return [self._files[name] for name in sorted(self._files)]

    def has(self, name: str) -> bool:
        return _plain(name) in self._files or _plain(name) in self.built_in

    def matching(self, pattern: str) -> list[str]:
        """Names of the modules whose path below `kernel/` fits, such as `drivers/hid/*`."""
        top = self.folder / "kernel"
        return [name for name, path in self._files.items() if path.is_relative_to(top) and path.relative_to(top).match(pattern)]

    def built_in_matching(self, pattern: str) -> list[str]:
        """The same of what is built in."""
        return [name for name, path in self._within.items() if Path(*path.parts[1:]).match(pattern)]

    def firmware(self, name: str) -> tuple[str, ...]:
        """Which firmware a module, loadable or built in, says that it asks for: names, or patterns of them."""
        name = _plain(name)
        return self.note(name).firmware if name in self._files else self._built_in_firmware.get(name, ())

    @cached_property
    def _built_in_firmware(self) -> dict[str, tuple[str, ...]]:
        file, found = self.folder / "modules.builtin.modinfo", dict[str, tuple[str, ...]]()
        for entry in file.read_bytes().split(b"\0") if file.is_file() else []:
            key, _, value = entry.decode(errors="replace").partition("=")
            name, _, field = _plain(key).rpartition(".")
            if field == "firmware":
                found[name] = (*found.get(name, ()), value)
        return found

    def note(self, name: str) -> Note:
        name = _plain(name)
        if name not in self._notes:
            self._notes[name] = module_note(module_content(self._files[name]))
        return self._notes[name]

    def in_order(self, wanted: Iterable[str]) -> list[Path]:
        """The files to load for `wanted`, each after those that it depends on; none for what is built in.

        Raises:
            HostError: the kernel has no such module.
        """
        order: dict[str, Path] = {}

        def add(name: str, why: str) -> None:
            name = _plain(name)
            if name in order or name in self.built_in:
                return
            if name not in self._files:
                raise HostError(f"the kernel {self.folder.name} has no module {name}, which {why}")
            for softly in self.note(name).before:
                for found in self._meant_by(softly):
                    add(found, f"{name} asks for")
            for needed in self.note(name).depends:
                add(needed, f"{name} needs")
            order[name] = self._files[name]

        for name in wanted:
            add(name, "the machine needs")
        return list(order.values())

    def _meant_by(self, softly: str) -> list[str]:
        """The modules by that name, or that give an algorithm of that name; none when it has none, which is no fault."""
        return [softly] if self.has(softly) else self._algorithms.get(softly, [])

    @cached_property
    def _algorithms(self) -> dict[str, list[str]]:
        found: dict[str, list[str]] = {}
        for name, path in self._files.items():
            if "crypto" in path.relative_to(self.folder).parts and "drivers" not in path.relative_to(self.folder).parts:
                for alias in self.note(name).aliases:
                    found.setdefault(alias, []).append(name)
        return found


def module_name(path: Path) -> str:
    """Its name as the kernel writes it, from its file's."""
    return _plain(path.name.partition(".ko")[0])


def module_content(path: Path) -> bytes:
    """A module's own bytes, whatever it is compressed by.

    Raises:
        HostError: the file is cut short or is none.
    """
    try:
        return PACKED[_end(path)](path.read_bytes())
    except (lzma.LZMAError, EOFError, gzip.BadGzipFile, zstandard.ZstdError) as error:
        raise HostError(f"{path} is damaged: {error}", hint="unpack the kernel anew") from None


def module_note(content: bytes) -> Note:
    """Its own note, from a module's bytes."""
    fields: dict[bytes, list[str]] = {}
    for match in NOTES.finditer(content):
        fields.setdefault(match[1], []).append(match[2].decode(errors="replace"))
    before: list[str] = []
    for line in fields.get(b"softdep", []):
        words = line.partition("pre:")[2].partition("post:")[0]
        before += words.split()
    depends = [name for line in fields.get(b"depends", [])[:1] for name in line.split(",") if name]
    return Note(tuple(depends), tuple(before), tuple(fields.get(b"alias", [])), tuple(fields.get(b"firmware", [])))


def _end(path: Path) -> str:
    return path.name[path.name.find(".ko") :]


def _plain(name: str) -> str:
    return name.replace("-", "_")
