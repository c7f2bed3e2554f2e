"""A layout or archive into an engine: all is checked first, then images and volumes are made, and on any failure taken back."""

from __future__ import annotations

import contextlib
import io
import ipaddress
import shutil
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from ruamel.yaml import YAML

from modulux import run
from modulux.carry import archive, images, modules, volumes
from modulux.carry import layout as form
from modulux.carry.layout import Blob
from modulux.carry.record import Record, read
from modulux.carry.source import Source
from modulux.desktop.state import look
from modulux.engine.protocol import Engine
from modulux.errors import DamagedError, FileError, ModuluxError, NameTakenError
from modulux.keep.restore import renamed
from modulux.model.desktop import Desktop
from modulux.model.plan import Plan
from modulux.paths import lock, own_desktop
from modulux.report import Note, Report, step
from modulux.resolve.catalog import Catalog
from modulux.resolve.plan import HostFacts, container_name, resolve

MODULES = "modules"
FILE = "desktop.yaml"
LISTS = "lock.json"
ORIGIN = "origin"
"""A file that holds the digest of the manifest that a desktop came by."""
DONE = "done"
"""Names of the volumes that an import under way has filled."""


@dataclass(frozen=True)
class Checked:
    """What is to be imported, read and found to be whole. `asks` is what it wants beyond what every desktop may."""

    source: Source
    digest: str
    record: Record
    desktop: Desktop
    plan: Plan
    staged: Path  # a folder of its own until it is all there
    images: list[images.Held]
    data: dict[str, list[Blob]]  # by the volume's name in the engine
    lists: bytes | None = None  # the versions of the images' packages
    asks: list[str] = field(default_factory=list)

    @property
    def brought(self) -> bool:
        """Whether it comes with modules that are not this machine's own."""
        return (self.staged / MODULES).exists() or (own_desktop(self.desktop.name) / MODULES).exists()


@contextlib.contextmanager
def checked(
    source: Source, engine: Engine, catalog: Catalog, host: HostFacts, report: Report, *, name: str | None
) -> Iterator[Checked]:
    """Read everything and judge it. Nothing of the engine is touched; what is staged goes with the context if it was not used.

    Args:
        name: what the desktop is to be called here; as it was without.

    Raises:
        DamagedError, NewerError: it is not to be used.
        NameTakenError: there is something of that name.
    """
    first, manifest, record = read(source)
    desktop = record.composition
    if name:
        desktop = renamed(desktop, name)
    with lock(f"{engine.name}.{desktop.name}"):
        staged = own_desktop(desktop.name).with_name(f".{desktop.name}.importing")
        _free(engine, desktop, first.digest, staged)
        with step(report, "check", "checking every byte"):
            for blob in archive.blobs(source):
                source.check(blob)
        staged.mkdir(parents=True, exist_ok=True)
        try:
            layers = [Blob.of(layer) for layer in manifest.get("layers") or []]
            plan, asks = _plan(source, layers, record, desktop=desktop, catalog=catalog, host=host, staged=staged)
            held = _images(source, record, plan, engine) if record.images else []
            data = _volumes(record, layers, plan)
            _room(engine, held, data)
            with step(report, "judge", "looking through its files"):
                for blobs in data.values():
                    volumes.judge(blobs, source)
            lists = next((source.read(layer) for layer in layers if layer.media == form.LOCK), None)
            yield Checked(source, first.digest, record, desktop, plan, staged, held, data, lists, asks)
        finally:
            if not (staged / ORIGIN).exists():
                shutil.rmtree(staged, ignore_errors=True)


def _free(engine: Engine, desktop: Desktop, digest: str, staged: Path) -> None:
    """See that the name can be had, by a new desktop or by one whose import was cut short.

    Raises:
        NameTakenError: it cannot.
    """
    name = desktop.name
    found = look(engine, name)
    origin = staged / ORIGIN
    begun = _says(origin, digest)
    if origin.is_file() and not begun and not found.volumes:
        shutil.rmtree(staged)
    if found.modules or found.networks or found.foreign or (found.volumes and not begun):
        raise NameTakenError(f"there is a desktop `{name}` already", hint="--as ANOTHER-NAME; nothing is overwritten")
    place = own_desktop(name)
    if place.exists() and not (place / FILE).exists():
        raise NameTakenError(
            f"modules that were brought for a desktop `{name}` lie in {place}",
            hint=f"--as ANOTHER-NAME; `modulux down {name} --volumes` takes them away with it, else remove that folder",
        )
    if place.exists() and not (_says(place / ORIGIN, digest) and _says(place / FILE, _text(desktop))):
        raise NameTakenError(
            f"a desktop `{name}` was imported before, and lies in {place}",
            hint="--as ANOTHER-NAME; or remove that folder",
        )


def _says(file: Path, text: str) -> bool:
    return file.is_file() and file.read_text() == text


def _text(desktop: Desktop) -> str:
    text = io.StringIO()
    YAML().dump(desktop.model_dump(mode="json", by_alias=True, exclude_unset=True), text)
    return text.getvalue()


def _plan(
    source: Source, layers: Sequence[Blob], record: Record, *, desktop: Desktop, catalog: Catalog, host: HostFacts, staged: Path
) -> tuple[Plan, list[str]]:
    """What the desktop resolves to: by this machine's modules if they come to the same images, else by those it brought."""
    locked = {image.module: image.reference for image in record.locked}
    with contextlib.suppress(FileError):
        plan = resolve(desktop, catalog, host)
        if {image.module: image.reference for image in plan.images} == locked:
            return plan, _asks(plan, own=True)
    brought = [layer for layer in layers if layer.media == form.MODULES]
    if len(brought) != 1:
        raise DamagedError("it does not bring its modules")
    shutil.rmtree(staged / MODULES, ignore_errors=True)
    modules.unpack(brought[0], source, staged / MODULES)
    try:
        plan = resolve(desktop, Catalog([staged / MODULES, *catalog.roots]), host)  # as `up` will
    except FileError as error:
        raise DamagedError(f"its modules do not make its desktop: {error}", hint=error.hint) from None
    if missing := {image.module for image in plan.images} - set(locked):
        raise DamagedError(f"it does not name the image of {min(missing)}")
    return plan, _asks(plan, own=False)


def _asks(plan: Plan, *, own: bool) -> list[str]:
    """What a desktop gets that not every one does: of the host by its file, and by modules that are not this machine's own."""
    asks = {f"the folder {m.source} of this machine" for c in plan.containers for m in c.mounts if m.source.startswith("/")}
    for publish in (publish for c in plan.containers for publish in c.publish):
        if not ipaddress.ip_address(publish.address).is_loopback:
            asks.add(f"to listen at {publish.address}")
    if not own:
        for c in plan.containers:
            asks |= {f"the capability {capability} for {c.module}" for capability in c.capabilities}
            asks |= {f"the device {device} for {c.module}" for device in c.devices}
            asks |= {f"a seccomp profile of its own for {c.module}"} if c.seccomp else set()
    return sorted(asks)


def _images(source: Source, record: Record, plan: Plan, engine: Engine) -> list[images.Held]:
    """The images by the references under which this machine will look for them; what a registry need not give is left out."""
    there = engine.image_ids([image.reference for image in plan.images])
    manifests = {blob.digest: blob for blob in source.manifests[1:]}
    locked = {image.module: image for image in record.locked}
    held = []
    for image in plan.images:
        one = locked[image.module]
        if one.manifest not in manifests and one.id == f"sha256:{there.get(image.reference)}":
            continue
        if one.manifest is None or one.manifest not in manifests:
            raise DamagedError(f"the image of {image.module} is missing")
        found = images.held(source, manifests[one.manifest], image.reference)
        if found.id != one.id:
            raise DamagedError(f"the image of {image.module} is not the one that its record names")
        held.append(found)
    return held


def _volumes(record: Record, layers: Sequence[Blob], plan: Plan) -> dict[str, list[Blob]]:
    kept = {volume.name for volume in plan.volumes if volume.kept}
    found: dict[str, list[Blob]] = {}
    for volume in record.volumes:
        name = container_name(plan.desktop, volume.name)
        if name not in kept or name in found:
            raise DamagedError(f"it holds a volume `{volume.name}`, which its desktop does not have")
        found[name] = volumes.blobs_of(volume, layers)
    return found


def bring(engine: Engine, what: Checked, report: Report) -> tuple[list[str], list[str]]:
    """Make what was checked: images, volumes, and last the desktop's file. On a failure all is taken back.

    Returns:
        the references of the images that were not there before, and the names of the volumes.
    """
    wanted = engine.image_ids([image.reference for image in what.images])
    for image in what.images:
        if f"sha256:{wanted.get(image.reference, image.id.removeprefix('sha256:'))}" != image.id:
            report(Note(f"{image.reference} is here already, built apart: this machine's own is kept and used"))
    missing = [image for image in what.images if image.reference not in wanted]
    (what.staged / ORIGIN).write_text(what.digest)
    done = _done(what.staged)
    with run.one_interrupt() as ignore_interrupts:
        try:
            if missing:
                with step(report, "images", f"loading {len(missing)} images"):
                    images.load(engine, missing, what.source)
            with step(report, "data", "unpacking its data"):
                for name in what.data:
                    if name not in done:
                        _fill(engine, what, name)
                        done.add(name)
                        (what.staged / DONE).write_text("\n".join(sorted(done)))
            _settle(what)
        except BaseException:
            ignore_interrupts()
            _undo(engine, [image.reference for image in missing], list(what.data), report)
            shutil.rmtree(what.staged, ignore_errors=True)
            raise
    return [image.reference for image in missing], list(what.data)


def _done(staged: Path) -> set[str]:
    try:
        return set((staged / DONE).read_text().split())
    except OSError:
        return set()


def _room(engine: Engine, held: Sequence[images.Held], data: dict[str, list[Blob]]) -> None:
    """See that there is room for what the manifests say that everything unpacks to; no more than that is ever unpacked.

    Raises:
        HostError: there is not.
    """
    there = engine.image_ids([image.reference for image in held])
    layers = [blob for image in held if image.reference not in there for blob, _ in image.layers]
    size = sum({blob.digest: blob.unpacked for blob in layers}.values())
    size += sum(blob.unpacked for blobs in data.values() for blob in blobs)
    words = "{{.Store.GraphRoot}}" if engine.name == "podman" else "{{.DockerRootDir}}"
    root = Path(engine.do([engine.program, "info", "--format", words]).strip())
    if root.is_dir():  # a daemon elsewhere says by itself when it has no room
        archive.room(root, size)


def _fill(engine: Engine, what: Checked, name: str) -> None:
    """Make a volume and its files; one that was begun before is made anew."""
    if name in look(engine, what.desktop.name).volumes:
        engine.remove("volume", [name])
    engine.make(engine.filled_volume_argv(next(v for v in what.plan.volumes if v.name == name)))
    volumes.fill(engine, engine.volume_paths([name])[name], what.data[name], what.source)


def _settle(what: Checked) -> None:
    """Write the desktop's file, and give the folder its place: from then on it is imported."""
    (what.staged / FILE).write_text(_text(what.desktop))
    if what.lists is not None:
        (what.staged / LISTS).write_bytes(what.lists)
    (what.staged / DONE).unlink(missing_ok=True)
    place = own_desktop(what.desktop.name)
    if place.exists():  # the same desktop, imported before
        shutil.rmtree(place)
    what.staged.rename(place)


def _undo(engine: Engine, references: Sequence[str], names: Sequence[str], report: Report) -> None:
    try:
        there = engine.images(references)
        engine.remove("image", [reference for reference in reversed(references) if reference in there])
        engine.remove("volume", list(engine.volume_paths(names)))
    except ModuluxError as error:
        report(Note(f"could not clean up: {error}"))
