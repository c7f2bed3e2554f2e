"""Modules that are a person's own, kept in the snapshot of a desktop that has them: elsewhere nobody would know them.

The shipped ones come with every Modulux and are not kept.
"""

from __future__ import annotations

import shutil
from collections.abc import Iterable
from pathlib import Path

from modulux.keep.manifest import FILE
from modulux.keep.shop import Source
from modulux.keep.workspace import DESKTOP
from modulux.model.plan import Image
from modulux.paths import own_desktop, shipped
from modulux.report import Note, Report
from modulux.resolve.catalog import Catalog, files_of

MODULES = "modules"
INTERFACES = "interfaces"


def keep_recipes(catalog: Catalog, images: Iterable[Image], folder: Path) -> list[str]:
    """Write the folders of the images' own modules below `folder`; the modules' ids.

    Raises:
        FileError: one of them cannot be read.
    """
    own = {f for image in images for f in catalog.folders(image.module) if not f.is_relative_to(shipped("modules"))}
    for module in sorted(own):
        for name, kind, data in files_of(module):
            path = folder / "/".join(module.parts[-2:]) / name
            path.parent.mkdir(parents=True, exist_ok=True)
            if kind == "l":
                path.symlink_to(data.decode())
                continue
            path.write_bytes(data)
            path.chmod(0o755 if kind == "x" else 0o644)
    if own:
        for root in (r for r in catalog.roots if r != shipped("modules")):
            _interfaces(root, folder)
    return sorted("/".join(module.parts[-2:]) for module in own)


def _interfaces(root: Path, folder: Path) -> None:
    for file in sorted((root / INTERFACES).glob("*.yaml")):
        beside = folder / INTERFACES / file.name
        if not beside.exists():
            beside.parent.mkdir(parents=True, exist_ok=True)
            beside.write_bytes(file.read_bytes())


def bring_recipes(source: Source, name: str, catalog: Catalog, report: Report) -> bool:
    """Give the desktop `name` the modules of its snapshot that this machine does not have; whether there were such.

    Those that are here are used as they are here, as the shipped ones are.

    Raises:
        DamagedError, RepositoryError, PasswordError: they cannot be had; nothing was changed.
    """
    missing = [id for id in source.manifest.modules if id not in catalog.ids]
    if not missing:
        return False
    place = own_desktop(name)
    staged = place.with_name(f".{name}.restoring")
    shutil.rmtree(staged, ignore_errors=True)
    staged.mkdir(parents=True)
    try:
        include = [f"/{DESKTOP}/{MODULES}/{part}" for part in (*missing, INTERFACES)]
        words = [word for path in include for word in ("--include", path)]
        source.repository.do("restore", "--no-lock", source.stored.id, "--target", str(staged), *words)
        _add(staged / DESKTOP / MODULES, place / MODULES)
    finally:
        shutil.rmtree(staged, ignore_errors=True)
    report(Note(f"modules that are not here come from the snapshot: {', '.join(missing)}; they lie in {place / MODULES}"))
    return True


def _add(brought: Path, place: Path) -> None:
    """Let the brought modules lie at the place, beside what an import or another restore has put there."""
    place.mkdir(parents=True, exist_ok=True)
    for module in sorted(p.parent for p in brought.glob("*/*/module.yaml")):
        to = place / module.relative_to(brought)
        to.parent.mkdir(exist_ok=True)
        shutil.rmtree(to, ignore_errors=True)
        module.rename(to)
    for file in sorted((brought / INTERFACES).glob("*.yaml")):
        (place / INTERFACES).mkdir(exist_ok=True)
        file.replace(place / INTERFACES / file.name)


def copy_recipes(name: str, new: str) -> None:
    """Give another desktop what was brought for this one."""
    if (own_desktop(name) / MODULES).is_dir():
        shutil.copytree(own_desktop(name) / MODULES, own_desktop(new) / MODULES, symlinks=True, dirs_exist_ok=True)


def left_behind(name: str) -> Path | None:
    """The folder of modules that were brought for a desktop, if nothing else lies there.

    An imported desktop has its file beside them, which may be a person's work, and by which it can be started anew.
    """
    place = own_desktop(name)
    return place if (place / MODULES).is_dir() and not (place / FILE).exists() else None


def forget_recipes(name: str) -> None:
    """Remove what was brought for a desktop that is not to stay."""
    shutil.rmtree(own_desktop(name), ignore_errors=True)
