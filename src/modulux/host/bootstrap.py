"""From a checkout to a running Modulux: its own Python environment, made when it is missing or no longer fits, then exec.

Standard library only. The everyday start reads two small files and becomes the environment's Python; everything else is
imported only when the environment has to be made. The environment is stamped last, with the lock that it holds, so that one
left half-made by a kill is recognised and made anew; a lock on the folder above lets only one process at a time work on it.
"""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import NoReturn

LOCK = "requirements.lock"
STAMP = "modulux.stamp"
BUILDING = "modulux.building"
BUILDS = {"up", "build", "bench"}
"""The verbs that need an engine and image builds; what they need is asked for in the same question."""


def main(checkout: Path, argv: list[str]) -> NoReturn:
    """Run Modulux from `checkout` with the arguments `argv`, and make its Python environment first when none fits."""
    lock = checkout / LOCK
    venv = next((place for place in places(checkout) if fits(place, lock)), None)
    if venv is None:
        venv = prepare(checkout, argv)
    python = venv / "bin/python"
    # -P: a file named like a module in the folder that one happens to be in must not be run
    env = {**os.environ, "PYTHONPATH": str(checkout / "src"), "MODULUX_CHECKOUT": str(checkout)}
    os.execve(python, [str(python), "-P", "-m", "modulux", *argv], env)


def places(checkout: Path) -> list[Path]:
    """Where the environment may be, best first: `MODULUX_VENV`, the checkout, the user's cache."""
    if own := os.environ.get("MODULUX_VENV"):
        return [Path(own).absolute()]
    cache = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
    return [checkout / ".venv", cache / "modulux/venv" / str(checkout).strip("/").replace("/", "-")]


def fits(venv: Path, lock: Path) -> bool:
    """Whether `venv` is whole, holds what `lock` names, and its Python is still the one it was made with."""
    try:
        return (venv / STAMP).read_text() == stamp(venv, lock)
    except OSError:
        return False


def stamp(venv: Path, lock: Path) -> str:
    """What a fitting environment is stamped with: its Python's real path (it names the version), and the lock."""
    return f"{os.path.realpath(venv / 'bin/python')}\n{lock.read_text()}"


def prepare(checkout: Path, argv: list[str]) -> Path:
    """Make the environment and install host packages as needed; ends the process with a message when that cannot be."""
    from modulux.errors import ModuluxError  # noqa: PLC0415
    from modulux.host import environment  # noqa: PLC0415

    try:
        return environment.prepare(checkout, argv)
    except ModuluxError as error:
        hint = "".join(f"\n  {line}" for line in (error.hint or "").splitlines())
        sys.stderr.write(f"modulux: {error}{hint}\n")
        sys.exit(error.exit_code)
    except KeyboardInterrupt:
        sys.stderr.write("\nmodulux: stopped; the next run begins anew\n")
        sys.exit(130)
