"""Makes Modulux's own Python environment from the lock, for the bootstrap. Standard library only."""

from __future__ import annotations

import contextlib
import fcntl
import os
import re
import shutil
import sys
import time
from collections.abc import Iterator, Sequence
from pathlib import Path

from modulux import paths, run
from modulux.errors import HostError
from modulux.host import bootstrap, packages
from modulux.host.packages import Need, Say


def prepare(checkout: Path, argv: Sequence[str]) -> Path:
    """Make the environment for `checkout` and return its folder; asks first when host packages are missing.

    Args:
        argv: Modulux's own arguments: the verb decides what else is asked for, `--yes` answers.

    Raises:
        HostError, CancelledError: see `packages.ensure`; HostError as well when pip fails or no folder can be written.
    """
    needs = packages.missing([*packages.python_needs(), *_engine_needs(argv)])
    packages.ensure(needs, says_yes(argv), packages.ask_terminal)
    venv = _place(checkout)
    ensure(venv, checkout / bootstrap.LOCK)
    return venv


def ensure(venv: Path, lock: Path) -> None:
    """Make the environment `venv` unless it holds what `lock` names; only one process at a time does so.

    Raises:
        HostError: see `make`.
    """
    if bootstrap.fits(venv, lock):
        return
    with _alone(venv.parent):
        if not bootstrap.fits(venv, lock):  # another process may have made it while this one waited
            make(venv, lock, packages.to_stderr)
            _write(venv / bootstrap.STAMP, bootstrap.stamp(venv, lock))
            (venv / bootstrap.BUILDING).unlink()


def make(venv: Path, lock: Path, say: Say) -> None:
    """Make `venv` with what `lock` names. An environment of ours at that place is replaced; another one is left alone.

    Raises:
        HostError: the folder holds something that is not ours, or Python or pip failed.
    """
    begun = time.monotonic()
    if venv.is_symlink() or (venv.exists() and any(venv.iterdir()) and not _ours(venv)):
        raise HostError(
            f"{venv} is there, but Modulux did not make it",
            hint="Move it away, or name another folder: MODULUX_VENV=FOLDER ./modulux …",
        )
    say(f"making Modulux's Python environment in {venv}")
    shutil.rmtree(venv, ignore_errors=True)
    venv.mkdir()
    (venv / bootstrap.BUILDING).touch()
    _step([sys.executable, "-m", "venv", str(venv)], "Python could not make a virtual environment")
    count = len(re.findall(r"^\S+==", lock.read_text(), re.MULTILINE))
    say(f"installing {count} Python packages, pinned by {lock.name}")
    pip = [str(venv / "bin/python"), "-P", "-m", "pip", "install", "--no-input", "--disable-pip-version-check"]
    pinned = ["--no-deps", "--require-hashes", "--only-binary", ":all:", "--requirement", str(lock)]
    _step([*pip, *pinned], "pip could not install the Python packages", hint="Can this host reach a Python package index?")
    say(f"the Python environment is ready ({time.monotonic() - begun:.0f} s)")


def says_yes(argv: Sequence[str]) -> bool:
    """Whether `--yes` or `-y` is among Modulux's own arguments (those after `--` are for somebody else)."""
    own = list(argv)[: list(argv).index("--")] if "--" in argv else argv
    return any(word in {"--yes", "-y"} for word in own)


def wanted_engine(argv: Sequence[str]) -> str:
    """The engine that `argv`, the environment or the user's configuration asks for; else one that is there; else Podman."""
    for number, word in enumerate(argv):
        if word == "--":
            break
        if word == "--engine" and number + 1 < len(argv):
            return argv[number + 1]
        if word.startswith("--engine="):
            return word.partition("=")[2]
    if engine := os.environ.get("MODULUX_ENGINE"):
        return engine
    with contextlib.suppress(OSError):
        if found := re.search(r"^engine:\s*([a-z]+)", paths.config_file().read_text(), re.MULTILINE):
            return found[1]
    return next((name for name in ("podman", "docker") if shutil.which(name)), "podman")


def _engine_needs(argv: Sequence[str]) -> list[Need]:
    verb = next((word for word in argv if not word.startswith("-")), None)
    if verb not in bootstrap.BUILDS or "--help" in argv:
        return []
    return packages.engine_needs(wanted_engine(argv), packages.Host.here())


def _place(checkout: Path) -> Path:
    """The first place that may be written; its parent is made."""
    for venv in bootstrap.places(checkout):
        with contextlib.suppress(OSError):
            venv.parent.mkdir(parents=True, exist_ok=True)
        if os.access(venv.parent, os.W_OK) and (not venv.exists() or os.access(venv, os.W_OK)):
            return venv
    raise HostError("no folder for the Python environment can be written", hint="Name one: MODULUX_VENV=FOLDER ./modulux …")


def _ours(venv: Path) -> bool:
    return (venv / bootstrap.STAMP).exists() or (venv / bootstrap.BUILDING).exists()


@contextlib.contextmanager
def _alone(folder: Path) -> Iterator[None]:
    """Hold a lock on `folder` itself. Processes started within hold it too: a pip that a kill left is waited for."""
    handle = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            packages.to_stderr("waiting for another Modulux that makes the Python environment")
            fcntl.flock(handle, fcntl.LOCK_EX)
        run.HELD.add(handle)
        yield
    finally:
        run.HELD.discard(handle)
        os.close(handle)


def _step(argv: Sequence[str], failed: str, hint: str | None = None) -> None:
    with run.lines(argv, env={"PIP_ROOT_USER_ACTION": "ignore"}) as (process, output):
        last = list(output)[-15:]
        status = process.wait()
    if status:
        said = "\n".join(f"  {line}" for line in last or [f"exit status {status}"])
        raise HostError(f"{failed}; it said:\n{said}", hint=hint)


def _write(file: Path, text: str) -> None:
    """Write `file` so that it is there whole or not at all."""
    beside = file.with_name(file.name + ".new")
    beside.write_text(text)
    beside.replace(file)
