"""A desktop into a layout: its images, its modules, its data, its record; and the layout into one file or stream."""

from __future__ import annotations

import contextlib
import os
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import IO

from modulux import run
from modulux.carry import archive, images, modules, volumes
from modulux.carry import layout as form
from modulux.carry.layout import Blob, Layout
from modulux.carry.record import ImageRecord, Record, VolumeRecord, here, made_by
from modulux.desktop.state import Found, look
from modulux.engine.protocol import Engine
from modulux.errors import EngineError, HostError, UsageError
from modulux.model.desktop import Desktop
from modulux.model.plan import Plan
from modulux.paths import cache, lock
from modulux.report import Report, step
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
    saved: list[images.Saved] = []
    references = [image.reference for image in what.plan.images]
    if what.images:
        with step(report, "images", f"saving {len(references)} images"):
            saved = images.save(engine, references, layout)
    module_blob = modules.save(what.catalog, what.plan.images, layout)
    records: list[VolumeRecord] = []
    blobs: list[Blob] = []
    frozen = 0.0
    if what.data:
        with step(report, "data", "saving its data"):
            records, blobs, frozen = _data(engine, what.plan, layout)
    by_reference = {image.reference: image for image in saved}
    locked = [
        ImageRecord(
            module=image.module,
            reference=image.reference,
            manifest=by_reference[image.reference].manifest.digest if saved else None,
            id=by_reference[image.reference].id if saved else None,
        )
        for image in what.plan.images
    ]
    record = Record(
        format=form.FORMAT,
        desktop=what.desktop.name,
        platform=here(),
        made_by=made_by(),
        file=what.desktop.model_dump(mode="json", by_alias=True, exclude_unset=True),
        locked=locked,
        images=what.images,
        volumes=records,
    )
    config = layout.add(form.written(record.model_dump(mode="json", by_alias=True)), form.DESKTOP)
    content = form.manifest(config, [module_blob, *blobs], form.DESKTOP)
    notes = {form.CARRIED: str(form.FORMAT), form.REF_NAME: what.desktop.name}
    manifest = layout.add(content, form.MANIFEST, **notes)
    layout.finish([manifest, *(image.manifest for image in saved)])
    return Gathered(manifest, record, frozen)


def _data(engine: Engine, plan: Plan, layout: Layout) -> tuple[list[VolumeRecord], list[Blob], float]:
    found = look(engine, plan.desktop)
    kept = [volume.name for volume in plan.volumes if volume.kept and volume.name in found.volumes]
    prefix = container_name(plan.desktop, "")
    records: list[VolumeRecord] = []
    blobs: list[Blob] = []
    began = time.monotonic()
    with _still(engine, found):
        for name in kept:
            record, parts = volumes.save(engine, name, name.removeprefix(prefix), layout)
            records.append(record)
            blobs += parts
    return records, blobs, time.monotonic() - began if found.modules else 0.0


@contextlib.contextmanager
def _still(engine: Engine, found: Found) -> Iterator[None]:
    """The desktop's processes stand still, so that its files are those of one moment."""
    running = [m.name for m in found.modules.values() if m.state.running]
    if not running:
        yield
        return
    try:
        engine.pause(running)
        yield
    finally:
        done = run.run(engine.unpause_argv(running))
        if not done.ok:
            raise EngineError(f"the desktop stands still: {done.stderr.strip()}", hint=run.shown(engine.unpause_argv(running)))


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
    with _alone(path.resolve()):
        gathered = gather(engine, what, layout, report)
        new = layout.folder / "archive"
        with step(report, "write", f"writing {path}"):
            with new.open("wb") as sink:
                size = archive.pack(layout, sink, sweep=True)
                sink.flush()
                os.fsync(sink.fileno())
            new.replace(path)
        layout.remove()
    return gathered, size


def to_stream(engine: Engine, what: What, sink: IO[bytes], report: Report) -> tuple[Gathered, int]:
    """As `to_file`, into a stream; what an interruption leaves lies in the user's cache."""
    layout = Layout(cache() / "carry" / f"export.{what.desktop.name}")
    with _alone(layout.folder):
        gathered = gather(engine, what, layout, report)
        with step(report, "write", "writing"):
            size = archive.pack(layout, sink)
            sink.flush()
        layout.remove()
    return gathered, size


@contextlib.contextmanager
def _alone(path: Path) -> Iterator[None]:
    name = form.digest_of(str(path).encode()).removeprefix("sha256:")[:16]
    with lock(f"carry.{name}"):
        yield
