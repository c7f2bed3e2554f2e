"""A small desktop that runs on this machine's Podman, with files as a user leaves them, and what `export` makes of it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from tests.support import machine
from tests.support.cli import Cli

NAME = "t-carry"
DESKTOP = f"name: {NAME}\ndisplay: xvfb\nsessions: [openbox]\napps: [terminal]\n"

FILES = r"""
cd && mkdir -p work/deep Documents && echo 'a letter' >Documents/letter.txt && echo shut >work/shut && chmod 000 work/shut
ln work/shut work/also && ln -s /etc/passwd work/link && mkfifo work/pipe && truncate -s 300M work/sparse
printf 'x' >"work/a name
of two lines" && python3 -c 1 2>/dev/null; touch -d 2001-02-03 work/deep && chmod 1770 work
"""
"""What tells good copies from bad ones."""

LISTING = r"""
cd && find . -path ./.cache -prune -o -path ./.config -prune -o -path ./.local -prune -o -printf '%p %y %m %n %s %U %G %l\n' |
sort && cat Documents/letter.txt && stat -c '%Y %b' work/deep work/sparse
"""


@dataclass(frozen=True)
class Carried:
    """The desktop that runs, the file that was made of it, its picture, and its files."""

    cli: Cli
    name: str
    file: Path
    digest: str
    picture: Path
    listing: str


@pytest.fixture(scope="session")
def here() -> Cli:
    """This machine's Podman, with the images of the small desktop."""
    cli = Cli("podman")
    cli.run("build", "--desktop", "openbox", "--yes", timeout=3000)
    return cli


@pytest.fixture(scope="session")
def running(here: Cli, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cli]:
    """The small desktop runs."""
    path = tmp_path_factory.mktemp("desktop") / "desktop.yaml"
    path.write_text(DESKTOP)
    here.run("up", str(path), "--yes")
    here.inside(NAME, "terminal", FILES)
    yield here
    here.run("down", NAME, "--volumes", "--yes")
    assert here.left(NAME) == []


@pytest.fixture(scope="session")
def carried(running: Cli, tmp_path_factory: pytest.TempPathFactory) -> Carried:
    """The desktop in a file."""
    if reason := machine.why_not():
        pytest.skip(reason)
    folder = tmp_path_factory.mktemp("carried")
    picture, file = folder / "before.png", folder / "desktop.modulux"
    running.run("screenshot", NAME, "-o", str(picture))
    said = running.json("export", NAME, "-o", str(file))
    listing = running.inside(NAME, "terminal", LISTING)
    return Carried(running, NAME, file, said["digest"], picture, listing)


@dataclass(frozen=True)
class There:
    """A machine with Docker, and what `import` said when the desktop came to it."""

    machine: machine.Machine
    said: dict[str, Any]


@pytest.fixture(scope="session")
def docker(carried: Carried) -> Iterator[There]:
    """A machine without a network, with Docker, to which the desktop was carried."""
    with machine.machine("docker") as there:
        said = there.json("import", str(carried.file))
        yield There(there, said)
        there.run("down", NAME, "--volumes", "--yes")
        assert there.left(NAME) == []
