"""One file: a desktop's data in the form that `modulux export` writes and `import` takes anywhere else (`src/modulux/carry`).

From a machine it is without images, which are made where it is imported: here there is another display than there.
"""

from __future__ import annotations

import hashlib
import io
import json
import os
import subprocess
import tarfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any

from said import DAMAGED, ENGINE, FILE, NEWER, NOT_FOUND, USAGE, RefusedError, confirm, tell
from zstandard import ZstdCompressor, ZstdDecompressor

from machine import LAYING, STAGING, Desktop, Machine, alone, clear, desktop, form, lay, replace, room

FORM = form()
MANIFEST, INDEX, DESKTOP, VOLUME = (FORM[name] for name in ("manifest", "index", "desktop", "volume"))
REF_NAME, CARRIED, UNPACKED, OF_VOLUME = (FORM[name] for name in ("ref-name", "carried", "unpacked", "of-volume"))
READ, WRITE, PART, SMALL = (FORM[name] for name in ("read", "write", "part", "small"))

Blob = dict[str, Any]


class Layout:
    """Blobs in a folder, by their digests. What was compressed once is known again by what it was before."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.known: dict[str, Blob] = {}

    def path(self, digest: str) -> Path:
        return self.folder / digest.removeprefix("sha256:")

    def add(self, data: bytes, media: str, **annotations: str) -> Blob:
        digest = f"sha256:{hashlib.sha256(data).hexdigest()}"
        self.path(digest).write_bytes(data)
        return {"mediaType": media, "digest": digest, "size": len(data)} | ({"annotations": annotations} if annotations else {})

    def volume(self, data: bytes, part: str) -> Blob:
        """A piece of a volume's tar."""
        raw = hashlib.sha256(data).hexdigest()
        if raw not in self.known:
            packed = ZstdCompressor(level=3, write_content_size=True).compress(data)
            self.known[raw] = self.add(packed, VOLUME)
        return {**self.known[raw], "annotations": {UNPACKED: str(len(data)), OF_VOLUME: part}}


def export(name: str, output: IO[bytes], *, data: bool) -> dict[str, Any]:
    """Write the desktop. All is read once while it runs, and once more while those stand still who can write.

    Raises:
        RefusedError: there is no room for it.
    """
    one, folder, seconds = desktop(name), STAGING / "export", [0.0]
    with alone():
        clear(folder)
        folder.mkdir(mode=0o700)
        try:
            layout = Layout(folder)
            volumes: list[dict[str, Any]] = []
            blobs: list[Blob] = []
            if data:
                tell(f"reading {name}")
                _volumes(one, layout)
                tell(f"{name} stands still")
                with Machine() as machine, machine.still(one.noted["writers"]) as seconds:
                    volumes, blobs = _volumes(one, layout)
            manifest = _write(one, layout, volumes, blobs, output)
        finally:
            clear(folder)
    return {
        "desktop": name,
        "digest": manifest,
        "volumes": [v["name"] for v in volumes],
        "frozen_seconds": round(seconds[-1], 3),
    }


def _volumes(one: Desktop, layout: Layout) -> tuple[list[dict[str, Any]], list[Blob]]:
    records, blobs = [], []
    for part in one.parts:
        mine: list[Blob] = []
        size = 0
        process = subprocess.Popen(
            [*READ, "--directory", str(one.folder / "volumes" / part), "."], stdout=subprocess.PIPE, stderr=subprocess.PIPE
        )
        assert process.stdout is not None
        while piece := process.stdout.read(PART):
            room(len(piece))
            size += len(piece)
            mine.append(layout.volume(piece, part))
        said = process.communicate()[1].decode(errors="replace")
        if process.returncode > 1:  # 1: a file changed meanwhile, which is looked at again
            raise RefusedError(f"{part} could not be read: {(said.splitlines() or ['?'])[-1]}", ENGINE)
        records.append({"name": part, "parts": len(mine), "size": size})
        blobs += mine
    return records, blobs


def _write(one: Desktop, layout: Layout, volumes: Sequence[dict[str, Any]], blobs: Sequence[Blob], output: IO[bytes]) -> str:
    """The archive: the index first, then what says everything about the rest, then the rest."""
    said = one.noted
    record = {**said["record"], "volumes": list(volumes)}
    config = layout.add(_json(record), DESKTOP)
    carried = said["carried"]
    content = {
        "schemaVersion": 2,
        "mediaType": MANIFEST,
        "artifactType": DESKTOP,
        "annotations": {CARRIED: str(said["export_format"])},
        "config": config,
        "layers": [carried, *blobs],
    }
    manifest = layout.add(_json(content), MANIFEST, **{REF_NAME: one.name})
    index = _json({"schemaVersion": 2, "mediaType": INDEX, "manifests": [manifest]})
    _put(output, "oci-layout", _json({"imageLayoutVersion": "1.0.0"}))
    _put(output, "index.json", index)
    made = one.made / "blobs/sha256"
    written = set()
    for blob in (manifest, config, carried, *blobs):
        digest = blob["digest"].removeprefix("sha256:")
        if digest not in written:
            written.add(digest)
            mine = layout.path(digest)
            _put(output, f"blobs/sha256/{digest}", (mine if mine.exists() else made / digest).read_bytes())
    output.write(bytes(1024))
    output.flush()
    return str(manifest["digest"])


def _json(value: object) -> bytes:
    return json.dumps(value, sort_keys=True, separators=(",", ":")).encode()


def _put(output: IO[bytes], name: str, data: bytes) -> None:
    member = tarfile.TarInfo(name)
    member.size = len(data)
    output.write(member.tobuf(tarfile.GNU_FORMAT))
    output.write(data)
    output.write(bytes(-len(data) % 512))


def bring(stream: IO[bytes], *, name: str | None, yes: bool, start: bool) -> dict[str, Any]:
    """Let a desktop of this machine have the data that an archive holds: the one that is called so, or `name`.

    Raises:
        RefusedError: nothing was changed, or the desktop does not get ready with it.
    """
    folder = STAGING / "import"
    with alone():
        clear(folder)
        folder.mkdir(mode=0o700)
        try:
            archive = Archive(stream, folder)
            one = desktop(name or archive.record["desktop"])
            volumes = [v for v in archive.record["volumes"] if v["name"] in one.parts]
            if not volumes:
                raise RefusedError(f"it holds no data that `{one.name}` has on this machine", NOT_FOUND)
            confirm(f"`{one.name}` is stopped, and what it holds now is replaced by what is in the archive. Go on?", yes)
            lay()
            for volume in volumes:
                tell(f"unpacking {volume['name']}")
                archive.unpack(volume, LAYING / one.volume(volume["name"]))
            replace(one, start=start)
        finally:
            clear(folder)
    return {"desktop": one.name, "digest": archive.digest, "volumes": [v["name"] for v in volumes], "started": start}


class Archive:
    """What came, every byte checked against its digest; images are passed over."""

    def __init__(self, stream: IO[bytes], folder: Path) -> None:
        self.folder = folder
        self.layers: list[Blob] = []
        self.record: dict[str, Any] = {}
        self.digest = ""
        try:
            with tarfile.open(fileobj=stream, mode="r|") as archive:
                self._read(archive)
        except (tarfile.TarError, ValueError, KeyError, TypeError, AttributeError) as error:
            raise RefusedError(f"it is no desktop that Modulux wrote: {error}", DAMAGED) from None
        if lacking := [b["digest"] for b in self.layers if not (self.folder / b["digest"][7:]).exists()]:
            raise RefusedError(f"it is cut short: {lacking[0]} is missing", DAMAGED)

    def _read(self, archive: tarfile.TarFile) -> None:
        config = ""
        for member in archive:
            content = archive.extractfile(member)
            if content is None or not member.isreg():
                continue
            name = member.name.rpartition("/")[2]
            if member.name == "index.json":
                self.digest = str(json.loads(_small(member, content))["manifests"][0]["digest"])
            elif self.digest == f"sha256:{name}":
                manifest = json.loads(_checked(_small(member, content), name))
                if int(manifest["annotations"][CARRIED]) > 1:
                    raise RefusedError("a newer Modulux made it", NEWER)
                config = str(manifest["config"]["digest"])
                self.layers = [b for b in manifest["layers"] if b["mediaType"] == VOLUME]
            elif config == f"sha256:{name}":
                self.record = json.loads(_checked(_small(member, content), name))
            elif any(b["digest"] == f"sha256:{name}" for b in self.layers):
                self._stage(content, member.size, name)
        if not self.record:
            raise RefusedError("it is no desktop that Modulux wrote", DAMAGED)

    def _stage(self, content: IO[bytes], size: int, name: str) -> None:
        room(size)
        sum = hashlib.sha256()
        with (self.folder / name).open("wb") as file:
            while piece := content.read(1 << 20):
                sum.update(piece)
                file.write(piece)
        if sum.hexdigest() != name:
            raise RefusedError(f"{name} is damaged", DAMAGED)

    def unpack(self, volume: dict[str, Any], into: Path) -> None:
        """A volume's files, by GNU tar, which leads nobody out of the folder.

        Raises:
            RefusedError: they are not what the record says.
        """
        blobs = [b for b in self.layers if b["annotations"].get(OF_VOLUME) == volume["name"]]
        if len(blobs) != volume["parts"] or sum(int(b["annotations"][UNPACKED]) for b in blobs) != volume["size"]:
            raise RefusedError(f"the parts of {volume['name']} are not all there", DAMAGED)
        room(int(volume["size"]))
        into.mkdir()
        process = subprocess.Popen([*WRITE, "--directory", str(into)], stdin=subprocess.PIPE, stderr=subprocess.PIPE)
        assert process.stdin is not None
        try:
            for blob in blobs:
                packed = (self.folder / blob["digest"][7:]).read_bytes()
                data = ZstdDecompressor().decompress(packed, max_output_size=PART)
                if len(data) != int(blob["annotations"][UNPACKED]):
                    raise RefusedError(f"a part of {volume['name']} is not as large as it should be", DAMAGED)
                process.stdin.write(data)
            process.stdin.close()
        except BrokenPipeError:
            pass
        said = process.stderr.read().decode(errors="replace") if process.stderr else ""
        if process.wait():
            raise RefusedError(f"{volume['name']} could not be unpacked: {(said.splitlines() or ['?'])[-1]}", DAMAGED)


def _small(member: tarfile.TarInfo, content: IO[bytes]) -> bytes:
    if member.size > SMALL:
        raise RefusedError(f"{member.name} is larger than such a file is", DAMAGED)
    return content.read()


def _checked(data: bytes, digest: str) -> bytes:
    if hashlib.sha256(data).hexdigest() != digest:
        raise RefusedError(f"{digest} is damaged", DAMAGED)
    return data


@contextmanager
def sink(path: str, stdout: IO[bytes]) -> Iterator[IO[bytes]]:
    """Where to write: `-` is stdout; a file is there once it is whole.

    Raises:
        RefusedError: it is there already, or cannot be written.
    """
    if path == "-":
        yield stdout
        return
    target = Path(path).expanduser()
    if target.exists():
        raise RefusedError(f"{target} is there already", USAGE, "another name after -o; nothing is overwritten")
    new = target.with_name(f".{target.name}.part")
    try:
        with open(new, "wb", opener=lambda name, flags: os.open(name, flags, 0o600)) as file:
            yield file
            os.fsync(file.fileno())
        new.replace(target)
    except OSError as error:
        raise RefusedError(f"{target}: {error.strerror}", FILE) from None
    finally:
        new.unlink(missing_ok=True)


def source(path: str, stdin: IO[bytes]) -> IO[bytes]:
    """Where to read from: `-` is stdin."""
    try:
        return stdin if path == "-" else io.BufferedReader(Path(path).expanduser().open("rb", buffering=0))
    except OSError as error:
        raise RefusedError(f"{path}: {error.strerror}", FILE) from None
