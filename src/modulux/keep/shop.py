"""What working on kept desktops needs: engine, repository, plans and builds; and a snapshot with what it says of itself."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property

from modulux.engine.protocol import Engine
from modulux.keep.manifest import LOCK, MANIFEST, Locked, Manifest, read_lock, read_manifest
from modulux.keep.restic import Repository, Stored
from modulux.keep.workspace import DESKTOP
from modulux.model.desktop import Desktop
from modulux.model.plan import Plan
from modulux.report import Report
from modulux.resolve.catalog import Catalog


@dataclass(frozen=True)
class Workshop:
    """`plan` makes a desktop file's plan, `build` the images of a plan that are missing; `catalog` has a desktop's modules."""

    engine: Engine
    repository: Repository
    plan: Callable[[Desktop], Plan]
    build: Callable[[Plan], object]
    report: Report
    catalog: Callable[[str], Catalog] = lambda _: Catalog([])


@dataclass(frozen=True)
class Source:
    """A snapshot in a repository.

    Reading its parts raises NewerError when a newer version of Modulux made it, DamagedError when they cannot be read.
    """

    repository: Repository
    stored: Stored

    @cached_property
    def manifest(self) -> Manifest:
        """What it says of itself."""
        return read_manifest(self.repository.read(self.stored.id, f"/{DESKTOP}/{MANIFEST}"))

    @cached_property
    def images(self) -> list[Locked]:
        """The images of then."""
        return read_lock(self.repository.read(self.stored.id, f"/{DESKTOP}/{LOCK}"))

    @property
    def parts(self) -> list[str]:
        """Its volumes, by their names without the desktop's."""
        return [volume.name for volume in self.manifest.volumes]
