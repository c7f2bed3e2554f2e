"""Building the images that a plan needs and that are not there yet."""

from __future__ import annotations

import contextlib
import shutil
import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from modulux import run
from modulux.engine.protocol import Engine
from modulux.errors import BuildError
from modulux.images.bootstrap import bootstrap
from modulux.images.failed import failed
from modulux.model.locale import translated
from modulux.model.plan import Image
from modulux.parallel import along
from modulux.paths import cache, lock
from modulux.report import Count, Line, Note, Report, step
from modulux.resolve.catalog import IGNORED, Catalog

BASE = "base"
"""A file in a build's folder: what it is built on, written when it began."""


@dataclass(frozen=True)
class Sources:
    """Where packages come from: a mirror of the Debian archive, and a proxy that keeps them between builds."""

    mirror: str | None = None
    proxy: str | None = None


@dataclass
class _Progress:
    total: int
    done: int = 0


def missing(images: Sequence[Image], engine: Engine) -> list[Image]:
    """Those that the engine does not have."""
    there = engine.images([image.reference for image in images])
    return [image for image in images if image.reference not in there]


def build(images: Sequence[Image], catalog: Catalog, engine: Engine, sources: Sources, report: Report) -> list[Image]:
    """Build what is missing of `images`, bases first, two at a time; what was built.

    An interrupted build leaves nothing: the engine keeps no layers of it, and its temporary folders go with the next build.

    Raises:
        BuildError: an image could not be built; the hint holds the last lines of its log.
    """
    if not missing(images, engine):
        return []
    with lock("build", lambda: report(Note("another modulux is building; waiting for it"))) as fd, _held(fd):
        for left in _sweep(engine):
            report(Note(f"removed what an interrupted build left: {left}"))
        todo = missing(images, engine)  # another build may have made some meanwhile
        references = {image.reference for image in todo}
        graph = {image: {b for b in todo if b.reference == image.base} for image in todo}
        progress = _Progress(total=len(references))

        def one(image: Image) -> None:
            with step(report, image.module, f"building {image.module}"):
                _build_one(image, catalog, engine, sources, report)
            progress.done += 1
            report(Count(progress.done, progress.total, "images"))

        try:
            along(graph, one, workers=2)
        except BaseException:
            _sweep(engine)
            raise
    return todo


@contextlib.contextmanager
def _held(fd: int) -> Iterator[None]:
    """Let the processes of the build hold its lock: if this one is killed, the next build waits for what still runs."""
    run.HELD.add(fd)
    try:
        yield
    finally:
        run.HELD.discard(fd)


def _folder() -> Path:
    folder = cache() / "build"
    folder.mkdir(parents=True, exist_ok=True)
    return folder


def _sweep(engine: Engine) -> list[Path]:
    """Remove what interrupted builds left, here and in the engine, and name it; the lock says that none is under way."""
    lefts = list(_folder().iterdir())
    for left in lefts:
        with contextlib.suppress(OSError):
            engine.tidy_build((left / BASE).read_text(), (left / BASE).stat().st_mtime)
        shutil.rmtree(left, ignore_errors=True)
    return lefts


def _build_one(image: Image, catalog: Catalog, engine: Engine, sources: Sources, report: Report) -> None:
    found = catalog.module(image.module)
    folder = Path(tempfile.mkdtemp(dir=_folder(), prefix=found.name + "."))
    (folder / BASE).write_text(image.base or "")
    context = folder / "context"
    for part in reversed(catalog.folders(image.module)):
        shutil.copytree(part, context, symlinks=True, dirs_exist_ok=True, ignore=shutil.ignore_patterns(*IGNORED))
    if not (context / "Containerfile").is_file():
        raise BuildError(f"{found.folder}: has no Containerfile", hint="docs/contract.md says what belongs into a module")
    (context / "rootfs").mkdir(exist_ok=True)
    if found.contract.bootstrap:
        bootstrap(
            found.contract.bootstrap, context, mirror=sources.mirror, proxy=sources.proxy, report=report, key=image.module
        )
    _engine_build(image, context, engine, sources, report)
    shutil.rmtree(folder)


def _engine_build(image: Image, context: Path, engine: Engine, sources: Sources, report: Report) -> None:
    arguments = ({"BASE": image.base} if image.base else {}) | ({"http_proxy": sources.proxy} if sources.proxy else {})
    if translated(image.locale) and "ARG LOCALE" in (context / "Containerfile").read_text():
        arguments["LOCALE"] = image.locale  # engines warn of one that is not asked for
    context_file = context / "Containerfile"
    context_file.rename(context / "Dockerfile")  # the one name that both engines look for by themselves
    said: list[str] = []
    with run.lines(engine.build_argv(context, image.reference, arguments), env=engine.build_env()) as (process, lines):
        for line in lines:
            said.append(line)
            report(Line(image.module, line))
        status = process.wait()
    if status != 0:
        raise failed(image.module, f"{engine.name} build failed with {status}", said, context)
