"""What the verbs of machines share: a machine file, read, with what it runs."""

from __future__ import annotations

import tempfile
from dataclasses import dataclass
from pathlib import Path

from modulux.cli.common import Common, is_path, named_desktop, read_desktop
from modulux.errors import FileError
from modulux.machine.build import Parts, build, is_current
from modulux.machine.compose import plan_machine, with_installer
from modulux.machine.description import whole
from modulux.machine.disk import make
from modulux.machine.files import machine_file, read_machine, with_lines
from modulux.machine.iso import Source
from modulux.machine.iso import make as make_iso
from modulux.machine.live import drivers, fill
from modulux.machine.places import built_folder
from modulux.machine.slot import obtain
from modulux.machine.tools import MODULE, Tools
from modulux.model.desktop import Desktop
from modulux.model.machine import Machine
from modulux.model.plan import Plan
from modulux.resolve.files import line_of


@dataclass(frozen=True)
class Described:
    """A machine file and what it comes to."""

    path: Path
    machine: Machine
    plan: Plan


def described(word: str, common: Common) -> Described:
    """The machine that a person's word means: a file, or a ready-made one's name.

    Raises:
        FileError, ResolveError: it is not there, or its parts do not go together.
    """
    path = machine_file(word)
    machine = with_lines(read_machine(path), common.catalog, path.parent)
    plan = _plan(machine, path, common)
    return Described(path, whole(machine, lambda word: _desktop(word, machine, path)), plan)


def _plan(machine: Machine, path: Path, common: Common) -> Plan:
    return plan_machine(machine, common.catalog, lambda word: _desktop(word, machine, path))


def _desktop(word: str, machine: Machine, path: Path) -> Desktop:
    """A desktop's file by its path, meant from where the machine file `path` lies, or by its name.

    Raises:
        FileError: it is not there; which line of the machine file names it.
    """
    if not is_path(word):
        return read_desktop(named_desktop(word))
    found = path.parent / Path(word).expanduser()
    if not found.is_file():
        number = next((n for n, entry in enumerate(machine.desktops) if entry.desktop == word), 0)
        raise FileError(
            f"`desktops`: there is no {found}",
            file=str(path),
            line=line_of(path, "desktops", number),
            hint="a desktop's path is meant from the machine file's folder",
        )
    return read_desktop(found)


def disk_of(built: Path, disk: Path, common: Common) -> int:
    """Make a disk image of a built machine; its size in bytes."""
    return make(built, disk, Tools(common.driver, common.catalog.reference(MODULE)), common.report)


def iso_of(found: Described, built: Path, iso: Path, common: Common) -> int:
    """Make an ISO image of the machine in the folder `built`; its size in bytes."""
    parts = Parts(common.catalog, common.driver, common.sources, common.report)
    machine, beside = found.machine, found.path.parent
    kernel = obtain(
        machine.kernel, beside, catalog=parts.catalog, engine=parts.engine, sources=parts.sources, report=parts.report
    ).kernel
    with tempfile.TemporaryDirectory() as folder:
        more = Path(folder) / "more"
        plan = _plan(with_installer(machine), found.path, common)
        fill(more, machine, plan, built=built, kernel=kernel, parts=parts)
        source = Source(built, drivers(machine, kernel), more)
        return make_iso(source, iso, Tools(parts.engine, parts.catalog.reference(MODULE)), parts.report)


def ensure_built(word: str, common: Common) -> Path:
    """The folder of the machine as it is described today, built unless it is there already."""
    found = described(word, common)
    parts = Parts(common.catalog, common.driver, common.sources, common.report)
    out = built_folder(found.machine.name)
    if not is_current(found.machine, found.plan, out, parts):
        build(found.machine, found.plan, found.path.parent, out, parts)
    return out
