"""Keeping as an ordinary user, with Podman and with Docker: volumes belong to the user's spare ids, the repository to the user."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.conftest import carry
from tests.support import rootless_docker
from tests.support.cli import Cli
from tests.support.rootless import UID, Rootless, rootless, why_not

pytestmark = [
    pytest.mark.engine,
    pytest.mark.slow,
    pytest.mark.skipif(shutil.which("restic") is None, reason="needs restic"),
]

LIST = "cd && find . -path ./.cache -prune -o -path ./.local -prune -o -printf '%p %m %U %G %T@ %s %n %l\\n' | sort"


@pytest.fixture(scope="module", params=["podman", "docker"])
def user(request: pytest.FixtureRequest) -> Iterator[Rootless]:
    docker = request.param == "docker"
    if reason := why_not() or (rootless_docker.why_not() if docker else None):
        pytest.skip(reason)
    root = Cli("podman")
    root.run("build", "--desktop", "openbox", "--yes", timeout=3000)
    with rootless_docker.rootless_docker() if docker else rootless() as cli:
        carry(root, cli, ["openbox"])
        yield cli


def test_there_and_back_without_root(user: Rootless) -> None:
    (user.home / "password").write_text("open sesame\n")
    (user.home / "password").chmod(0o644)
    flags = ["--to", str(user.home / "repository"), "--password-file", str(user.home / "password")]
    user.run("up", "openbox", "--yes")
    try:
        user.inside(
            "openbox",
            "openbox",
            "mkdir -p ~/Documents/a && echo b >~/Documents/a/b && chmod 600 ~/Documents/a/b && ln ~/Documents/a/b ~/Documents/c",
        )
        before = user.inside("openbox", "openbox", LIST)
        user.run("backup", "openbox", *flags, "--yes")
        assert {p.stat().st_uid for p in Path(user.home / "repository").rglob("*")} == {UID}
        user.run("down", "openbox", "--volumes", "--yes")
        user.run("restore", "openbox", *flags, "--yes")
        assert user.inside("openbox", "openbox", LIST) == before
        user.run("clone", "openbox", "copy", "--yes")
        assert user.inside("copy", "openbox", LIST) == before
    finally:
        for name in ("openbox", "copy"):
            user.run("down", name, "--volumes", "--yes", status=None)
    assert user.left("openbox") == user.left("copy") == []
