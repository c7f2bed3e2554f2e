"""Archives made by hand, and an engine that holds nothing but volumes, so that what is refused can be tried by the hundred."""

from __future__ import annotations

import io
import json
import tarfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from modulux.carry import archive, importing, modules
from modulux.carry import layout as form
from modulux.carry.layout import Blob, Layout
from modulux.carry.record import Record, here
from modulux.carry.source import Source
from modulux.engine.protocol import Named, State
from modulux.model.desktop import Desktop
from modulux.model.plan import Volume
from modulux.paths import shipped
from modulux.report import silent
from modulux.resolve.catalog import Catalog
from modulux.resolve.plan import HostFacts, resolve

FILE: dict[str, Any] = {"name": "made", "display": "xvfb", "sessions": ["openbox"]}
CATALOG = Catalog([shipped("modules")])


@dataclass
class Volumes:
    """An engine: volumes are folders."""

    folder: Path
    name: str = "podman"
    program: str = "podman"
    labels: dict[str, dict[str, str]] = field(default_factory=dict)
    removed: list[str] = field(default_factory=list)

    def containers(self, prefix: str) -> list[State]:
        return []

    def networks(self, prefix: str) -> list[Named]:
        return []

    def volumes(self, prefix: str) -> list[Named]:
        return [Named(n, labels) for n, labels in self.labels.items() if n.startswith(prefix)]

    def image_ids(self, references: Sequence[str]) -> dict[str, str]:
        return {}

    def images(self, references: Sequence[str]) -> set[str]:
        return set()

    def filled_volume_argv(self, volume: Volume) -> list[str]:
        return ["volume", volume.name, json.dumps(volume.labels)]

    def do(self, argv: Sequence[str], *, timeout: float | None = None) -> str:
        return str(self.folder)

    def make(self, argv: Sequence[str]) -> str:
        self.labels[argv[1]] = json.loads(argv[2])
        (self.folder / argv[1]).mkdir()
        return argv[1]

    def volume_paths(self, names: Sequence[str]) -> dict[str, Path]:
        return {name: self.folder / name for name in names if name in self.labels}

    def near_argv(self, command: Sequence[str]) -> list[str]:
        return list(command)

    def remove(self, kind: str, names: Sequence[str]) -> None:
        for name in names if kind == "volume" else ():
            self.removed.append(name)
            del self.labels[name]


@dataclass
class Made:
    """An archive to be: change what you like, then `write`."""

    folder: Path
    file: dict[str, Any] = field(default_factory=lambda: dict(FILE))
    files: bytes = b""
    record: dict[str, Any] = field(default_factory=dict)
    notes: dict[str, str] = field(default_factory=lambda: {form.CARRIED: "1"})
    blob: Callable[[Blob], Blob] = lambda blob: blob
    modules: bytes | None = None

    def layout(self) -> Layout:
        layout = Layout(self.folder / "layout")
        layout.start()
        desktop = Desktop.model_validate(self.file)
        plan = resolve(desktop, CATALOG, HostFacts())
        brought = (
            modules.save(CATALOG, plan.images, layout)
            if self.modules is None
            else layout.compress(io.BytesIO(self.modules), len(self.modules), form.MODULES)[0]
        )
        data = layout.compress(io.BytesIO(self.files), len(self.files), form.VOLUME)[0]
        data = self.blob(Blob(data.media, data.digest, data.size, {**data.annotations, form.OF_VOLUME: "openbox.home"}))
        record = {
            "format": 1,
            "desktop": "made",
            "platform": here(),
            "made-by": "a test",
            "file": self.file,
            "locked": [{"module": i.module, "reference": i.reference} for i in plan.images],
            "images": False,
            "volumes": [{"name": "openbox.home", "parts": 1, "size": int(data.annotations[form.UNPACKED])}],
        } | self.record
        config = layout.add(form.written(record), form.DESKTOP)
        content = form.manifest(config, [brought, data], artifactType=form.DESKTOP, annotations=self.notes)
        layout.finish([layout.add(content, form.MANIFEST)])
        return layout

    def write(self) -> Path:
        path = self.folder / "made.modulux"
        with path.open("wb") as sink:
            archive.pack(self.layout(), sink)
        return path


def member(name: str, content: bytes = b"", *, type: bytes = tarfile.REGTYPE, link: str = "", **more: Any) -> bytes:
    """One member of a tar, as GNU or POSIX writes it."""
    made = tarfile.TarInfo(name)
    made.type, made.linkname, made.size, made.mode = type, link, len(content), 0o644
    made.pax_headers = more.get("pax", {})
    return made.tobuf(tarfile.PAX_FORMAT) + content + bytes(-len(content) % 512)


def tar(*members: bytes) -> bytes:
    return b"".join(members) + bytes(1024)


def take(path: Path | Source, engine: Volumes, name: str | None = None) -> tuple[Record, list[str], list[str]]:
    """Import it; the record, what it asks for, and the volumes."""
    source = archive.look(path) if isinstance(path, Path) else path
    with importing.checked(source, engine, CATALOG, HostFacts(), silent, name=name) as what:  # type: ignore[arg-type]
        _, volumes = importing.bring(engine, what, silent)  # type: ignore[arg-type]
        return what.record, what.asks, volumes
