"""Images out of an engine into a layout, and back: by `save` and `load`, whose streams every version of both engines knows.

Layers that several images share go through once. What an engine gives out is checked against the image's own configuration, so
that an image has the same id wherever it was carried.
"""

from __future__ import annotations

import gzip
import io
import json
import posixpath
import tarfile
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import IO, Any, cast

from zstandard import ZstdDecompressor

from modulux.carry import layout as form
from modulux.carry import tars
from modulux.carry.layout import Blob, Layout
from modulux.carry.source import Source
from modulux.carry.streams import feed, fetch
from modulux.engine.protocol import Engine
from modulux.errors import DamagedError, EngineError, NotFoundError

HELD = 1024**2
"""Bytes; smaller members of what `save` gives are kept in memory until it is known what they are."""


@dataclass(frozen=True)
class Saved:
    """An image in a layout: its reference, its manifest, its id (the digest of its configuration)."""

    reference: str
    manifest: Blob
    id: str


@dataclass
class _Archive:
    """What `save` gave: layers by their path, with the digest of what they hold; small files; links."""

    layers: dict[str, tuple[Blob, str]] = field(default_factory=dict)
    small: dict[str, bytes] = field(default_factory=dict)
    links: dict[str, str] = field(default_factory=dict)


def save(engine: Engine, references: Sequence[str], layout: Layout) -> list[Saved]:
    """Put the images into the layout, in the order of `references`.

    Raises:
        NotFoundError: the engine does not have one.
        EngineError: it could not give them, or gave something else.
    """
    if missing := sorted(set(references) - engine.images(references)):
        raise NotFoundError(f"{engine.name} does not have the image {missing[0]}", hint="modulux build")
    with fetch(engine.save_argv(references)) as stream:
        archive = _read(stream, layout)
    try:
        entries = {tag: entry for entry in json.loads(archive.small["manifest.json"]) for tag in entry["RepoTags"] or []}
        return [_saved(reference, entries[reference], archive, layout) for reference in references]
    except (KeyError, ValueError, TypeError) as error:
        raise EngineError(f"{engine.name} save gave an archive that is not as it should be: {error!r}") from None


def _read(stream: IO[bytes], layout: Layout) -> _Archive:
    found = _Archive()
    with tarfile.open(fileobj=stream, mode="r|") as archive:
        for member in archive:
            name = posixpath.normpath(member.name)
            if member.issym():
                found.links[name] = posixpath.normpath(posixpath.join(posixpath.dirname(name), member.linkname))
            elif member.islnk():
                found.links[name] = posixpath.normpath(member.linkname)
            elif member.isreg():
                file = archive.extractfile(member)
                assert file is not None
                if member.size <= HELD:
                    found.small[name] = file.read()
                else:
                    found.layers[name] = _layer(file, name, member.size, layout)
    return found


def _layer(file: IO[bytes], name: str, size: int, layout: Layout) -> tuple[Blob, str]:
    """Add a layer, unless it is there already: Podman's archives name it by its digest."""
    source = f"sha256:{posixpath.basename(name).removesuffix('.tar')}"
    if form.hexadecimal(source) and (blob := layout.known(source, form.LAYER, size)):
        return blob, source
    with _plain(file, size) as (plain, length):
        return layout.compress(plain, length, form.LAYER)


class _plain:  # noqa: N801  used like a function
    """The layer uncompressed, and how long it is: Docker that keeps images by containerd gives them out as they came."""

    def __init__(self, file: IO[bytes], size: int) -> None:
        self.file, self.size = file, size
        self.spool: IO[bytes] | None = None

    def __enter__(self) -> tuple[IO[bytes], int]:
        head = self.file.read(4)
        whole: IO[bytes] = io.BufferedReader(_Joined(head, self.file))
        if head[:2] == b"\x1f\x8b":
            whole = cast("IO[bytes]", gzip.GzipFile(fileobj=whole))
        elif head == b"\x28\xb5\x2f\xfd":
            whole = cast("IO[bytes]", ZstdDecompressor().stream_reader(whole))
        else:
            return whole, self.size
        self.spool = tempfile.TemporaryFile()
        for piece in form.pieces(whole):
            self.spool.write(piece)
        size = self.spool.tell()
        self.spool.seek(0)
        return self.spool, size

    def __exit__(self, *_: object) -> None:
        if self.spool:
            self.spool.close()


class _Joined(io.RawIOBase):
    """What was read already, and then the rest."""

    def __init__(self, head: bytes, rest: IO[bytes]) -> None:
        self.head, self.rest = head, rest

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        data, self.head = (
            (self.head[: len(buffer)], self.head[len(buffer) :]) if self.head else (self.rest.read(len(buffer)), b"")
        )
        buffer[: len(data)] = data
        return len(data)


def _saved(reference: str, entry: dict[str, Any], archive: _Archive, layout: Layout) -> Saved:
    content = archive.small[posixpath.normpath(entry["Config"])]
    config = layout.add(content, form.IMAGE_CONFIG)
    sources = json.loads(content)["rootfs"]["diff_ids"]
    layers = [_found(posixpath.normpath(path), archive, layout) for path in entry["Layers"]]
    if [source for _, source in layers] != sources:
        raise ValueError(f"the layers of {reference} are not those that it names")
    manifest = layout.add(form.manifest(config, (blob for blob, _ in layers)), form.MANIFEST, **{form.REF_NAME: reference})
    return Saved(reference, manifest, config.digest)


def _found(path: str, archive: _Archive, layout: Layout) -> tuple[Blob, str]:
    for _ in range(8):  # a link may lead to a link
        path = archive.links.get(path, path)
    if path not in archive.layers:
        data = archive.small[path]
        with _plain(io.BytesIO(data), len(data)) as (plain, length):
            archive.layers[path] = layout.compress(plain, length, form.LAYER)
    return archive.layers[path]


@dataclass(frozen=True)
class Held:
    """An image that a source holds: what it is to be called here, and what its manifest says."""

    reference: str
    id: str
    config: bytes
    layers: tuple[tuple[Blob, str], ...]  # with the digest of what it holds


def held(source: Source, manifest: Blob, reference: str) -> Held:
    """Read an image's manifest and configuration.

    Raises:
        DamagedError: they do not fit together.
    """
    data = source.document(manifest)
    config = Blob.of(data.get("config"))
    parts = [Blob.of(layer) for layer in data.get("layers") or []]
    content = source.read(config)
    try:
        sources = json.loads(content)["rootfs"]["diff_ids"]
    except (ValueError, KeyError, TypeError):
        sources = None
    fits = isinstance(sources, list) and len(sources) == len(parts) and all(form.hexadecimal(str(s)) for s in sources)
    if not fits or any(layer.media != form.LAYER for layer in parts):
        raise DamagedError(f"{reference} is not an image that Modulux wrote")
    return Held(reference, config.digest, content, tuple(zip(parts, sources or [], strict=True)))


def load(engine: Engine, images: Sequence[Held], source: Source) -> None:
    """Give the images to the engine, all or none.

    Raises:
        DamagedError: a layer is not what the image's configuration says, or larger than its manifest says.
        EngineError: the engine did not take them.
    """
    if not images:
        return
    with feed(engine.load_argv()) as sink:
        done: set[str] = set()
        for image in images:
            for blob, raw in image.layers:
                if raw not in done:
                    with source.unpacked(blob, raw) as stream:
                        tars.put(sink, f"{form.hexadecimal(raw)}.tar", blob.unpacked, stream)
                    done.add(raw)
            tars.put(sink, f"{form.hexadecimal(image.id)}.json", len(image.config), image.config)
        entries = json.dumps([_entry(image) for image in images]).encode()
        tars.put(sink, "manifest.json", len(entries), entries)
        tars.end(sink)
    ids = engine.image_ids([image.reference for image in images])
    wrong = [image.reference for image in images if f"sha256:{ids.get(image.reference)}" != image.id]
    if wrong:
        raise EngineError(f"{engine.name} loaded {wrong[0]}, but not as what was carried")


def _entry(image: Held) -> dict[str, Any]:
    layers = [f"{form.hexadecimal(raw)}.tar" for _, raw in image.layers]
    return {"Config": f"{form.hexadecimal(image.id)}.json", "RepoTags": [image.reference], "Layers": layers}
