"""The form that everything carried has: an OCI image layout whose blobs are compressed by zstd and named by their SHA-256.

An image is an OCI image. A desktop is an OCI artifact: its manifest names the record (its config), the modules' folders and the
parts of its volumes, and by the record its images; so one digest vouches for everything. `docs/decisions/carry.md` says why.
"""

from __future__ import annotations

import hashlib
import json
import re
import shutil
import tempfile
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, Any, Protocol, cast

from zstandard import ZstdCompressor

from modulux.errors import DamagedError

FORMAT = 1
"""Raised when an older Modulux could not read what this one writes."""

MANIFEST = "application/vnd.oci.image.manifest.v1+json"
INDEX = "application/vnd.oci.image.index.v1+json"
IMAGE_CONFIG = "application/vnd.oci.image.config.v1+json"
LAYER = "application/vnd.oci.image.layer.v1.tar+zstd"
DESKTOP = "application/vnd.modulux.desktop.v1+json"
MODULES = "application/vnd.modulux.modules.v1.tar+zstd"
LOCK = "application/vnd.modulux.lock.v1+json"
VOLUME = "application/vnd.modulux.volume.v1.tar+zstd"

REF_NAME = "org.opencontainers.image.ref.name"
CARRIED = "io.modulux.format"
UNPACKED = "io.modulux.unpacked"
OF_VOLUME = "io.modulux.volume"

SMALL = 16 * 1024**2
"""Bytes; no manifest, config or record comes near."""

PIECE = 1024**2
LEVEL = 3
THREADS = 2
"""Fixed: the compressed bytes, and with them the digests, are the same on every machine."""


class Reads(Protocol):
    """What can be read from."""

    def read(self, size: int = -1, /) -> bytes: ...


class Writes(Protocol):
    """What can be written to."""

    def write(self, data: bytes, /) -> object: ...


_DIGEST = re.compile(r"sha256:([0-9a-f]{64})")


@dataclass(frozen=True)
class Blob:
    """A descriptor: what a blob is, its digest and its size in bytes."""

    media: str
    digest: str
    size: int
    annotations: dict[str, str] = field(default_factory=dict)

    @property
    def unpacked(self) -> int:
        """Bytes after decompression, as its manifest says.

        Raises:
            DamagedError: it does not say so.
        """
        text = self.annotations.get(UNPACKED, "")
        if not re.fullmatch(r"[0-9]{1,18}", text):
            raise DamagedError(f"the manifest does not say how large {self.digest} is unpacked")
        return int(text)

    def to_json(self) -> dict[str, Any]:
        plain = {"mediaType": self.media, "digest": self.digest, "size": self.size}
        return plain | ({"annotations": self.annotations} if self.annotations else {})

    @classmethod
    def of(cls, data: Any) -> Blob:
        """The descriptor that `data`, which may come from anywhere, holds.

        Raises:
            DamagedError: it is none.
        """
        match data:
            case {"mediaType": str(media), "digest": str(digest), "size": int(size)} if size >= 0 and hexadecimal(digest):
                notes = data.get("annotations") or {}
                if isinstance(notes, dict) and all(isinstance(v, str) for v in notes.values()):
                    return cls(media, digest, size, notes)
        raise DamagedError("a manifest names its parts in a way that no tool of ours writes")


def hexadecimal(digest: str) -> str:
    """The 64 digits of a SHA-256 digest; nothing if it is none."""
    match = _DIGEST.fullmatch(digest)
    return match[1] if match else ""


def digest_of(data: bytes) -> str:
    """The digest of the bytes, as a descriptor names it."""
    return f"sha256:{hashlib.sha256(data).hexdigest()}"


def written(value: Any) -> bytes:
    """JSON in the one form that is hashed."""
    return json.dumps(value, sort_keys=True, separators=(",", ":")).encode()


def manifest(config: Blob, layers: Iterable[Blob], **more: Any) -> bytes:
    """An OCI manifest; `more` are further keys of it."""
    content = {"schemaVersion": 2, "mediaType": MANIFEST, "config": config.to_json(), "layers": [b.to_json() for b in layers]}
    return written(content | more)


def pieces(stream: Reads, size: int = PIECE) -> Iterator[bytes]:
    """The rest of the stream, piece by piece."""
    while piece := stream.read(size):
        yield piece


class Layout:
    """An image layout in a folder. What was added before an interruption is found again and not compressed anew."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.blobs = folder / "blobs/sha256"
        self.made = folder / "made"
        """By the digest of what was compressed: the digest of what came of it."""

    def start(self) -> None:
        """Make its folders, and sweep away what an interruption cut short. What they hold is the user's own affair."""
        self.folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        for part in (self.blobs, self.made):
            part.mkdir(parents=True, exist_ok=True)
        for left in self.blobs.glob("*.part"):
            left.unlink()
        (self.folder / "oci-layout").write_bytes(written({"imageLayoutVersion": "1.0.0"}))

    def path(self, digest: str) -> Path:
        return self.blobs / hexadecimal(digest)

    def add(self, data: bytes, media: str, **annotations: str) -> Blob:
        """Add bytes as they are."""
        path = self.path(digest_of(data))
        if not path.exists():
            with self._part() as part:
                part.write(data)
                part.close()
                Path(part.name).replace(path)
        return Blob(media, digest_of(data), len(data), annotations)

    def known(self, raw: str, media: str, size: int) -> Blob | None:
        """The blob of what has the digest `raw` uncompressed, if it was added before."""
        mark = self.made / hexadecimal(raw)
        try:
            digest = mark.read_text()
            return Blob(media, digest, self.path(digest).stat().st_size, {UNPACKED: str(size)})
        except OSError:
            return None

    def compress(self, stream: Reads, size: int, media: str) -> tuple[Blob, str]:
        """Add `size` bytes of a stream, compressed; the blob and the digest of what went in.

        Raises:
            DamagedError: the stream ended early.
        """
        raw, packed, count = hashlib.sha256(), hashlib.sha256(), 0
        compressor = ZstdCompressor(level=LEVEL, threads=THREADS, write_content_size=True).compressobj(size=size)
        with self._part() as part:

            def put(data: bytes) -> int:
                packed.update(data)
                return part.write(data)

            left = size
            while left and (piece := stream.read(min(PIECE, left))):
                left -= len(piece)
                raw.update(piece)
                count += put(compressor.compress(piece))
            if left:
                raise DamagedError(f"a stream ended {left} bytes too early", hint="the engine was interrupted: run it again")
            count += put(compressor.flush())
            part.close()
            digest, source = f"sha256:{packed.hexdigest()}", f"sha256:{raw.hexdigest()}"
            Path(part.name).replace(self.path(digest))
        self._note(source, digest)
        return Blob(media, digest, count, {UNPACKED: str(size)}), source

    def _note(self, source: str, digest: str) -> None:
        mark = self.made / hexadecimal(source)
        mark.with_suffix(".new").write_text(digest)
        mark.with_suffix(".new").replace(mark)

    @contextmanager
    def _part(self) -> Iterator[IO[bytes]]:
        with tempfile.NamedTemporaryFile(dir=self.blobs, suffix=".part", delete=False) as part:
            try:
                yield cast("IO[bytes]", part)
            finally:
                Path(part.name).unlink(missing_ok=True)

    def finish(self, manifests: Iterable[Blob]) -> bytes:
        """Write the index, and return it."""
        index = written({"schemaVersion": 2, "mediaType": INDEX, "manifests": [m.to_json() for m in manifests]})
        (self.folder / "index.json").write_bytes(index)
        return index

    def remove(self) -> None:
        shutil.rmtree(self.folder, ignore_errors=True)
