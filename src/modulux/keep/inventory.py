"""What a desktop is made of at this moment: its file, its volumes, its images and their packages, its pictures."""

from __future__ import annotations

import json
import time
from collections.abc import Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from pathlib import Path

from modulux import run
from modulux.desktop.ready import picture
from modulux.desktop.state import Found, Module, look
from modulux.engine.protocol import Detail, Engine, State
from modulux.errors import EngineError, ModuluxError, NotFoundError
from modulux.keep.manifest import Locked
from modulux.model.desktop import Desktop
from modulux.model.plan import KEPT, Plan
from modulux.parallel import each
from modulux.paths import cache
from modulux.resolve.plan import HOME, container_name

QUERY = ("dpkg-query", "--show", "--showformat", "${binary:Package}\\t${Version}\\n")

SECOND = 2.0
"""Within how many seconds two starts of a container may not be told apart."""


@dataclass(frozen=True)
class Inventory:
    """A desktop as it was found. `volumes` are those that hold data: their names without the desktop's → the engine's.

    `paths` are the folders of those, by the engine's names; `at` is when it was looked at, in seconds since 1970.
    """

    found: Found
    file: Desktop
    volumes: dict[str, str]
    details: list[Detail]
    paths: dict[str, Path] = field(default_factory=dict)
    at: float = 0.0

    @property
    def running(self) -> bool:
        return any(m.state.running for m in self.found.modules.values())

    @property
    def writers(self) -> list[Detail]:
        """The running containers that may write what is kept."""
        names = set(self.volumes.values())
        return [d for d in self.details if d.pid and names & set(d.volumes)]

    def writers_now(self, engine: Engine) -> list[Detail]:
        """The same, looked up again: some may have been started anew meanwhile."""
        there = engine.containers(container_name(self.found.desktop, ""))
        before = _lives(m.state for m in self.found.modules.values())
        if before == _lives(there) and all(started < self.at - SECOND for _, started in before):
            return self.writers
        return replace(self, details=engine.details([c.name for c in there if c.running])).writers

    @property
    def targets(self) -> list[str]:
        """Where those see it."""
        return sorted({at for d in self.writers for name, at in d.volumes.items() if name in set(self.volumes.values())})


def take_stock(engine: Engine, name: str, file: Desktop | None) -> Inventory:
    """Look at a desktop, running or not.

    Args:
        file: its desktop file; what the engine has on record goes before.

    Raises:
        NotFoundError: there is nothing of it, or nothing says what it is made from.
    """
    at = time.time()
    found = look(engine, name)
    kept = kept_volumes(found)
    if not (found.modules or kept):
        raise NotFoundError(f"no desktop `{name}`", hint="modulux ps")
    if found.desktop_file:
        file = Desktop.model_validate(found.desktop_file)
    if file is None or file.name != name:
        raise NotFoundError(
            f"`{name}` does not run, and nothing says what it is made from",
            hint="--file ITS-DESKTOP-FILE, or start it first",
        )
    with ThreadPoolExecutor(1) as pool:
        paths = pool.submit(engine.volume_paths, list(kept.values()))
        return Inventory(found, file, kept, engine.details(sorted(found.modules)), paths.result(), at)


def _lives(states: Iterable[State]) -> set[tuple[str, float]]:
    """The running containers, and since when each runs."""
    return {(state.id, state.started) for state in states if state.running}


def kept_volumes(found: Found) -> dict[str, str]:
    """The volumes that hold a person's data, not sockets: their names without the desktop's → the engine's."""
    prefix = container_name(found.desktop, "")
    return {v.name.removeprefix(prefix): v.name for v in sorted(found.volumes.values(), key=lambda v: v.name) if data(v.labels)}


def data(labels: Mapping[str, str]) -> bool:
    """Whether a volume with these labels holds what a person would miss."""
    return labels.get(KEPT) == "true"


def seen_at(volume: str, desktop: Desktop) -> str:
    """Where the desktop's modules see a volume, by its name without the desktop's."""
    kind, _, name = volume.partition(".")
    if kind == "share" and name in desktop.shares:
        return desktop.shares[name].target
    return HOME


def images(engine: Engine, stock: Inventory, plan: Plan | None) -> list[Locked]:
    """Every image with its packages: those that run, or else those that the plan would start.

    Raises:
        EngineError: an image's packages cannot be listed.
    """
    modules = stock.found.modules
    there = [(modules[d.name].id, modules[d.name].state.image, d.image, d.name if d.pid else None) for d in stock.details]
    if not there and plan is not None:
        ids = engine.image_ids([c.image for c in plan.containers])
        there = [(c.module, c.image, ids[c.image], None) for c in plan.containers if c.image in ids]
    unique = sorted({entry[:3]: entry for entry in there}.values(), key=lambda entry: entry[0])
    listed = each(unique, lambda entry: packages(engine, entry[2], entry[3]), workers=4) if unique else {}
    return [Locked(module, ref, id, listed[module, ref, id, name]) for module, ref, id, name in unique]


def packages(engine: Engine, image: str, container: str | None = None) -> dict[str, str]:
    """The packages of an image, which never change: they are asked for once.

    Args:
        container: one that runs from it, and so can be asked.

    Raises:
        EngineError: they cannot be listed.
    """
    remembered = cache() / "packages" / f"{image}.json"
    try:
        return dict(json.loads(remembered.read_text()))
    except (OSError, ValueError):
        pass
    argv = engine.exec_argv(container, QUERY) if container else engine.once_argv(image, QUERY)
    done = run.run(argv, timeout=60)
    if not done.ok:
        raise EngineError(f"the packages of image {image[:12]}: {done.stderr.strip() or f'exit status {done.status}'}")
    found = dict(line.split("\t", 1) for line in done.stdout.splitlines() if "\t" in line)
    remembered.parent.mkdir(parents=True, exist_ok=True)
    written = remembered.with_suffix(".new")
    written.write_text(json.dumps(found))
    written.replace(remembered)
    return found


def pictures(engine: Engine, found: Found, folder: Path) -> tuple[str, ...]:
    """Write each screen's picture, as it comes through its viewer, to `picture.SCREEN.png`; the screens that have one."""
    for old in folder.glob("picture.*.png"):
        old.unlink()
    viewers = screens(found)
    each(list(viewers), lambda screen: _picture(engine, viewers[screen], folder / picture_name(screen)))
    return tuple(screen for screen in viewers if (folder / picture_name(screen)).is_file())


def picture_name(screen: str) -> str:
    """The file of a screen's picture."""
    return f"picture.{screen}.png"


def screens(found: Found) -> dict[str, Module]:
    """Each screen's first running viewer that speaks RFB."""
    seen: dict[str, Module] = {}
    for module in found.modules.values():
        if module.state.running and "rfb" in module.sockets:
            seen.setdefault(module.screen, module)
    return seen


def _picture(engine: Engine, viewer: Module, file: Path) -> None:
    try:
        with picture(engine, viewer.name, viewer.sockets["rfb"]) as client:
            frame = client.frame()
    except ModuluxError:
        return  # a desktop that cannot show itself can still be kept
    frame.image().save(file, "PNG", compress_level=1)
