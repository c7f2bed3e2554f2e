"""Bringing a desktop back: its files into fresh volumes, which it gets when they are whole."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from modulux.desktop import switch
from modulux.desktop.down import down
from modulux.desktop.noted import note
from modulux.desktop.state import Found, look
from modulux.engine.files import near
from modulux.engine.protocol import Engine
from modulux.errors import HostError, NameTakenError
from modulux.keep.failures import FullError
from modulux.keep.inventory import kept_volumes
from modulux.keep.manifest import Manifest
from modulux.keep.shop import Source, Workshop
from modulux.keep.workspace import VOLUMES, workspace
from modulux.model.desktop import Desktop, Gateway
from modulux.paths import lock
from modulux.report import step

USER = 1000
"""Who owns a home, as every container sees it."""

SPARSE = (0, 15)
"""The first version of restic that leaves holes where a file has nothing but zeros."""

Confirm = Callable[[str], None]
"""Asks a question; returns on yes, raises CancelledError on no."""


@dataclass(frozen=True)
class Target:
    """Where to: the desktop's name, and what is there of it."""

    name: str
    found: Found

    @property
    def volumes(self) -> dict[str, str]:
        return kept_volumes(self.found)


def target_of(engine: Engine, manifest: Manifest, new_name: str | None) -> Target:
    """The desktop that is to be restored to.

    Raises:
        NameTakenError: a new name was asked for, and it is not new.
    """
    name = new_name or manifest.desktop
    target = Target(name, look(engine, name))
    if new_name and new_name != manifest.desktop and (target.found.modules or target.volumes):
        raise NameTakenError(
            f"there is a desktop `{new_name}` already", hint="another name, or take it down with its data first"
        )
    return target


def restore_volumes(shop: Workshop, source: Source, target: Target, *, only: Sequence[str] = ()) -> None:
    """Lay the snapshot's files beside the desktop's volumes, whole and checked; nothing of the desktop is changed yet.

    Args:
        only: paths within the snapshot; all without.

    Raises:
        DamagedError, RepositoryError, PasswordError: they cannot be had as they were; what was laid is removed again.
        HostError: there is no room for them.
    """
    engine = shop.engine
    laid = switch.lay(engine, target.name, source.parts)
    paths = engine.volume_paths(list(laid.values()))
    mounted = {part: paths[name] for part, name in laid.items()}
    work = workspace(f"restore.{engine.name}.{target.name}", mounted, engine.near_argv, read_only=False)
    includes = [escaped(path) for path in only] or [f"/{VOLUMES}"]
    try:
        with step(shop.report, "restore", "bringing the files back"):
            words = [w for pattern in includes for w in ("--include", pattern)]
            holes = source.repository.version >= SPARSE
            words += ["--sparse"] if holes else []
            source.repository.do("restore", "--no-lock", source.stored.id, "--target", ".", *words, mounts=work)
            strange = [str(mounted[v.name]) for v in source.manifest.volumes if v.owner == 0]
            near(engine, "own", str(USER), *strange)
            if not holes:
                near(engine, "dig", *map(str, mounted.values()))
    except FullError:
        switch.discard(engine, target.name)
        raise HostError(
            "there is no room for the desktop's files where the engine keeps its volumes",
            hint="nothing was changed; make room, and run the same command again",
        ) from None
    except BaseException:
        switch.discard(engine, target.name)
        raise


def replace(shop: Workshop, target: Target, parts: Sequence[str], file: Desktop) -> None:
    """Stop the desktop, if it runs, and let what was laid beside take the place of its volumes.

    Args:
        file: what it is made from, from then on.
    """
    if target.found.modules:
        down(shop.engine, target.name, shop.report)
    with lock(f"{shop.engine.name}.{target.name}"):
        switch.switch(shop.engine, target.name, parts)
        note(shop.engine, file)


def escaped(path: str) -> str:
    """The path as a pattern that fits nothing else."""
    return re.sub(r"([\\*?\[\]])", r"\\\1", path)


def renamed(desktop: Desktop, name: str) -> Desktop:
    """The desktop file under another name; ports that only one desktop can have are left to chance."""
    if name == desktop.name:
        return desktop
    gateway = desktop.gateway
    if gateway is not None and (gateway.port or gateway.vnc_port):
        gateway = Gateway.model_validate({**gateway.model_dump(by_alias=True, exclude_unset=True), "port": 0, "vnc-port": 0})
        return desktop.model_copy(update={"name": name, "gateway": gateway})
    return desktop.model_copy(update={"name": name})


def question(target: Target, manifest: Manifest) -> str | None:
    """What to ask before the desktop is replaced; None when there is nothing to lose."""
    if not (target.volumes or target.found.modules):
        return None
    running = any(m.state.running for m in target.found.modules.values())
    state = "runs, and is stopped; what" if running else "is there; what"
    return f"`{target.name}` {state} it holds now is replaced by its state of {manifest.taken[:16].replace('T', ' ')}. Go on?"
