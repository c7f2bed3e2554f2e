"""The kernel as a slot: from what a machine file names to a folder that holds it, held against what is needed."""

from __future__ import annotations

import dataclasses
import hashlib
import os
import re
import shutil
import tarfile
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from modulux.engine.protocol import Engine
from modulux.errors import NotFoundError, ResolveError
from modulux.images.build import Sources, build
from modulux.machine.demands import Missing, Needing, missing, shipped, without_firmware
from modulux.machine.device_firmware import WHERE, Chosen, choose
from modulux.machine.kernel import Kernel
from modulux.machine.profiles import asked_firmware, profile
from modulux.model.firmware import DEBIAN, KERNEL, NONE
from modulux.model.kernel import KernelUse
from modulux.model.machine import Machine
from modulux.model.plan import fingerprint
from modulux.paths import cache, lock
from modulux.report import Report, step
from modulux.resolve.catalog import Catalog

LIKE = "kernel/debian"
"""Whose Containerfile makes an image of any package of the archive that holds a kernel."""

LIKE_FIRMWARE = "firmware/debian"
"""The same of packages that hold firmware."""

LICENCES = "usr/share/doc"
"""In an image, and in a machine's system: a folder for each package, with what its makers say of who may have it."""

WANTED = ("boot/", "lib/modules/", "lib/firmware/", "usr/lib/modules/", "usr/lib/firmware/", f"{LICENCES}/")
LINKED = ("lib/firmware/", "usr/lib/firmware/")
"""Where links are taken along, those that lead elsewhere in it."""


@dataclass(frozen=True)
class Whole:
    """A kernel on this host's disk: the file that is booted, its configuration, its modules, and firmware.

    `firmware` are folders as /lib/firmware, what an earlier one has hiding the same of a later one; `licences` are theirs.
    """

    name: str
    folder: Path
    image: Path
    config: str
    kernel: Kernel
    firmware: tuple[Path, ...] = ()
    licences: tuple[Path, ...] = ()

    @property
    def version(self) -> str:
        return self.kernel.version

    def lacks(self, modules: Sequence[Needing], profile: str) -> list[Missing]:
        return missing(shipped(), modules, self.config, self.kernel.names, profile)

    def carries(self, asked: Mapping[str, Sequence[str]]) -> Chosen:
        """The firmware, of that which is there, for drivers that ask for these files."""
        return choose(self.firmware, self.version, asked)

    def bare(self, modules: Sequence[Needing], machine: Machine) -> list[str]:
        """In words, the drivers on which a demand of these modules rests, and of whose firmware nothing is there."""
        chosen = self.carries(asked_firmware(self.kernel, profile(machine.profile)))
        lines = without_firmware(shipped(), modules, machine.profile, chosen.bare)
        return [f"{line}; {_way(machine.carried_firmware)}" for line in lines]


def _way(words: Sequence[str]) -> str:
    if words == [DEBIAN]:
        return "Debian's packages of the kernel's time do not have it"
    if words == [KERNEL]:
        return "put it into lib/firmware beside the kernel's lib/modules, or write `firmware: debian`"
    return "write `firmware: debian`, or name packages that hold it"


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
    return _with_module(catalog, f"kernel/{name}", [package], f"The kernel of {package}", LIKE)


def with_firmware(catalog: Catalog, packages: Sequence[str]) -> tuple[Catalog, str]:
    """The same for these packages' firmware."""
    name = fingerprint(sorted(packages))
    return _with_module(
        catalog, f"firmware/{name}", sorted(packages), f"Firmware of {', '.join(sorted(packages))}", LIKE_FIRMWARE
    )


def _with_module(catalog: Catalog, id: str, packages: Sequence[str], summary: str, like: str) -> tuple[Catalog, str]:
    root, role = cache() / "kernels" / "modules", id.partition("/")[0]
    names = root / id / f"rootfs/usr/lib/modulux/{role}-packages"
    names.parent.mkdir(parents=True, exist_ok=True)
    names.write_text("".join(f"{package}\n" for package in packages))
    (root / id / "module.yaml").write_text(f"role: {role}\nsummary: {summary}\nbase: base/debian-13\nlike: {like}\n")
    return Catalog([root, *catalog.roots]), id


def firmware_module(machine: Machine, catalog: Catalog) -> tuple[Catalog, str] | None:
    """The module that holds the firmware of this machine, and a catalog that has it; none if its kernel's own must do."""
    words = machine.carried_firmware
    if words in ([NONE], [KERNEL]):
        return None
    return (catalog, LIKE_FIRMWARE) if words == [DEBIAN] else with_firmware(catalog, words)


def obtain_for(machine: Machine, beside: Path, *, catalog: Catalog, engine: Engine, sources: Sources, report: Report) -> Whole:
    """The kernel that a machine names, as `obtain` gives it, with the firmware that is to travel with it."""
    got = obtain(machine.kernel, beside, catalog=catalog, engine=engine, sources=sources, report=report)
    if machine.carried_firmware == [NONE]:
        return got
    own = tuple(folder for part in LINKED if (folder := got.folder / part).is_dir())
    licences = (got.folder / LICENCES,) if own else ()
    found = firmware_module(machine, catalog)
    if found is None:
        return dataclasses.replace(got, firmware=own, licences=licences)
    known, id = found
    build(known.images([id]), known, engine, sources, report)
    folder = kept(known.reference(id), id, engine, report)
    return dataclasses.replace(got, firmware=(*own, folder / WHERE), licences=(*licences, folder / LICENCES))


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
    """The kernel of an image."""
    return whole(name, kept(reference, f"the kernel `{name}`", engine, report))


def kept(reference: str, what: str, engine: Engine, report: Report) -> Path:
    """The folder of an image's files, which are kept in the cache by the image's id.

    Raises:
        NotFoundError: there is no such image.
    """
    ids = engine.image_ids([reference])
    if reference not in ids:
        raise NotFoundError(f"there is no image {reference}", hint="modulux machine kernel list")
    folder = cache() / "kernels" / hashlib.sha256(ids[reference].encode()).hexdigest()[:16]
    with lock("kernel"):
        if not folder.is_dir():
            with step(report, reference, f"unpacking {what}"):
                _unpack(reference, engine, folder)
    return folder


def _unpack(reference: str, engine: Engine, folder: Path) -> None:
    folder.parent.mkdir(parents=True, exist_ok=True)
    work = Path(tempfile.mkdtemp(dir=folder.parent, prefix="unpacking."))
    container = engine.do([engine.program, "create", reference, "none"]).strip().splitlines()[-1]
    try:
        engine.do([engine.program, "export", "--output", str(work / "image.tar"), container])
        with tarfile.open(work / "image.tar") as archive:
            _extract(archive, work / "root")
        (work / "root").rename(folder)
    finally:
        engine.do([engine.program, "rm", container])
        shutil.rmtree(work, ignore_errors=True)


def _extract(archive: tarfile.TarFile, root: Path) -> None:
    """Plain files, and after all of these, so that none is written through one, the links between files of firmware."""
    root.mkdir(exist_ok=True)
    links: dict[PurePosixPath, str] = {}
    for member in archive:
        name = PurePosixPath(member.name.removeprefix("./"))
        if not str(name).startswith(WANTED) or ".." in name.parts:
            continue
        if member.isfile() or member.islnk():
            _write(archive, member, root / name)
        elif member.issym() and str(name).startswith(LINKED):
            links[name] = member.linkname
    for name, target in links.items():
        top = next(part for part in LINKED if str(name).startswith(part))
        meant = os.path.normpath(f"/{name.parent}/{target}")
        inside = (root / name).parent.resolve().is_relative_to((root / top).resolve())
        if inside and not target.startswith("/") and meant.startswith(f"/{top}") and not os.path.lexists(root / name):
            (root / name).parent.mkdir(parents=True, exist_ok=True)
            (root / name).symlink_to(target)


def _write(archive: tarfile.TarFile, member: tarfile.TarInfo, target: Path) -> None:
    """A plain file."""
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
