"""A kernel's modules: which files must be loaded, in which order, for some that are wanted. Reads files only, runs nothing."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from modulux.errors import HostError

VIRTUAL = ("crc32c_generic", "virtio_pci", "virtio_blk", "virtio_console", "erofs", "overlay", "ext4")
"""What a virtual machine needs until its first container runs; crc32c first, since libcrc32c asks for it by no dependency."""


class Kernel:
    """The modules below `folder` (…/lib/modules/VERSION)."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._files = {_plain(p.name.partition(".ko")[0]): p for p in sorted(folder.rglob("*.ko"))}
        built_in = folder / "modules.builtin"
        lines = built_in.read_text().split() if built_in.is_file() else []
        self._built_in = {_plain(Path(line).name.partition(".ko")[0]) for line in lines}

    def has(self, name: str) -> bool:
        return _plain(name) in self._files or _plain(name) in self._built_in

    def in_order(self, wanted: Iterable[str]) -> list[Path]:
        """The files to load for `wanted`, each after those that it depends on; none for what is built in.

        Raises:
            HostError: the kernel has no such module.
        """
        order: dict[str, Path] = {}

        def add(name: str, why: str) -> None:
            name = _plain(name)
            if name in order or name in self._built_in:
                return
            if name not in self._files:
                raise HostError(f"the kernel {self.folder.name} has no module {name}, which {why}")
            for needed in module_dependencies(self._files[name].read_bytes()):
                add(needed, f"{name} needs")
            order[name] = self._files[name]

        for name in wanted:
            add(name, "the machine needs")
        return list(order.values())


def module_dependencies(content: bytes) -> list[str]:
    """What a module's own note says that it depends on."""
    fields = content.split(b"\0")
    needs = next((f.removeprefix(b"depends=").decode() for f in fields if f.startswith(b"depends=")), "")
    return [name for name in needs.split(",") if name]


def _plain(name: str) -> str:
    return name.replace("-", "_")
