"""A copy of a desktop's data under another name, that shares nothing writable with it."""

from __future__ import annotations

import time
from dataclasses import dataclass

from modulux.desktop import switch
from modulux.desktop.noted import note
from modulux.desktop.state import look
from modulux.engine.files import mirror
from modulux.engine.protocol import Engine
from modulux.errors import NameTakenError
from modulux.keep.freeze import hold
from modulux.keep.inventory import Inventory, kept_volumes, take_stock
from modulux.keep.restore import renamed
from modulux.model.desktop import XDG_DIRECTORIES, Desktop, Share
from modulux.paths import lock
from modulux.report import Report, step

SLACK = 1.0
"""Seconds by which the clock of a file system may be behind: it ticks, where ours flows."""


@dataclass(frozen=True)
class Clone:
    """The new desktop's file; files and bytes copied; seconds that the first one stood still."""

    file: Desktop
    files: int
    bytes: int
    frozen: float


def alone(desktop: Desktop) -> Desktop:
    """The desktop file without folders of the host: a volume takes the place of one where a desktop may have a volume."""
    shares = {}
    for name, share in desktop.shares.items():
        if share.host is None:
            shares[name] = share
        elif share.path.removeprefix("~/") in XDG_DIRECTORIES:
            shares[name] = Share(path=share.path)
    return desktop.model_copy(update={"shares": shares})


def clone(engine: Engine, name: str, new: str, file: Desktop | None, report: Report) -> Clone:
    """Copy the desktop's volumes for a new one; it is not started.

    Raises:
        NotFoundError: there is no such desktop.
        NameTakenError: the new one is there already.
        HostError: there is no room for a copy.
    """
    with lock(f"keep.{engine.name}.{new}"):
        stock = take_stock(engine, name, file)
        there = look(engine, new)
        switch.finish(engine, there)
        if there.modules or kept_volumes(look(engine, new)):
            raise NameTakenError(f"there is a desktop `{new}` already", hint=f"another name, or: modulux down {new} --volumes")
        try:
            copied, seconds = _copy(engine, stock, new, report)
        except BaseException:
            switch.discard(engine, new)
            raise
        with lock(f"{engine.name}.{new}"):
            switch.switch(engine, new, list(stock.volumes))
            switch.discard(engine, new)
            note(engine, made := alone(renamed(stock.file, new)))
    return Clone(made, copied["copied"], copied["bytes"], seconds)


def _copy(engine: Engine, stock: Inventory, new: str, report: Report) -> tuple[dict[str, int], float]:
    laid = switch.lay(engine, new, list(stock.volumes))
    paths = engine.volume_paths([*stock.volumes.values(), *laid.values()])
    pairs = {paths[stock.volumes[part]]: paths[laid[part]] for part in laid}
    began = time.time() - SLACK
    with step(report, "copy", "copying the files"):
        copied = mirror(engine, 0, pairs)
    if not stock.running:
        return copied, 0.0
    with (
        lock(f"{engine.name}.{stock.found.desktop}"),
        hold(engine, stock.writers_now(engine), stock.targets) as held,
        step(report, "still", "the desktop stands still"),
        held.frozen() as moment,
    ):
        more = mirror(engine, began, pairs)
    return {key: copied[key] + more[key] for key in copied}, moment.seconds
