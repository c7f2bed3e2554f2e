"""The kernel as a slot: from what a machine file names to a folder that holds it, held against what is needed."""

from __future__ import annotations

import hashlib
import re
import shutil
import tarfile
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from modulux.engine.protocol import Engine
from modulux.errors import NotFoundError, ResolveError
from modulux.images.build import Sources, build
from modulux.machine.demands import Missing, Needing, missing, shipped
from modulux.machine.kernel import Kernel
from modulux.model.kernel import KernelUse
from modulux.paths import cache, lock
from modulux.report import Report, step
from modulux.resolve.catalog import Catalog

LIKE = "kernel/debian"
"""Whose Containerfile makes an image of any package of the archive that holds a kernel."""

WANTED = ("boot/", "lib/modules/", "lib/firmware/", "usr/lib/modules/", "usr/lib/firmware/")


@dataclass(frozen=True)
class Whole:
    """A kernel on this host's disk: the file that is booted, its configuration, its modules."""

    name: str
    folder: Path
    image: Path
    config: str
    kernel: Kernel

    @property
    def version(self) -> str:
        return self.kernel.version

    def digest(self) -> str:
        """SHA-256 of what is booted and of every module: one that was built anew may call itself as the one before."""
        digest = hashlib.sha256()
        for path in (self.image, *self.kernel.files):
            with path.open("rb") as file:
                digest.update(f"{path.name}\0{hashlib.file_digest(file, 'sha256').hexdigest()}\n".encode())
        return digest.hexdigest()

    def lacks(self, modules: Sequence[Needing], profile: str) -> list[Missing]:
        return missing(shipped(), modules, self.config, self.kernel.names, profile)


def whole(name: str, folder: Path) -> Whole:
    """The one kernel below `folder`.

    Raises:
        ResolveError: there is none, more than one, or one without its configuration or modules.
    """
    hint = "it should hold boot/vmlinuz-VERSION, boot/config-VERSION and lib/modules/VERSION, each once"
    found = sorted((folder / "boot").glob("vmlinuz-*"))
    if len(found) != 1:
        raise ResolveError(f"{folder} holds {len(found) or 'no'} kernel{'s' * (len(found) > 1)}", hint=hint)
    version = found[0].name.removeprefix("vmlinuz-")
    config = folder / "boot" / f"config-{version}"
    modules = next((m for m in (folder / "lib/modules" / version, folder / "usr/lib/modules" / version) if m.is_dir()), None)
    if modules is None or not config.is_file():
        lacking = "configuration" if modules else "modules"
        raise ResolveError(f"the kernel {version} in {folder} has no {lacking}", hint=hint)
    return Whole(name, folder, found[0], config.read_text(errors="replace"), Kernel(modules))


def with_package(catalog: Catalog, package: str) -> tuple[Catalog, str]:
    """A catalog that has a module of this package's kernel too, and the module's id."""
    name = re.sub(r"[^a-z0-9]+", "-", package.removeprefix("linux-image-").lower()).strip("-")
    root = cache() / "kernels" / "modules"
    folder = root / "kernel" / name
    names = folder / "rootfs/usr/lib/modulux/kernel-packages"
    names.parent.mkdir(parents=True, exist_ok=True)
    names.write_text(f"{package}\n")
    contract = f"role: kernel\nsummary: The kernel of {package}\nbase: base/debian-13\nlike: {LIKE}\n"
    (folder / "module.yaml").write_text(contract)
    return Catalog([root, *catalog.roots]), f"kernel/{name}"


def obtain(use: KernelUse, beside: Path, *, catalog: Catalog, engine: Engine, sources: Sources, report: Report) -> Whole:
    """The kernel that is named, built or fetched if it is not there yet.

    Args:
        beside: the folder that a relative path is meant from.
    """
    if use.path is not None:
        return whole(str(use), (beside / Path(use.path).expanduser()).resolve())
    if use.image is not None:
        if use.image not in engine.images([use.image]):
            with step(report, use.image, f"fetching {use.image}"):
                engine.do([engine.program, "pull", "--quiet", use.image])
        return unpacked(str(use), use.image, engine, report)
    if use.package is not None:
        catalog, id = with_package(catalog, use.package)
    else:
        id = f"kernel/{use.module}"
    if id not in catalog.ids:
        there = ", ".join(sorted(i.partition("/")[2] for i in catalog.ids if i.startswith("kernel/")))
        raise ResolveError(f"there is no kernel `{use}`", hint=f"there are {there}; a folder begins with ./ or /")
    build(catalog.images([id]), catalog, engine, sources, report)
    return unpacked(str(use), catalog.reference(id), engine, report)


def unpacked(name: str, reference: str, engine: Engine, report: Report) -> Whole:
    """The kernel of an image, its files kept in the cache by the image's id."""
    ids = engine.image_ids([reference])
    if reference not in ids:
        raise NotFoundError(f"there is no image {reference}", hint="modulux machine kernel list")
    folder = cache() / "kernels" / hashlib.sha256(ids[reference].encode()).hexdigest()[:16]
    with lock("kernel"):
        if not folder.is_dir():
            with step(report, reference, f"unpacking the kernel `{name}`"):
                _unpack(reference, engine, folder)
    return whole(name, folder)


def _unpack(reference: str, engine: Engine, folder: Path) -> None:
    folder.parent.mkdir(parents=True, exist_ok=True)
    work = Path(tempfile.mkdtemp(dir=folder.parent, prefix="unpacking."))
    container = engine.do([engine.program, "create", reference, "none"]).strip().splitlines()[-1]
    try:
        engine.do([engine.program, "export", "--output", str(work / "image.tar"), container])
        with tarfile.open(work / "image.tar") as archive:
            for member in archive:
                name = PurePosixPath(member.name.removeprefix("./"))
                if member.isfile() and str(name).startswith(WANTED) and ".." not in name.parts:
                    _write(archive, member, work / "root" / name)
        (work / "root").mkdir(exist_ok=True)
        (work / "root").rename(folder)
    finally:
        engine.do([engine.program, "rm", container])
        shutil.rmtree(work, ignore_errors=True)


def _write(archive: tarfile.TarFile, member: tarfile.TarInfo, target: Path) -> None:
    """A plain file; links of an image are never followed, nor made."""
    target.parent.mkdir(parents=True, exist_ok=True)
    source = archive.extractfile(member)
    assert source is not None
    with target.open("wb") as out:
        shutil.copyfileobj(source, out)


def listed(catalog: Catalog, engine: Engine, report: Report) -> list[dict[str, str | None]]:
    """Every kernel module, with its version if its image is there."""
    ids = [id for id in catalog.ids if id.startswith("kernel/")]
    references = {id: catalog.reference(id) for id in ids}
    there = engine.images(list(references.values()))
    rows: list[dict[str, str | None]] = []
    for id, reference in references.items():
        version = unpacked(id, reference, engine, report).version if reference in there else None
        row = {"kernel": id.partition("/")[2], "version": version, "summary": catalog.module(id).contract.summary}
        rows.append({**row, "image": reference})
    return rows
