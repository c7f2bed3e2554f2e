"""What engines give out by `save`, in each of the shapes that their versions have, comes to the same images."""

from __future__ import annotations

import gzip
import hashlib
import io
import json
import tarfile
from pathlib import Path
from typing import Any

import pytest
from zstandard import ZstdCompressor

from modulux.carry import images
from modulux.carry.layout import Layout
from modulux.carry.source import Source

BASE, OWN, TINY = (bytes([n]) * size for n, size in ((1, 3 << 20), (2, 2 << 20), (3, 1024)))
REFERENCES = ["localhost/modulux/base/a:000000000000", "localhost/modulux/app/b:000000000000"]


def hexed(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


def config(*layers: bytes) -> bytes:
    return json.dumps({"rootfs": {"type": "layers", "diff_ids": [f"sha256:{hexed(layer)}" for layer in layers]}}).encode()


CONFIGS = [config(BASE), config(BASE, OWN, TINY)]


def archive(members: dict[str, bytes], links: dict[str, str], manifest: list[dict[str, Any]]) -> io.BytesIO:
    stream = io.BytesIO()
    with tarfile.open(fileobj=stream, mode="w") as made:
        for name, content in {**members, "manifest.json": json.dumps(manifest).encode()}.items():
            member = tarfile.TarInfo(name)
            member.size = len(content)
            made.addfile(member, io.BytesIO(content))
        for name, target in links.items():
            member = tarfile.TarInfo(name)
            member.type, member.linkname = tarfile.SYMTYPE, target
            made.addfile(member)
    stream.seek(0)
    return stream


def entries(configs: list[str], layers: list[list[str]]) -> list[dict[str, Any]]:
    return [{"Config": c, "RepoTags": [r], "Layers": paths} for c, r, paths in zip(configs, REFERENCES, layers, strict=True)]


def podman() -> io.BytesIO:
    files = {f"{hexed(layer)}.tar": layer for layer in (BASE, OWN, TINY)}
    names = list(files)
    configs = {f"{hexed(c)}.json": c for c in CONFIGS}
    links = {"old/layer.tar": f"../{names[0]}"}
    return archive(files | configs, links, entries(list(configs), [names[:1], names]))


def docker_20() -> io.BytesIO:
    files = {"aaa/layer.tar": BASE, "bbb/layer.tar": OWN, "ccc/layer.tar": TINY}
    configs = {f"{hexed(c)}.json": c for c in CONFIGS}
    links = {"ddd/layer.tar": "../aaa/layer.tar"}
    paths = [["aaa/layer.tar"], ["ddd/layer.tar", "bbb/layer.tar", "ccc/layer.tar"]]
    return archive(files | configs, links, entries(list(configs), paths))


def docker_29() -> io.BytesIO:
    packed = [gzip.compress(BASE, mtime=0), ZstdCompressor().compress(OWN), gzip.compress(TINY, mtime=0)]
    files = {f"blobs/sha256/{hexed(layer)}": layer for layer in packed}
    names = list(files)
    configs = {f"blobs/sha256/{hexed(c)}": c for c in CONFIGS}
    return archive(files | configs | {"oci-layout": b"{}"}, {}, entries(list(configs), [names[:1], names]))


@pytest.mark.parametrize("shape", [podman, docker_20, docker_29], ids=lambda shape: shape.__name__)
def test_every_shape_comes_to_the_same(shape: Any, tmp_path: Path) -> None:
    layout = Layout(tmp_path)
    layout.start()
    found = images._read(shape(), layout)
    made = {entry["RepoTags"][0]: entry for entry in json.loads(found.small["manifest.json"])}
    saved = [images._saved(reference, made[reference], found, layout) for reference in REFERENCES]
    layout.finish(image.manifest for image in saved)
    assert [image.id for image in saved] == [f"sha256:{hexed(c)}" for c in CONFIGS]
    source = Source.folder(tmp_path)
    held = [images.held(source, image.manifest, image.reference) for image in saved]
    assert [raw for _, raw in held[1].layers] == [f"sha256:{hexed(layer)}" for layer in (BASE, OWN, TINY)]
    assert held[0].layers[0] == held[1].layers[0]
    for (blob, raw), layer in zip(held[1].layers, (BASE, OWN, TINY), strict=True):
        with source.unpacked(blob, raw) as stream:
            assert stream.read() == layer
    assert len(list(layout.blobs.iterdir())) == 3 + 2 + 2


def test_what_was_compressed_is_not_compressed_again(tmp_path: Path) -> None:
    layout = Layout(tmp_path)
    layout.start()
    images._read(podman(), layout)
    before = {path.name: path.stat().st_mtime_ns for path in layout.blobs.iterdir()}
    layout.start()
    images._read(podman(), layout)
    assert {path.name: path.stat().st_mtime_ns for path in layout.blobs.iterdir()} == before
