"""A desktop into a layout: its images, its modules, its data, its record; and the layout into one file or stream."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import IO

from modulux.carry import archive, images, modules, volumes
from modulux.carry import layout as form
from modulux.carry.layout import Blob, Layout
from modulux.carry.record import ImageRecord, Record, VolumeRecord, here, made_by
from modulux.desktop.state import Found, look
from modulux.engine.protocol import Engine
from modulux.errors import EngineError, HostError, UsageError
from modulux.keep.freeze import hold
from modulux.keep.inventory import Inventory
from modulux.keep.inventory import images as package_lists
from modulux.model.desktop import Desktop
from modulux.model.plan import Plan
from modulux.paths import cache, lock
from modulux.report import Note, Report, step
from modulux.resolve.catalog import Catalog
from modulux.resolve.plan import container_name


@dataclass(frozen=True)
class What:
    """What is carried: a desktop, what it resolves to, where its modules lie; with its images, with its data."""

    desktop: Desktop
    plan: Plan
    catalog: Catalog
    images: bool = True
    data: bool = True


@dataclass(frozen=True)
class Gathered:
    """What is in the layout: the desktop's manifest, its record, and how many seconds the desktop stood still."""

    manifest: Blob
    record: Record
    frozen: float

    @property
    def size(self) -> int:
        return sum(volume.size for volume in self.record.volumes)


def gather(engine: Engine, what: What, layout: Layout, report: Report) -> Gathered:
    """Put everything into the layout, and write its index.

    Raises:
        NotFoundError: an image is not built.
        EngineError: the engine did not give something.
    """
    layout.start()
    _differences(engine, what, report)
    saved: list[images.Saved] = []
    lists: list[Blob] = []
    references = [image.reference for image in what.plan.images]
    if what.images:
        with step(report, "images", f"saving {len(references)} images"):
            saved = images.save(engine, references, layout)
        with step(report, "packages", "listing their packages"):
            lists = _locked(engine, what, layout, report)
    module_blob = modules.save(what.catalog, what.plan.images, layout)
    records: list[VolumeRecord] = []
    blobs: list[Blob] = []
    seconds = 0.0
    if what.data:
        with step(report, "data", "saving its data"):
            records, blobs, seconds = _data(engine, what, layout)
    record = _record(what, saved, records)
    config = layout.add(form.written(record.model_dump(mode="json", by_alias=True)), form.DESKTOP)
    notes = {form.CARRIED: str(form.FORMAT)}
    content = form.manifest(config, [module_blob, *lists, *blobs], artifactType=form.DESKTOP, annotations=notes)
    manifest = layout.add(content, form.MANIFEST, **{form.REF_NAME: what.desktop.name})
    layout.finish([manifest, *(image.manifest for image in saved)])
    return Gathered(manifest, record, seconds)


def _differences(engine: Engine, what: What, report: Report) -> None:
    """Say what of the running desktop is not carried, since its file and this machine's modules say otherwise."""
    planned = {c.name: c.image for c in what.plan.containers}
    for module in look(engine, what.desktop.name).modules.values():
        if module.added and module.name not in planned:
            report(
                Note(f"{module.short} was started by `run` and is not part of the desktop: modulux swap … apps+={module.short}")
            )
        elif planned.get(module.name, module.state.image) != module.state.image:
            report(Note(f"{module.short} runs from an older image: the one of today is carried"))


def _record(what: What, saved: Sequence[images.Saved], kept: list[VolumeRecord]) -> Record:
    by_reference = {image.reference: image for image in saved}
    locked = []
    for image in what.plan.images:
        found = by_reference.get(image.reference)
        manifest, id = (found.manifest.digest, found.id) if found else (None, None)
        locked.append(ImageRecord(module=image.module, reference=image.reference, manifest=manifest, id=id))
    return Record(
        format=form.FORMAT,
        desktop=what.desktop.name,
        platform=here(),
        made_by=made_by(),
        file=what.desktop.model_dump(mode="json", by_alias=True, exclude_unset=True),
        locked=locked,
        images=what.images,
        volumes=kept,
    )


def _data(engine: Engine, what: What, layout: Layout) -> tuple[list[VolumeRecord], list[Blob], float]:
    """Save the volumes as they are at one moment.

    Everything is read once while the desktop runs, and once more while those who write stand still: of that second time only
    what has changed since costs more than a look.
    """
    with lock(f"{engine.name}.{what.desktop.name}"):  # nothing is started or taken away meanwhile
        found = look(engine, what.desktop.name)
        kept = [volume.name for volume in what.plan.volumes if volume.kept and volume.name in found.volumes]
        details = engine.details(sorted(found.modules)) if found.modules else []
        writers = [detail for detail in details if detail.pid and set(kept) & set(detail.volumes)]
        if not writers:
            return (*_volumes(engine, what, kept, layout), 0.0)
        _volumes(engine, what, kept, layout)
        targets = sorted({at for writer in writers for name, at in writer.volumes.items() if name in kept})
        with hold(engine, writers, targets) as held, held.frozen() as moment:
            records, blobs = _volumes(engine, what, kept, layout)
        return records, blobs, moment.seconds


def _volumes(engine: Engine, what: What, names: Sequence[str], layout: Layout) -> tuple[list[VolumeRecord], list[Blob]]:
    prefix = container_name(what.desktop.name, "")
    saved = [volumes.save(engine, name, name.removeprefix(prefix), layout) for name in names]
    return [record for record, _ in saved], [blob for _, blobs in saved for blob in blobs]


def _locked(engine: Engine, what: What, layout: Layout, report: Report) -> list[Blob]:
    """The version of every package of every image: for people, and for who wants to know what has changed."""
    stock = Inventory(Found(what.desktop.name), what.desktop, {}, [])
    try:
        packages = package_lists(engine, stock, what.plan)
    except EngineError as error:  # a module of a distribution without dpkg
        report(Note(f"the packages are not listed: {error}"))
        return []
    content = {"images": [asdict(image) for image in packages]}
    return [layout.add(form.written(content), form.LOCK)]


def to_file(engine: Engine, what: What, path: Path, report: Report) -> tuple[Gathered, int]:
    """Export into the file `path`; what an interruption leaves lies beside it, and is used by the next attempt.

    Returns:
        what was gathered, and the file's size.

    Raises:
        UsageError: the file exists.
        HostError: it cannot be written.
    """
    if path.exists():
        raise UsageError(f"{path} is there already", hint="another name after -o; nothing is overwritten")
    if not path.parent.is_dir():
        raise HostError(f"{path.parent}: no such folder", hint=f"mkdir -p {path.parent}")
    layout = Layout(path.with_name(path.name + ".part"))
    with alone(path.resolve()):
        gathered = gather(engine, what, layout, report)
        new = layout.folder / "archive"
        with step(report, "write", f"writing {path}"):
            with open(new, "wb", opener=_private) as sink:
                size = archive.pack(layout, sink, sweep=True)
                sink.flush()
                os.fsync(sink.fileno())
            new.replace(path)
        layout.remove()
    return gathered, size


def _private(path: str, flags: int) -> int:
    """A home is in it: nobody else reads it."""
    return os.open(path, flags, 0o600)


def to_stream(engine: Engine, what: What, sink: IO[bytes], report: Report) -> tuple[Gathered, int]:
    """As `to_file`, into a stream; what an interruption leaves lies in the user's cache."""
    layout = Layout(cache() / "carry" / f"export.{what.desktop.name}")
    with alone(layout.folder):
        gathered = gather(engine, what, layout, report)
        with step(report, "write", "writing"):
            size = archive.pack(layout, sink)
            sink.flush()
        layout.remove()
    return gathered, size


@contextlib.contextmanager
def alone(path: Path) -> Iterator[None]:
    """Hold what is made at `path` against another export of the same."""
    name = form.digest_of(str(path).encode()).removeprefix("sha256:")[:16]
    with lock(f"carry.{name}"):
        yield
