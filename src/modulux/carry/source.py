"""What something carried is read from: an archive, or a layout's folder. Nothing of it is believed before it was checked."""

from __future__ import annotations

import hashlib
import io
import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

from zstandard import ZstdDecompressor, ZstdError

from modulux.carry.layout import SMALL, Blob, Reads, hexadecimal, pieces
from modulux.errors import DamagedError

WINDOW = 128 * 1024**2
"""Bytes of memory that a hostile stream may ask for."""

LOST = "it was cut short, changed or never whole: carry it over once more"


@dataclass(frozen=True)
class Place:
    """Where a blob's bytes lie."""

    file: Path
    offset: int
    size: int


class Source:
    """Blobs by their digest. `index` is the layout's index, which names the first manifests."""

    def __init__(self, index: bytes, places: dict[str, Place]) -> None:
        self.places = places
        self.index = parsed(index, "its index")

    @classmethod
    def folder(cls, folder: Path) -> Source:
        """A layout in a folder."""
        files = [path for path in (folder / "blobs/sha256").iterdir() if hexadecimal(f"sha256:{path.name}")]
        places = {f"sha256:{path.name}": Place(path, 0, path.stat().st_size) for path in files}
        return cls((folder / "index.json").read_bytes(), places)

    @property
    def manifests(self) -> list[Blob]:
        found = self.index.get("manifests")
        if not isinstance(found, list) or not found:
            raise DamagedError("its index names nothing")
        return [Blob.of(item) for item in found]

    def open(self, blob: Blob) -> IO[bytes]:
        """The blob's bytes, not yet checked.

        Raises:
            DamagedError: it is not there, or of another size than its manifest says.
        """
        place = self.places.get(blob.digest)
        if place is None:
            raise DamagedError(f"{blob.digest} is missing", hint=LOST)
        if place.size != blob.size:
            raise DamagedError(f"{blob.digest} has {place.size} bytes, not {blob.size}", hint=LOST)
        return io.BufferedReader(_Window(place), 1 << 20)

    def read(self, blob: Blob) -> bytes:
        """A small blob, checked."""
        if blob.size > SMALL:
            raise DamagedError(f"{blob.digest} should be small, and has {blob.size} bytes")
        with self.open(blob) as stream:
            data = stream.read()
        if hashlib.sha256(data).hexdigest() != hexadecimal(blob.digest):
            raise DamagedError(f"{blob.digest} is not what its name says", hint=LOST)
        return data

    def document(self, blob: Blob) -> dict[str, Any]:
        """A small blob that holds JSON, checked."""
        return parsed(self.read(blob), blob.digest)

    def check(self, blob: Blob) -> None:
        """Read every byte of it.

        Raises:
            DamagedError: it is not what its name says.
        """
        digest = hashlib.sha256()
        with self.open(blob) as stream:
            for piece in pieces(stream):
                digest.update(piece)
        if digest.hexdigest() != hexadecimal(blob.digest):
            raise DamagedError(f"{blob.digest} is not what its name says", hint=LOST)

    @contextmanager
    def unpacked(self, blob: Blob, raw: str | None = None) -> Iterator[Reads]:
        """The blob's bytes, decompressed: exactly as many as its manifest says, all of which must be read.

        Args:
            raw: the digest that they must have.

        Raises:
            DamagedError: there are more or fewer, or others.
        """
        with self.open(blob) as packed:
            stream = _Unpacked(packed, blob)
            yield stream
            stream.finish(raw)


class _Window(io.RawIOBase):
    """A part of a file."""

    def __init__(self, place: Place) -> None:
        self.file = place.file.open("rb")
        self.file.seek(place.offset)
        self.left = place.size

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        data = self.file.read(min(len(buffer), self.left))
        self.left -= len(data)
        buffer[: len(data)] = data
        return len(data)

    def close(self) -> None:
        self.file.close()
        super().close()


class _Unpacked(io.RawIOBase):
    def __init__(self, packed: IO[bytes], blob: Blob) -> None:
        self.blob = blob
        self.left = blob.unpacked
        self.digest = hashlib.sha256()
        self.stream = ZstdDecompressor(max_window_size=WINDOW).stream_reader(packed, read_across_frames=True)

    def readable(self) -> bool:
        return True

    def read(self, size: int = -1) -> bytes:
        size = self.left if size < 0 else min(size, self.left)
        try:
            data = self.stream.read(size) if size else b""
        except ZstdError as error:
            raise DamagedError(f"{self.blob.digest} cannot be decompressed: {error}", hint=LOST) from None
        if size and not data:
            raise DamagedError(f"{self.blob.digest} holds {self.left} bytes less than its manifest says", hint=LOST)
        self.left -= len(data)
        self.digest.update(data)
        return data

    def readinto(self, buffer: Any) -> int:
        data = self.read(len(buffer))
        buffer[: len(data)] = data
        return len(data)

    def finish(self, raw: str | None) -> None:
        while self.left:
            self.read(1 << 20)
        try:
            more = self.stream.read(1)
        except ZstdError:
            more = b"?"
        if more:
            raise DamagedError(f"{self.blob.digest} unpacks to more than its manifest says", hint="it is not one of ours")
        if raw and self.digest.hexdigest() != hexadecimal(raw):
            raise DamagedError(f"{self.blob.digest} does not hold what the image names", hint=LOST)


def parsed(data: bytes, what: str) -> dict[str, Any]:
    """The JSON object that `data` holds."""
    try:
        value = json.loads(data)
    except (ValueError, RecursionError):
        value = None
    if not isinstance(value, dict):
        raise DamagedError(f"{what} cannot be read", hint=LOST)
    return value
