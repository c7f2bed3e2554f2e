"""The catalog: the modules and interfaces that lie in the folders it is given. Read when asked for, never all at once."""

from __future__ import annotations

import fnmatch
import hashlib
import os
import stat
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import NoReturn

from modulux.errors import FileError, ResolveError
from modulux.model.interface import Interface
from modulux.model.locale import PLAIN, translated
from modulux.model.module import Module
from modulux.model.plan import Image
from modulux.resolve.files import close_to, line_of, load

REPOSITORY = "localhost/modulux"
"""Where our images lie: a name that no engine looks for in a registry."""

IGNORED = ("__pycache__", "*.pyc", "*~", ".*_cache", ".git")
"""What tools leave in a folder; neither in the tag nor in the image."""


@dataclass(frozen=True)
class Found:
    """A module and the folder it came from."""

    id: str
    folder: Path
    contract: Module

    @property
    def name(self) -> str:
        return self.id.partition("/")[2]

    @property
    def file(self) -> str:
        return str(self.folder / "module.yaml")


class Catalog:
    """Finds modules by `role/name` in `roots`; what an earlier root holds hides the same id in a later one."""

    def __init__(self, roots: Sequence[Path]) -> None:
        self.roots = [Path(r) for r in roots]
        self._found: dict[str, Found] = {}
        self._tags: dict[tuple[str, str], str] = {}

    @cached_property
    def ids(self) -> list[str]:
        """Every module's id, sorted."""
        pattern = "*/*/module.yaml"
        return sorted({"/".join(p.parts[-3:-1]) for root in self.roots for p in root.glob(pattern)})

    def module(self, id: str) -> Found:
        """The module with this id.

        Raises:
            ResolveError: there is none.
            FileError: its contract is wrong.
        """
        if id not in self._found:
            root = next((root for root in self.roots if (root / id / "module.yaml").is_file()), None)
            if root is None:
                role, _, name = id.partition("/")
                others = [i.partition("/")[2] for i in self.ids if i.startswith(role + "/")]
                hint = close_to(name, others) or (
                    f"there are: {', '.join(others)}" if others else f"no module has the role {role} yet"
                )
                raise ResolveError(f"unknown module `{id}`", hint=hint)
            folder = root / id
            if not folder.resolve().is_relative_to(root.resolve()):
                raise FileError(
                    f"a symbolic link that leads out of the folder of modules, to {folder.resolve()}",
                    file=str(folder),
                    hint="name the folder of modules that it lies in with --modules",
                )
            self._found[id] = Found(id, folder, self._contract(folder, id))
        return self._found[id]

    def _contract(self, folder: Path, id: str) -> Module:
        contract = load(folder / "module.yaml", Module)
        if contract.role != id.partition("/")[0]:
            raise FileError(
                f"says `role: {contract.role}`, but lies in the folder {id.partition('/')[0]}/",
                file=str(folder / "module.yaml"),
            )
        if contract.seccomp and not (folder / contract.seccomp).is_file():
            raise FileError(f"there is no {contract.seccomp} beside it", file=str(folder / "module.yaml"))
        return contract

    @cached_property
    def interfaces(self) -> dict[str, Interface]:
        """Every interface by name."""
        files = {p.stem: p for root in reversed(self.roots) for p in (root / "interfaces").glob("*.yaml")}
        return {name: load(path, Interface) for name, path in sorted(files.items())}

    def providers(self, interface: str) -> list[str]:
        """Ids of the modules that provide `interface`."""
        return [id for id in self.ids if interface in self.module(id).contract.provides]

    def services(self, contract: Module) -> list[str]:
        """Names of the services that provide what the contract requires."""
        wanted = {name for choice in contract.requires for name in choice.split(" | ")}
        ids = [id for id in self.ids if id.startswith("service/") and wanted & set(self.module(id).contract.provides)]
        return [id.partition("/")[2] for id in ids]

    def chain(self, id: str) -> list[Found]:
        """The module and what its image is built on, the first base first.

        Raises:
            ResolveError: a base is unknown, or the bases form a circle.
        """
        chain: list[Found] = []
        next_id: str | None = id
        while next_id is not None:
            if any(f.id == next_id for f in chain):
                raise ResolveError(
                    f"`{id}` is built on itself: {' → '.join([f.id for f in chain] + [next_id])}", file=chain[0].file
                )
            chain.append(self._named(next_id, chain[-1].file, "base") if chain else self.module(id))
            next_id = chain[-1].contract.base
        return chain[::-1]

    def reference(self, id: str, locale: str = PLAIN[0]) -> str:
        """The image's reference: its tag is the hash of the folder(s), the base's tag and the language."""
        return f"{REPOSITORY}/{id}:{self.tag(id, locale)}"

    def images(self, ids: Iterable[str], locale: str = PLAIN[0]) -> list[Image]:
        """The images of these modules and of all that they are built on, each once, bases first."""
        images: dict[str, Image] = {}
        for id in ids:
            for found in self.chain(id):
                base = found.contract.base
                below = self.reference(base, locale) if base else None
                images[found.id] = Image(found.id, self.reference(found.id, locale), below, locale)
        return list(images.values())

    def tag(self, id: str, locale: str = PLAIN[0]) -> str:
        """Twelve hexadecimal digits: the hash of the module's folder, of what it is built on, and of the language."""
        if (id, locale) not in self._tags:
            found = self.chain(id)[-1]
            digest = hashlib.sha256()
            if found.contract.base:
                digest.update(self.tag(found.contract.base, locale).encode())
            elif translated(locale):
                digest.update(locale.encode())
            for folder in self.folders(id):
                for name, kind, content in files_of(folder):
                    digest.update(f"{name}\0{kind}\0{len(content)}\0".encode())
                    digest.update(content)
            self._tags[id, locale] = digest.hexdigest()[:12]
        return self._tags[id, locale]

    def folders(self, id: str) -> list[Path]:
        """The folders that make up the build context, the one whose files win first."""
        found = self.module(id)
        like = found.contract.like
        if id in like:
            raise ResolveError(f"`{id}` is like itself", file=found.file)
        return [found.folder, *(self._named(other, found.file, "like").folder for other in like)]

    def _named(self, id: str, file: str, key: str) -> Found:
        """The module that a contract names under `key`; the error, if there is none, says where."""
        try:
            return self.module(id)
        except ResolveError as error:
            if error.file is None:
                error.file, error.line = file, line_of(Path(file), key)
            raise


def files_of(folder: Path) -> Iterator[tuple[str, str, bytes]]:
    """Every file below `folder` in a fixed order: its relative name, its kind (`x`: executable, `l`: link), its content.

    Raises:
        FileError: something that is no file, cannot be read, or leads out of the folder.
    """
    for directory, subdirectories, names in os.walk(folder, onerror=_unreadable):
        subdirectories[:] = sorted(d for d in subdirectories if not _ignored(d))
        links = [d for d in subdirectories if Path(directory, d).is_symlink()]
        for name in sorted(n for n in names + links if not _ignored(n)):
            path = Path(directory, name)
            relative = str(path.relative_to(folder))
            if path.is_symlink():
                yield relative, "l", _link_inside(path, folder).encode()
            else:
                yield relative, "x" if os.access(path, os.X_OK) else "-", _content(path)


def _content(path: Path) -> bytes:
    try:
        if not stat.S_ISREG(path.lstat().st_mode):  # to read from a pipe or a device would wait for ever
            raise FileError("neither a file nor a folder", file=str(path), hint="a module holds files, folders and links only")
        return path.read_bytes()
    except OSError as error:
        _unreadable(error)


def _unreadable(error: OSError) -> NoReturn:
    raise FileError(f"cannot be read: {error.strerror}", file=error.filename) from None


def _ignored(name: str) -> bool:
    return any(fnmatch.fnmatch(name, pattern) for pattern in IGNORED)


def _link_inside(path: Path, folder: Path) -> str:
    """Where the symbolic link leads; within `rootfs/` an absolute one is meant for the image.

    Raises:
        FileError: it leads out of the module's folder.
    """
    target = str(path.readlink())
    rootfs = folder / "rootfs"
    if path == rootfs:
        raise FileError("a symbolic link; it must be a folder", file=str(path), hint="copy the files instead")
    if target.startswith("/") and path.is_relative_to(rootfs):
        return target
    resolved = Path(os.path.normpath(path.parent / target))
    if not resolved.is_relative_to(folder):
        raise FileError(
            f"a symbolic link that leads out of the module's folder, to {target}", file=str(path), hint="copy the file instead"
        )
    return target
