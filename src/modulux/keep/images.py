"""Images kept beside snapshots: one archive of all of a desktop's, uncompressed, so that restic finds what it has already.

They are a snapshot of their own, named by what is in it: as long as a desktop's images do not change, it is stored once.
"""

from __future__ import annotations

import contextlib
from collections.abc import Sequence

from modulux.engine.protocol import Engine
from modulux.errors import DamagedError, EngineError, ModuluxError
from modulux.keep.manifest import Locked
from modulux.keep.restic import Repository, Stored
from modulux.keep.shop import Source, Workshop
from modulux.model.plan import fingerprint
from modulux.report import Note, Report, step

IMAGES = "modulux-images"
"""The tag of such a snapshot."""

ARCHIVE = "images.tar"


def keep_images(engine: Engine, repository: Repository, images: Sequence[Locked], report: Report) -> str:
    """See to it that the repository holds the images; the name of what holds them.

    Raises:
        EngineError: the engine no longer has one of them under its name.
        RepositoryError, PasswordError, DamagedError.
    """
    ids = engine.image_ids([image.reference for image in images])
    if gone := [image for image in images if ids.get(image.reference) != image.id]:
        raise EngineError(
            f"{gone[0].module} runs from an image that has been replaced since",
            hint="take the desktop down and up again, so that it runs from the image that is there now",
        )
    name = fingerprint(sorted({image.id for image in images}))
    if stored(repository, name) is not None:
        return name
    references = sorted(ids)
    words = ["backup", "--quiet", "--stdin", "--stdin-filename", ARCHIVE, "--tag", IMAGES, "--tag", f"images:{name}"]
    try:
        with step(report, "images", f"keeping {len(references)} images"):
            repository.do(*words, input_from=engine.save_argv(references))
    except ModuluxError:
        with contextlib.suppress(ModuluxError):  # what came before the engine failed is no archive
            if (half := stored(repository, name)) is not None:
                repository.do("forget", "--quiet", half.id)
        raise
    return name


def stored(repository: Repository, name: str) -> Stored | None:
    """The snapshot that holds the images of this name."""
    return next(iter(repository.snapshots(IMAGES, f"images:{name}")), None)


def load_images(shop: Workshop, name: str) -> None:
    """Give the engine the images of this name.

    Raises:
        DamagedError: they are not in the repository, or not whole.
        EngineError: the engine does not take them.
    """
    held = stored(shop.repository, name)
    if held is None:
        raise DamagedError("the snapshot's images are not in the repository", hint="modulux restore builds them")
    with step(shop.report, "images", "loading the images of then"):
        done = shop.repository.pour(["dump", "--no-lock", held.id, f"/{ARCHIVE}"], shop.engine.load_argv())
    if not done.ok:
        last = done.stderr.strip().splitlines()[-1:] or [f"exit status {done.status}"]
        raise EngineError(f"{shop.engine.name} load: {last[0]}")


def bring_images(shop: Workshop, source: Source, wanted: Sequence[str]) -> None:
    """Load what was kept if an image of `wanted` (references) is missing; tell where another build of it is there.

    What is missing afterwards is built.
    """
    then = {image.reference: image for image in source.images}
    now = shop.engine.image_ids(list(wanted))
    archive = source.manifest.images
    if archive and any(reference in then and reference not in now for reference in wanted):
        load_images(shop, archive)
        return
    other = sorted(then[r].module for r in wanted if r in then and r in now and now[r] != then[r].id)
    if other:
        shop.report(Note(f"not the very images of then, but of the same recipes: {', '.join(other)}"))
    unknown = sorted({image.module for image in source.images} - {then[r].module for r in wanted if r in then})
    if unknown:
        shop.report(Note(f"recipes have changed since then, and are followed as they are now: {', '.join(unknown)}"))
