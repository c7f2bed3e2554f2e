"""A desktop's data: each volume as a tar by GNU tar, divided into blobs: none is large, and an interruption costs little."""

from __future__ import annotations

import io
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any

from modulux.carry import layout as form
from modulux.carry.layout import Blob, Layout
from modulux.carry.record import VolumeRecord
from modulux.carry.safe import passed
from modulux.carry.source import Source
from modulux.carry.streams import feed, fetch
from modulux.engine.protocol import Engine
from modulux.errors import DamagedError

PART = 64 * 1024**2
"""Bytes of the tar in one blob."""

ATTRIBUTES = ("--xattrs", "--xattrs-include=user.*", "--acls")

READ = (
    "tar",
    "--create",
    "--format=posix",
    "--sort=name",  # and no times of reading: the same files are the same bytes
    "--pax-option=delete=atime,delete=ctime,exthdr.name=%d/PaxHeaders/%f",
    "--numeric-owner",
    "--owner=user:1000",
    "--group=user:1000",
    "--sparse",
    "--warning=no-file-ignored",
    *ATTRIBUTES,
)

WRITE = (
    "tar",
    "--extract",
    "--same-permissions",
    "--numeric-owner",
    "--delay-directory-restore",
    "--warning=no-timestamp",
    *ATTRIBUTES,
)

AS_USER = (
    "setpriv",
    "--reuid=1000",
    "--regid=1000",
    "--clear-groups",
    "--inh-caps=-all",
    "--bounding-set=-all",
    "--no-new-privs",
)
"""Files are unpacked by a process that has the same rights over the volume as a module, and fewer over all else."""


def save(engine: Engine, volume: str, part: str, layout: Layout) -> tuple[VolumeRecord, list[Blob]]:
    """Put a volume into the layout; its record (named `part`) and its blobs.

    Raises:
        EngineError: its files could not be read.
    """
    point = engine.volume_paths([volume])[volume]
    blobs: list[Blob] = []
    size = 0
    with fetch(engine.near_argv([*READ, "--directory", str(point), "."])) as stream:
        while data := stream.read(PART):
            size += len(data)
            blob = layout.known(form.digest_of(data), form.VOLUME, len(data))
            if blob is None:
                blob, _ = layout.compress(io.BytesIO(data), len(data), form.VOLUME)
            blobs.append(Blob(blob.media, blob.digest, blob.size, {**blob.annotations, form.OF_VOLUME: part}))
    return VolumeRecord(name=part, parts=len(blobs), size=size), blobs


def blobs_of(record: VolumeRecord, layers: Sequence[Blob]) -> list[Blob]:
    """The blobs of a volume among a manifest's layers.

    Raises:
        DamagedError: they are not as many, or as large, as the record says.
    """
    found = [b for b in layers if b.media == form.VOLUME and b.annotations.get(form.OF_VOLUME) == record.name]
    if len(found) != record.parts or sum(b.unpacked for b in found) != record.size or any(b.unpacked > PART for b in found):
        raise DamagedError(f"the parts of the volume `{record.name}` are not all there")
    return found


def fill(engine: Engine, point: Path, blobs: Sequence[Blob], source: Source) -> None:
    """Unpack a volume's files into its folder.

    Raises:
        DamagedError: they lead out of it, or are not what the manifest says.
        EngineError: they could not be written.
    """
    script = 'cd "$1" && chown 1000:1000 . && shift && exec "$@"'
    argv = ["sh", "-c", script, "sh", str(point), *AS_USER, *WRITE]
    with feed(engine.near_argv(argv)) as sink, _joined(blobs, source) as stream:
        passed(stream, sink)


def judge(blobs: Sequence[Blob], source: Source) -> int:
    """Look through a volume's files without unpacking them; how many there are.

    Raises:
        DamagedError: as `fill`.
    """
    with _joined(blobs, source) as stream:
        return passed(stream, _Nowhere())


class _Nowhere:
    def write(self, data: bytes) -> None:
        pass


@contextmanager
def _joined(blobs: Sequence[Blob], source: Source) -> Iterator[IO[bytes]]:
    yield io.BufferedReader(_Joined(blobs, source), form.PIECE)


class _Joined(io.RawIOBase):
    """The blobs' contents, one after the other."""

    def __init__(self, blobs: Sequence[Blob], source: Source) -> None:
        self.stream = self._pieces(blobs, source)
        self.held = b""

    @staticmethod
    def _pieces(blobs: Sequence[Blob], source: Source) -> Iterator[bytes]:
        for blob in blobs:
            with source.unpacked(blob) as stream:
                yield from form.pieces(stream)

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        if not self.held:
            self.held = next(self.stream, b"")
        data, self.held = self.held[: len(buffer)], self.held[len(buffer) :]
        buffer[: len(data)] = data
        return len(data)
