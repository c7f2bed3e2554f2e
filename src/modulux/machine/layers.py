"""Images out of an engine as layers that a machine mounts: each a read-only file system, made once and kept in the cache."""

from __future__ import annotations

import hashlib
import posixpath
import shutil
import tarfile
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import IO

from modulux.engine.protocol import Engine, ImageFacts
from modulux.errors import EngineError, NotFoundError
from modulux.machine.tools import Tools
from modulux.model.plan import fingerprint
from modulux.paths import cache, lock
from modulux.report import Report, step
from modulux.run import pipe

PIECE = 1024**2
TAR = b"ustar"
MAGIC_AT = 257
END = ".erofs"

OPTIONS = ("-zlz4hc", "-C32768", "-Eztailpacking")
"""How layers are packed, for mkfs.erofs: docs/decisions/machine.md says why so."""


def image_facts(engine: Engine, references: Sequence[str]) -> dict[str, ImageFacts]:
    """What the machine must know of each image.

    Raises:
        NotFoundError: the engine does not have one.
    """
    found = engine.image_facts(references)
    if missing := sorted(set(references) - found.keys()):
        raise NotFoundError(f"{engine.name} does not have the image {missing[0]}", hint="modulux build")
    return found


def store() -> Path:
    """Where the layers lie, each named by the digest of what it holds; those that were packed otherwise lie elsewhere."""
    return cache() / "machine" / f"layers.{fingerprint(OPTIONS)}"


def keep(facts: Mapping[str, ImageFacts], tools: Tools, report: Report) -> dict[str, list[Path]]:
    """The layers of each image, the topmost first, those that are not there yet made.

    Raises:
        EngineError: the engine gave something else than what it says that the image holds.
    """
    folder = store()
    folder.mkdir(parents=True, exist_ok=True)
    with lock("machine-layers"):
        wanted = {layer for image in facts.values() for layer in image.layers}
        missing = {layer for layer in wanted if not (folder / f"{layer}{END}").is_file()}
        if missing:
            lacking = [reference for reference, image in facts.items() if missing & set(image.layers)]
            _make(lacking, missing, folder, tools, report)
    return {reference: [folder / f"{layer}{END}" for layer in reversed(image.layers)] for reference, image in facts.items()}


def _make(images: list[str], missing: set[str], folder: Path, tools: Tools, report: Report) -> None:
    engine = tools.engine
    work = Path(tempfile.mkdtemp(dir=folder.parent, prefix="layers."))
    incoming = work / "incoming"
    try:
        incoming.mkdir()
        (work / "layers").mkdir()
        with step(report, "layers", f"taking {len(missing)} layers out of {engine.name}"):
            _take(images, missing, incoming, engine)
        if lost := sorted(missing - {path.stem for path in incoming.iterdir()}):
            raise EngineError(f"{engine.name} save did not give the layer {lost[0]}")
        with step(report, "erofs", f"making {len(missing)} layers into file systems"):
            tools.do("layers", work, *OPTIONS)
        for path in sorted((work / "layers").iterdir()):
            path.replace(folder / path.name)
    finally:
        shutil.rmtree(work, ignore_errors=True)


def _take(images: list[str], missing: set[str], incoming: Path, engine: Engine) -> None:
    with pipe(engine.save_argv(images)) as process:
        assert process.stdout is not None
        with tarfile.open(fileobj=process.stdout, mode="r|", bufsize=PIECE) as archive:
            for member in archive:
                if not member.isreg():
                    continue
                named = posixpath.basename(member.name).removesuffix(".tar")
                file = archive.extractfile(member)
                if file is not None and (named in missing or len(named) != hashlib.sha256().digest_size * 2):
                    _keep_layer(file, incoming, missing)
        process.wait()


def _keep_layer(file: IO[bytes], incoming: Path, missing: set[str]) -> None:
    """Keep a member if it is one of the layers; engines name their members each in its own way, so only its digest tells."""
    head = file.read(PIECE)
    if head[MAGIC_AT : MAGIC_AT + len(TAR)] != TAR and head.strip(b"\0"):  # an archive of nothing is zeros alone
        return
    digest = hashlib.sha256()
    part = incoming / "part"
    with part.open("wb") as out:
        while head:
            digest.update(head)
            out.write(head)
            head = file.read(PIECE)
    if digest.hexdigest() in missing:
        part.replace(incoming / f"{digest.hexdigest()}.tar")
    else:
        part.unlink()
