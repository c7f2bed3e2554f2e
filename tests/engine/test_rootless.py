"""Podman as an ordinary user: the openbox desktop, builds, and folders of the host. Images are carried over from root's store."""

from __future__ import annotations

import subprocess
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from PIL import Image
from tests.conftest import carry
from tests.support.cli import Cli
from tests.support.native import run_words
from tests.support.rootless import IDS, UID, Rootless, rootless, why_not

from modulux.host.limits import Cgroups, cgroups

pytestmark = pytest.mark.engine

MODULES = ["xvfb", "openbox", "x11vnc", "clipboard", "web", "terminal"]
NO_LIMITS = ["floor: its memory is not limited", "floor: its processes are not limited"]
"""What control groups of version 1 cannot do for containers without root, and `doctor` says so."""

INSIDE = IDS[0] + 1000 - 1
"""Who UID 1000 of a container is outside: the user himself is 0 in there, so that 1 is the first of his ids."""


@pytest.fixture(scope="module")
def user() -> Iterator[Rootless]:
    """The command line of an ordinary user who has the images of the openbox desktop."""
    if reason := why_not():
        pytest.skip(reason)
    root = Cli("podman")
    root.run("build", "--desktop", "openbox", "--yes", timeout=3000)
    with rootless() as cli:
        cli.run("doctor")
        carry(root, cli, ["openbox"])
        yield cli


@pytest.fixture(scope="module")
def desktop(user: Rootless) -> Iterator[str]:
    """The openbox desktop; nothing of it may be left."""
    user.run("up", "openbox", "--yes")
    yield "openbox"
    user.run("down", "openbox", "--volumes", "--yes")
    assert user.left("openbox") == []


@pytest.fixture
def sharing(user: Rootless) -> Iterator[Callable[[str], Path]]:
    """Write the file of a desktop with these `shares`."""
    file = user.home / "sharing.yaml"

    def write(shares: str) -> Path:
        file.write_text(f"name: t-shares\ndisplay: xvfb\nsessions: [openbox]\napps: [terminal]\nshares: {shares}\n")
        return file

    yield write
    user.run("down", "t-shares", "--volumes", "--yes", status=None)
    assert user.left("t-shares") == []


def owner_outside(user: Rootless, container: str) -> int:
    """The host's id of the container's first process."""
    first = user.native("inspect", "--format", "{{.State.Pid}}", container).strip()
    shown = subprocess.run(user.command(["stat", "-c", "%u", f"/proc/{first}"]), capture_output=True, text=True, check=True)
    return int(shown.stdout)


def test_every_module_runs_and_none_is_roots_or_the_users(user: Rootless, desktop: str) -> None:
    rows = user.json("ps", desktop)
    assert {row["container"].rpartition(".")[2] for row in rows} == set(MODULES)
    assert {(row["status"], row["phase"]) for row in rows} == {("running", "running")}
    assert {owner_outside(user, row["container"]) for row in rows} == {INSIDE}


def test_the_floor_holds_but_for_limits_that_the_host_cannot_set(user: Rootless, desktop: str) -> None:
    missed = [] if cgroups() is Cgroups.UNIFIED else NO_LIMITS
    for module in MODULES:
        done = user.run("exec", desktop, module, "--", "/usr/lib/modulux/floor", status=None)
        assert done.stdout.splitlines() == missed, module
        assert (done.returncode != 0) == bool(missed)


def test_doctor_says_what_was_worked_around_and_what_is_lost(user: Rootless, desktop: str) -> None:
    found = {row["name"]: row for row in user.json("doctor")}
    assert [name for name, row in found.items() if row["status"] == "fail"] == []
    assert "without root" in found["podman"]["found"]
    assert found["image layers"]["found"] == "stored by overlay"
    assert ("limits of containers" in found) == (cgroups() is not Cgroups.UNIFIED)


def test_the_picture(user: Rootless, desktop: str) -> None:
    shot = user.home / "shot.png"
    user.run("screenshot", desktop, "-o", str(shot))
    with Image.open(shot) as picture:
        assert picture.size == (1280, 800)
        assert len(picture.convert("RGB").getcolors(1 << 20) or []) > 16


def test_the_link_leads_to_the_gateway_from_outside(user: Rootless, desktop: str) -> None:
    link = user.json("open", desktop)["browser"]
    browser = urllib.request.build_opener(urllib.request.HTTPCookieProcessor())
    with browser.open(link, timeout=10) as page:
        assert page.status == 200
        assert b"<html" in page.read()[:500].lower()


def test_a_base_and_an_app_are_built(user: Rootless) -> None:
    """The base by mmdebstrap in a user namespace, which Debian 12 and 13 both can make of Debian 12."""
    folder = user.home / "modules/app/built"
    folder.mkdir(parents=True)
    (folder / "module.yaml").write_text("role: app\nsummary: for a test\nbase: base/debian-12\ncommand: [hello]\n")
    (folder / "Containerfile").write_text("ARG BASE\nFROM ${BASE}\nUSER 0\nRUN /usr/lib/modulux/install hello\n")
    user.run("build", "app/built", "--modules", str(user.home / "modules"), "--yes", timeout=900)
    (row,) = [r for r in user.json("build", "app/built", "--modules", str(user.home / "modules")) if r["module"] == "app/built"]
    assert user.native("run", "--rm", *NO_MORE, "--entrypoint", "hello", row["image"]) == "Hello, world!\n"
    assert list((user.home / ".cache/modulux/build").iterdir()) == []


NO_MORE = ["--pull", "never", "--network", "none", *run_words("podman")]


def test_a_folder_of_the_host_is_the_users_inside_and_outside(user: Rootless, sharing: Callable[[str], Path]) -> None:
    folder = user.home / "mine"
    folder.mkdir()
    (folder / "from-outside").write_text("outside")
    for made in (folder, folder / "from-outside"):
        subprocess.run(["chown", f"{UID}:{UID}", str(made)], check=True)
    user.run("up", str(sharing("{Mine: {path: ~/Mine, host: ~/mine}}")), "--yes")
    assert user.inside(
        "t-shares", "terminal", "cat ~/Mine/from-outside; echo inside >>~/Mine/from-outside; stat -c %u ~/Mine/*"
    ) == ("outside1000\n")
    assert user.inside("t-shares", "openbox", "echo kept >~/kept; echo inside >~/Mine/new; stat -c %u ~/Mine/new") == "1000\n"
    assert {file.name: (file.read_text(), file.stat().st_uid) for file in folder.iterdir()} == {
        "from-outside": ("outsideinside\n", UID),
        "new": ("inside\n", UID),
    }


def test_homes_outlast_a_folder_of_the_host_that_comes_and_goes(user: Rootless, sharing: Callable[[str], Path]) -> None:
    """UID 1000 is somebody else outside with such a folder and without: what the volumes hold must follow."""
    (user.home / "other").mkdir()
    subprocess.run(["chown", f"{UID}:{UID}", str(user.home / "other")], check=True)
    for number, shares in enumerate(("{}", "{Other: {path: ~/Other, host: ~/other}}", "{}")):
        user.run("up", str(sharing(shares)), "--yes")
        assert owner_outside(user, "modulux.t-shares.terminal") == (UID if number == 1 else INSIDE)
        said = user.inside(
            "t-shares", "terminal", f"echo {number} >>~/kept; cat ~/kept; touch ~/.config/new && stat -c %u ~/kept"
        )
        assert said.split() == [*map(str, range(number + 1)), "1000"]
    user.run("down", "t-shares")
    user.run("up", str(sharing("{Other: {path: ~/Other, host: ~/other}}")), "--yes")
    assert user.inside("t-shares", "terminal", "cat ~/kept").split() == ["0", "1", "2"]
