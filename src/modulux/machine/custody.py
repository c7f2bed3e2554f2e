"""What a machine that keeps its desktops' data notes of each when it is built: all of a snapshot, or an export, but its files.

The program that keeps them (`service/keeper`) has no modules and resolves nothing; so it finds, in a folder for each desktop:

    desktop.json   what it says of itself (see `Noted`), and how its data are written into an export (`exports`)
    lock.json      every image that the machine runs it from, with its packages
    modules/       modules that are a person's own, as in a snapshot
    blobs/         the modules' folders as in an export (`desktop.json` names that blob)
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from ruamel.yaml import YAML

from modulux import __version__
from modulux.carry import layout as form
from modulux.carry import modules as folders
from modulux.carry import volumes
from modulux.carry.record import ImageRecord, Record, here, made_by
from modulux.engine.protocol import Engine
from modulux.errors import EngineError
from modulux.keep.inventory import packages, seen_at
from modulux.keep.manifest import FILE, FORMAT, Locked, write_lock
from modulux.keep.recipes import MODULES, keep_recipes
from modulux.machine.bundle import DEVICES
from modulux.model.desktop import Desktop
from modulux.model.machine import Machine
from modulux.model.plan import Container, Plan
from modulux.resolve.catalog import Catalog
from modulux.resolve.files import validate
from modulux.resolve.plan import HostFacts, container_name, resolve

NOTE = "desktop.json"


@dataclass(frozen=True)
class Noted:
    """A desktop of a machine.

    Args:
        file: its desktop file, as it is anywhere else, which a snapshot and an export hold.
        volumes: those that hold data: their names without the desktop's, and where its modules see them.
        containers: all of its own, which stop while its data is replaced.
        beside: those of the machine that have its data before them too, such as the console, and start anew afterwards.
        writers: those that can write the data.
        modules: ids of those that are a person's own.
        record: of an export (`carry/record.py`), without volumes.
        carried: the blob of the modules' folders in an export.
    """

    desktop: str
    file: dict[str, Any]
    volumes: list[dict[str, str]]
    containers: list[str]
    beside: list[str]
    writers: list[str]
    modules: list[str]
    record: dict[str, Any]
    carried: dict[str, Any]

    def write(self, folder: Path) -> None:
        """Write it for the program that keeps it."""
        formats = {"snapshot_format": FORMAT, "export_format": form.FORMAT, "form": exports()}
        said = {**formats, "modulux": __version__, **asdict(self)}
        (folder / NOTE).write_text(json.dumps(said, indent=1, sort_keys=True) + "\n")


def exports() -> dict[str, Any]:
    """How an export is written, for a program that has nothing of Modulux: all of it that is not code."""
    return {
        "manifest": form.MANIFEST,
        "index": form.INDEX,
        "desktop": form.DESKTOP,
        "volume": form.VOLUME,
        "ref-name": form.REF_NAME,
        "carried": form.CARRIED,
        "unpacked": form.UNPACKED,
        "of-volume": form.OF_VOLUME,
        "read": volumes.READ,
        "write": volumes.WRITE,
        "part": volumes.PART,
        "small": form.SMALL,
    }


def note_desktops(machine: Machine, plan: Plan, catalog: Catalog, engine: Engine, folder: Path) -> None:
    """Note every desktop of the machine below `folder`, if it has a module with `custody:`."""
    keepers = [c for c in plan.containers if c.custody]
    if not keepers:
        return
    for data in plan.files:
        desktop = validate(data, Desktop, "the desktop file")
        into = folder / desktop.name
        into.mkdir(parents=True)
        own = [c for c in plan.containers if _belongs(c, desktop.name, catalog)]
        beside = [c for c in plan.containers if c not in own and not c.custody]
        anywhere = resolve(desktop, catalog, HostFacts(timezone=machine.timezone, devices=frozenset(DEVICES)))
        prefix = container_name(desktop.name, "")
        kept = [name.removeprefix(prefix) for name in keepers[0].custody if name.startswith(prefix)]
        _note(desktop, (own, beside), kept, _Anywhere(anywhere, catalog), into)
        write_lock(into, _locked(engine, own))


def _belongs(c: Container, desktop: str, catalog: Catalog) -> bool:
    """Whether it is the desktop's own: a machine may be called as one of its desktops is."""
    return c.name == container_name(desktop, c.short) and catalog.module(c.module).contract.per != "machine"


@dataclass(frozen=True)
class _Anywhere:
    """What a desktop comes to in an engine, and where its modules lie."""

    plan: Plan
    catalog: Catalog


Both = tuple[Sequence[Container], Sequence[Container]]
"""A desktop's own containers, and the machine's others."""


def _note(desktop: Desktop, containers: Both, kept: Sequence[str], anywhere: _Anywhere, into: Path) -> None:
    own, others = containers
    brought = keep_recipes(anywhere.catalog, anywhere.plan.images, into / MODULES)
    layout = form.Layout(into)
    layout.start()
    carried = folders.save(anywhere.catalog, anywhere.plan.images, layout)
    for blob in layout.blobs.iterdir():
        blob.chmod(0o644)  # nothing in it is anybody's secret
    for left in ("made", "oci-layout"):
        _remove(into / left)
    names = {container_name(desktop.name, part) for part in kept}
    writers = [c.name for c in (*own, *others) if any(m.source in names and not m.read_only for m in c.mounts)]
    record = Record(
        format=form.FORMAT,
        desktop=desktop.name,
        platform=here(),
        made_by=made_by(),
        file=desktop.model_dump(mode="json", by_alias=True, exclude_unset=True),
        locked=[ImageRecord(module=image.module, reference=image.reference) for image in anywhere.plan.images],
        images=False,
        volumes=[],
    )
    with (into / FILE).open("w") as sink:
        YAML(typ="safe", pure=True).dump(record.file, sink)
    Noted(
        desktop=desktop.name,
        file=record.file,
        volumes=[{"name": part, "at": seen_at(part, desktop)} for part in kept],
        containers=[c.name for c in own],
        beside=[c.name for c in others if any(m.source in names for m in c.mounts)],
        writers=writers,
        modules=brought,
        record=record.model_dump(mode="json", by_alias=True),
        carried=carried.to_json(),
    ).write(into)


def _remove(path: Path) -> None:
    if path.is_dir():
        for file in path.iterdir():
            file.unlink()
        path.rmdir()
    else:
        path.unlink()


def _locked(engine: Engine, own: Sequence[Container]) -> list[Locked]:
    ids = engine.image_ids(sorted({c.image for c in own}))
    found = {(c.module, c.image): ids[c.image] for c in own if c.image in ids}
    return [Locked(module, image, id, _packages(engine, id)) for (module, image), id in sorted(found.items())]


def _packages(engine: Engine, image: str) -> dict[str, str]:
    """Of a distribution without dpkg none is known."""
    try:
        return packages(engine, image)
    except EngineError:
        return {}
