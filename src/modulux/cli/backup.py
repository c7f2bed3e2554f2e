"""`modulux backup`: keep a desktop, or have it kept every day."""

from __future__ import annotations

import dataclasses
import os
import re
import shlex
import shutil
import sys
from pathlib import Path
from typing import Annotated

from cyclopts import Parameter
from rich.console import Console

from modulux.cli.common import Common, DesktopName, Yes, confirm
from modulux.cli.known import known_file
from modulux.cli.shop import planned, recipes
from modulux.cli.store import Store
from modulux.cli.ways import me
from modulux.errors import NotFoundError, PasswordError, RepositoryError, UsageError
from modulux.keep.backup import Backup, Task
from modulux.keep.backup import backup as keep
from modulux.keep.restic import Repository
from modulux.keep.schedule import NEVER, end, has_systemd, write
from modulux.keep.schedule import schedule as timed
from modulux.paths import config_file
from modulux.report import Note

TAG = r"[A-Za-z0-9][A-Za-z0-9_.+-]*"


def backup(
    name: DesktopName,
    *,
    tag: Annotated[list[str] | None, Parameter(help="a word of yours by which to find it again")] = None,
    with_images: Annotated[bool, Parameter(help="keep the images too")] = False,
    file: Annotated[Path | None, Parameter(help="its desktop file, where nothing is on record")] = None,
    schedule: Annotated[
        str | None, Parameter(help="hourly, daily, weekly, monthly: set this up, after showing it; never: end it")
    ] = None,
    yes: Yes = False,
    store: Store | None = None,
    common: Common | None = None,
) -> None:
    """Keep a desktop: its file, its lock, its homes and shares, and its picture; encrypted, and stored once.

    While it runs it stands still for a moment at the end, so that its files are those of one moment.

    Parameters
    ----------
    name
        the desktop's name
    """
    common, store = common or Common(), store or Store()
    if bad := [t for t in tag or [] if not re.fullmatch(TAG, t)]:
        raise UsageError(f"`{bad[0]}` is no tag", hint="letters, digits, and _ . + - between them")
    if schedule == NEVER:
        _never(name, common)
        return
    if schedule:
        words = [w for t in tag or [] for w in ("--tag", t)] + (["--with-images"] if with_images else [])
        words += ["--file", str(file.absolute())] if file else []
        _schedule(name, schedule, words, store, common, yes=yes)
        return
    repository = opened(store, common, yes)
    task = Task(
        engine=common.driver,
        repository=repository,
        name=name,
        plan=lambda desktop: planned(common, desktop),
        file=known_file(name, file),
        tags=tag or [],
        with_images=with_images,
        recipes=lambda desktop, folder: recipes(common, desktop, folder),
    )
    done = keep(task, common.report)
    data = dataclasses.asdict(done) | {"repository": repository.shown}
    common.result(data, lambda console: _show(console, done, repository.shown))


def opened(store: Store, common: Common, yes: bool) -> Repository:
    """The repository, made after a yes where there is none.

    Raises:
        RepositoryError: there is none, and nobody said yes.
    """
    where = store.where(common)
    new = where.startswith("/") and not Path(where, "config").exists()
    repository = store.repository(common, yes=yes, twice=new)
    local = repository.local
    if local and not local.parent.is_dir():
        raise RepositoryError(f"there is no folder {local.parent} for the repository", hint="is the disk mounted?")
    if not new and local:
        return repository  # whether the password opens it will be seen
    if not repository.exists():
        if local and local.is_dir() and any(local.iterdir()):
            raise RepositoryError(
                f"{where} holds something, but no repository", hint="an empty folder, or one that is not there"
            )
        confirm(f"There is no repository at {repository.shown}. Make one?", yes)
        repository.do("init", "--quiet")
        common.report(Note(f"a new repository at {repository.shown}; without its password nothing in it can be read again"))
    return repository


def _schedule(name: str, often: str, words: list[str], store: Store, common: Common, *, yes: bool) -> None:
    """Show the timer's files, ask, and write them."""
    file, command = store.secrets(common)
    if file is None and command is None:
        raise PasswordError("nobody is there to ask at night", hint="--password-file FILE or --password-command 'COMMAND'")
    secret = ["--password-file", str(file.expanduser().absolute())] if file else ["--password-command", str(command)]
    argv = [*started(), "backup", name, *_where(store, common), *secret, *words, "--engine", common.driver.name]
    made = timed(name, often, argv, root=os.geteuid() == 0, systemd=has_systemd(), home=Path.home())
    if not common.json:
        for path, text in made.files.items():
            common.report(Note(f"{path}:\n\n{text}"))
        for command_line in made.commands:
            common.report(Note(f"then: {shlex.join(command_line)}"))
        if made.line:
            common.report(Note(f"a line in your crontab:\n\n{made.line}\n"))
    confirm("Write this?", yes)
    write(made)
    files = {str(p): t for p, t in made.files.items()}
    data = {"desktop": name, "schedule": often, "files": files, "crontab": made.line or None}
    said = f"{name} is kept {often}. To end that: {me()} backup {name} --schedule {NEVER}"
    common.result(data, lambda console: console.print(said, markup=False))


def _where(store: Store, common: Common) -> list[str]:
    """`--to` and the address; nothing where the configuration's file says it, since a command line can be read by everybody.

    Raises:
        UsageError: there is a password in it.
    """
    where = store.where(common)
    if Repository(where, b"").shown == where:
        return ["--to", where]
    if store.to is None and "MODULUX_REPOSITORY" not in os.environ:
        return []
    raise UsageError(
        "the address has a password in it, which would stand on a command line",
        hint=f"`repository:` in {config_file()}, readable by you alone, and no --to",
    )


def _never(name: str, common: Common) -> None:
    gone = end(name, root=os.geteuid() == 0, systemd=has_systemd(), home=Path.home())
    if not gone:
        raise NotFoundError(f"`{name}` is not kept regularly, by this user", hint="root's timers are root's to end")
    data = {"desktop": name, "schedule": NEVER, "removed": gone}
    common.result(data, lambda console: console.print(f"{name} is not kept regularly any more.", markup=False))


def started() -> list[str]:
    """How Modulux is started from elsewhere."""
    checkout = os.environ.get("MODULUX_CHECKOUT")
    if checkout:
        return [f"{checkout}/modulux"]
    return [shutil.which("modulux") or str(Path(sys.argv[0]).absolute())]


def _show(console: Console, done: Backup, where: str) -> None:
    console.print(f"[bold]{done.desktop}[/] is kept as [bold]{done.snapshot[:8]}[/] in {where}.")
    size = f"{done.bytes / 1e6:,.0f} MB in {done.files:,} files, {done.added / 1e6:,.1f} MB of it new"
    console.print(f"  {size}; {done.seconds:.1f} s, of which the desktop stood still for {done.frozen:.2f} s")
    console.print(f"  bring it back   {me()} restore {done.snapshot[:8]}", markup=False)
