"""Proving a snapshot: its structure, every byte of it, or that it starts and looks as it did."""

from __future__ import annotations

import contextlib
import io
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

from PIL import Image

from modulux.desktop import switch
from modulux.desktop.down import down
from modulux.desktop.state import look
from modulux.desktop.up import up
from modulux.errors import DamagedError, NotFoundError
from modulux.keep import inventory
from modulux.keep.clone import alone
from modulux.keep.images import ARCHIVE, bring_images, stored
from modulux.keep.likeness import Likeness, likeness
from modulux.keep.recipes import bring_recipes, forget_recipes
from modulux.keep.restic import Repository
from modulux.keep.restore import Target, renamed, restore_volumes
from modulux.keep.restore import replace as take_place
from modulux.keep.shop import Source, Workshop
from modulux.keep.workspace import DESKTOP
from modulux.paths import lock
from modulux.report import step

SAME_FOR = 20
"""Attempts, a second apart, until the pictures are alike: applications open their windows after the desktop is drawn."""


@dataclass(frozen=True)
class Checked:
    """One thing that was looked at."""

    what: str
    passed: bool
    found: str


def structure(shop: Workshop, source: Source) -> list[Checked]:
    """The repository's structure, and what the snapshot says of itself.

    Raises:
        DamagedError, NewerError, RepositoryError, PasswordError.
    """
    with step(shop.report, "structure", "looking at the structure"):
        source.repository.do("check", "--quiet")
        archive = source.manifest.images
        if archive and stored(source.repository, archive) is None:
            raise DamagedError("the images that belong to the snapshot are not in the repository")
    kept = f"{len(source.parts)} volumes, {len(source.images)} images locked"
    return [Checked("structure", passed=True, found="every index, tree and pack is there"), Checked("contents", True, kept)]


def every_byte(shop: Workshop, source: Source) -> list[Checked]:
    """Read all that the snapshot holds; restic holds each piece against its checksum.

    Raises:
        DamagedError: something is not as it was stored.
    """
    archive = source.manifest.images
    with step(shop.report, "read", "reading every byte"):
        sizes = [_size(source.repository, source.stored.id, "/")]
        if archive and (held := stored(source.repository, archive)) is not None:
            sizes.append(_size(source.repository, held.id, f"/{ARCHIVE}"))
    return [Checked("every byte", passed=True, found=f"{sum(sizes):,} bytes are as they were stored")]


def _size(repository: Repository, snapshot: str, path: str) -> int:
    done = repository.pour(["dump", "--no-lock", snapshot, path], ["wc", "-c"])
    return int(done.stdout)


def boot(shop: Workshop, source: Source, pictures: Path) -> list[Checked]:
    """Restore under a throw-away name, start, and hold what is seen against what was seen.

    Args:
        pictures: a folder that gets both pictures of a screen that does not look as it did.

    Raises:
        DamagedError, NotReadyError and what else stops a restore; the throw-away desktop is gone then as well.
    """
    manifest, engine = source.manifest, shop.engine
    if not manifest.pictures:
        raise NotFoundError(
            "there is no picture in the snapshot: the desktop did not run, or had no viewer", hint="--read proves its files"
        )
    name = f"verify-{source.stored.short}"
    file = alone(renamed(manifest.model(), name))
    with lock(f"keep.{engine.name}.{name}"), _thrown_away(shop, name):
        bring_recipes(source, name, shop.catalog(name), shop.report)
        plan = shop.plan(file)
        hosts = tuple(replace(c, hostname=manifest.desktop) for c in plan.containers)  # windows' titles have it in them
        plan = replace(plan, containers=hosts)
        target = Target(name, look(engine, name))
        restore_volumes(shop, source, target)
        take_place(shop, target, source.parts, file)
        switch.discard(engine, name)
        bring_images(shop, source, [c.image for c in plan.containers])
        up(engine, plan, shop.report, lambda: shop.build(plan))
        with step(shop.report, "compare", "looking whether it looks as it did"):
            return [_compare(shop, source, name, screen, pictures) for screen in manifest.pictures]


@contextlib.contextmanager
def _thrown_away(shop: Workshop, name: str) -> Iterator[None]:
    """Nothing of the desktop is there before, since a killed run may have left it, nor after."""

    def throw() -> None:
        with contextlib.suppress(NotFoundError):
            down(shop.engine, name, shop.report, volumes=True)
        forget_recipes(name)

    throw()
    try:
        yield
    finally:
        throw()


def _compare(shop: Workshop, source: Source, name: str, screen: str, pictures: Path) -> Checked:
    file = inventory.picture_name(screen)
    with tempfile.TemporaryDirectory(prefix="modulux-verify.") as folder:
        before = _stored_picture(source, file, Path(folder))
        now, like = before, Likeness(0.0, 0.0)
        for _ in range(SAME_FOR):
            inventory.pictures(shop.engine, look(shop.engine, name), Path(folder))
            if (Path(folder) / file).is_file():
                now = Image.open(io.BytesIO((Path(folder) / file).read_bytes()))
                like = likeness(before, now)
                if like.alike:
                    break
            time.sleep(1)
    found = f"{like.edges:.0%} along the edges and {like.whole:.0%} of the whole look as they did"
    if not like.alike:
        pictures.mkdir(parents=True, exist_ok=True)
        both = [pictures / f"{source.stored.short}.{screen}.{when}.png" for when in ("then", "now")]
        before.save(both[0])
        now.save(both[1])
        found += f"; see {both[0]} and {both[1].name}"
    return Checked(f"picture of {screen}", like.alike, found)


def _stored_picture(source: Source, file: str, folder: Path) -> Image.Image:
    target = folder / "then.png"
    words = ["dump", "--no-lock", source.stored.id, f"/{DESKTOP}/{file}"]
    done = source.repository.pour(words, ["dd", "status=none", f"of={target}"])
    try:
        if not done.ok:
            raise ValueError(done.stderr)
        picture = Image.open(target)
        picture.load()
    except (OSError, ValueError):
        raise DamagedError("the snapshot's picture cannot be read", hint="modulux verify SNAPSHOT --read") from None
    return picture
