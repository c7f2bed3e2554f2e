"""The one file: a tar that is an OCI image layout, with what says everything about the rest at its beginning.

First comes the index, then all manifests and configurations, then what is large; so a reader knows what will come, and how
much, before it has taken anything. Blobs are compressed already; the tar around them is not.
"""

from __future__ import annotations

import os
import re
import shutil
import tarfile
from collections.abc import Iterator
from pathlib import Path

from modulux.carry import tars
from modulux.carry.layout import MANIFEST, PIECE, SMALL, Blob, Layout, Reads, Writes, digest_of, hexadecimal
from modulux.carry.source import LOST, Place, Source
from modulux.errors import DamagedError, HostError

_BLOB = re.compile(r"blobs/sha256/([0-9a-f]{64})")
FOLDERS = {"blobs", "blobs/sha256"}
MEMBERS = 100_000
"""No desktop comes near; each costs memory."""


def pack(layout: Layout, sink: Writes, *, sweep: bool = False) -> int:
    """Write the layout as one archive; how many bytes it has.

    Args:
        sweep: remove each blob once it is written, so that the two never take twice the room.
    """
    source = Source.folder(layout.folder)
    counted = _Counted(sink)
    for name in ("oci-layout", "index.json"):
        content = (layout.folder / name).read_bytes()
        tars.put(counted, name, len(content), content)
    for blob in blobs(source):
        with source.open(blob) as stream:
            tars.put(counted, f"blobs/sha256/{hexadecimal(blob.digest)}", blob.size, stream)
        if sweep:
            layout.path(blob.digest).unlink()
    tars.end(counted)
    return counted.size


class _Counted:
    def __init__(self, sink: Writes) -> None:
        self.sink, self.size = sink, 0

    def write(self, data: bytes) -> None:
        self.size += len(data)
        self.sink.write(data)


def blobs(source: Source) -> list[Blob]:
    """Every blob that the index leads to, each once: manifests and their configurations first.

    Raises:
        DamagedError: a manifest is missing or no manifest.
    """
    first: dict[str, Blob] = {}
    rest: dict[str, Blob] = {}
    for manifest in source.manifests:
        if manifest.media != MANIFEST:
            raise DamagedError(f"its index names {manifest.media}, which is not ours")
        data = source.document(manifest)
        layers = data.get("layers")
        config = Blob.of(data.get("config"))
        first |= {manifest.digest: manifest, config.digest: config}
        for layer in layers if isinstance(layers, list) else []:
            blob = Blob.of(layer)
            rest.setdefault(blob.digest, blob)
    return [*first.values(), *(blob for digest, blob in rest.items() if digest not in first)]


def look(path: Path) -> Source:
    """The archive `path`; its blobs are not yet checked.

    Raises:
        DamagedError: it is no archive of ours, or holds what does not belong there.
    """
    found: dict[str, Place] = {}
    index: bytes | None = None
    size = path.stat().st_size
    with path.open("rb") as file:
        for name, digest, length in _members(file):
            if file.tell() + length > size:
                raise DamagedError(f"{path} is cut short", hint=LOST)
            if digest:
                found[digest] = Place(path, file.tell(), length)
            elif name == "index.json":
                index = file.read(length)
                file.seek(-length, os.SEEK_CUR)
            file.seek(tars.padded(length), os.SEEK_CUR)
    if index is None:
        raise DamagedError(f"{path} is no desktop that Modulux wrote", hint="modulux export NAME -o FILE writes one")
    return Source(index, found)


def stage(stream: Reads, folder: Path) -> tuple[Source, Layout]:
    """Take an archive from a stream into a layout below `folder`; what an interrupted attempt took is not written again.

    Raises:
        DamagedError: as `look`.
        HostError: there is no room for it.
    """
    layout: Layout | None = None
    for name, digest, length in _members(stream):
        if digest:
            if layout is None:
                break
            _stage(stream, length, layout.path(digest))
        else:
            data = _exactly(stream, length)
            if name == "index.json":
                layout = Layout(folder / hexadecimal(digest_of(data))[:16])
                layout.start()
                (layout.folder / name).write_bytes(data)
        _exactly(stream, tars.padded(length) - length)
    if layout is None:
        raise DamagedError("what came is no desktop that Modulux wrote", hint="modulux export NAME -o - | … modulux import -")
    return Source.folder(layout.folder), layout


def _stage(stream: Reads, length: int, path: Path) -> None:
    there = path.exists() and path.stat().st_size == length
    if not there:
        room(path.parent, length)
    part = path.with_suffix(".part")
    with open(os.devnull, "wb") if there else part.open("wb") as sink:  # noqa: PTH123
        left = length
        while left:
            piece = _exactly(stream, min(left, PIECE))
            sink.write(piece)
            left -= len(piece)
    if not there:
        part.replace(path)


def _exactly(stream: Reads, length: int) -> bytes:
    data = stream.read(length)
    while len(data) < length and (more := stream.read(length - len(data))):
        data += more
    if len(data) < length:
        raise DamagedError("what came is cut short", hint=LOST)
    return data


def room(folder: Path, size: int) -> None:
    """See that `size` bytes fit into the file system of `folder`, with a little left.

    Raises:
        HostError: they do not.
    """
    free = shutil.disk_usage(folder).free
    if size + SPARE > free:
        raise HostError(
            f"{folder}: {size // 1024**2} MB are needed, and {free // 1024**2} MB are free", hint="make room, then try again"
        )


SPARE = 64 * 1024**2


def _members(stream: Reads) -> Iterator[tuple[str, str, int]]:
    """Each member's name, the digest that the name says, and its length; the stream then stands at its content.

    Only the plainest of headers are read: none of those that make another file of what follows, or that need memory.
    """
    seen: set[str] = set()
    while True:
        block = _exactly(stream, tars.BLOCK)
        if block == bytes(tars.BLOCK):
            return
        try:
            member = tarfile.TarInfo.frombuf(block, "ascii", "strict")
        except (tarfile.HeaderError, ValueError) as error:
            raise DamagedError(f"it cannot be read as an archive: {error}", hint=LOST) from None
        if member.isdir() and member.name.rstrip("/") in FOLDERS:
            continue
        blob = _BLOB.fullmatch(member.name)
        known = blob or member.name in {"oci-layout", "index.json"}
        if not known or not member.isreg() or member.size < 0 or member.name in seen or len(seen) > MEMBERS:
            raise DamagedError(f"it holds {member.name!r:.100}, which no archive of ours does", hint="nothing of it was used")
        if blob is None and member.size > SMALL:
            raise DamagedError(f"its {member.name} is too large to be ours", hint="nothing of it was used")
        seen.add(member.name)
        yield member.name, f"sha256:{blob[1]}" if blob else "", member.size


def written(path: Path) -> None:
    """See to it that the file is on the disk before anybody is told that it is."""
    with path.open("rb") as file:
        os.fsync(file.fileno())
