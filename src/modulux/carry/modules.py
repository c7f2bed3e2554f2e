"""The modules of a desktop that is carried: their folders, so that the same desktop comes of the file under another Modulux."""

from __future__ import annotations

import io
import tarfile
from collections.abc import Iterable
from pathlib import Path

from modulux.carry import layout as form
from modulux.carry import tars
from modulux.carry.layout import Blob, Layout
from modulux.carry.source import Source
from modulux.errors import DamagedError
from modulux.model.plan import Image
from modulux.resolve.catalog import Catalog, files_of

MOST = 256 * 1024**2
"""Bytes; the shipped modules are all together a hundredth of that."""


def save(catalog: Catalog, images: Iterable[Image], layout: Layout) -> Blob:
    """Put the folders of the images' modules, and all interfaces, into the layout."""
    content = io.BytesIO()
    folders = {folder: id for image in images for id, folder in _named(catalog, image.module)}
    for folder, id in sorted(folders.items(), key=lambda item: item[1]):
        for name, kind, data in sorted(files_of(folder)):
            _put(content, f"{id}/{name}", kind, data)
    for name in sorted(catalog.interfaces):
        file = next(f for root in catalog.roots if (f := root / "interfaces" / f"{name}.yaml").is_file())
        _put(content, f"interfaces/{name}.yaml", "-", file.read_bytes())
    tars.end(content)
    size = content.tell()
    content.seek(0)
    return layout.compress(content, size, form.MODULES)[0]


def _named(catalog: Catalog, id: str) -> list[tuple[str, Path]]:
    """The folders that an image of the module is made from, each with its path below a root of modules."""
    return [("/".join(folder.parts[-2:]), folder) for folder in catalog.folders(id)]


def _put(sink: io.BytesIO, name: str, kind: str, data: bytes) -> None:
    member = tarfile.TarInfo(name)
    member.mode = 0o755 if kind == "x" else 0o644
    if kind == "l":
        member.type, member.linkname = tarfile.SYMTYPE, data.decode()
        tars.put_member(sink, member, None)
    else:
        member.size = len(data)
        tars.put_member(sink, member, data)


def unpack(blob: Blob, source: Source, folder: Path) -> None:
    """Write the modules' folders into `folder`, which is empty.

    Raises:
        DamagedError: something in it is no module's file, or leads out of the folder.
    """
    if blob.unpacked > MOST:
        raise DamagedError("its modules are larger than modules are")
    with source.unpacked(blob) as stream:
        data = stream.read()
    try:
        with tarfile.open(fileobj=io.BytesIO(data), mode="r:") as archive:
            for member in archive:
                plain = member.isreg() or member.issym()
                if not plain or member.name.startswith("/") or ".." in member.name.split("/"):
                    raise DamagedError(f"its modules hold {member.name!r:.100}, which is no module's file")
                _write(archive, member, folder)
    except (tarfile.TarError, OSError, ValueError, UnicodeError) as error:
        raise DamagedError(f"its modules cannot be read: {error}") from None


def _write(archive: tarfile.TarFile, member: tarfile.TarInfo, folder: Path) -> None:
    path = folder / member.name
    path.parent.mkdir(parents=True, exist_ok=True)
    if path.parent.resolve() != folder.resolve() / Path(member.name).parent:
        raise DamagedError(f"its modules hold {member.name!r:.100}, which leads through a link")
    if member.issym():
        path.symlink_to(member.linkname)
        return
    file = archive.extractfile(member)
    assert file is not None
    with path.open("xb") as sink:
        sink.write(file.read())
    path.chmod(0o755 if member.mode & 0o100 else 0o644)
