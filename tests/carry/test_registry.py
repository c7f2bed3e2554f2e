"""A desktop through a real registry on the loopback, without TLS, started by the test."""

from __future__ import annotations

import json
import shutil
import socket
import subprocess
import time
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.carry.conftest import NAME
from tests.support.cli import Cli
from tests.support.dockerd import end_with_parent

pytestmark = pytest.mark.skipif(
    any(shutil.which(name) is None for name in ("docker-registry", "skopeo")),
    reason="this host lacks docker-registry or skopeo",
)


@pytest.fixture(scope="module")
def registry(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    folder = tmp_path_factory.mktemp("registry")
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        address = f"127.0.0.1:{free.getsockname()[1]}"
    config = {
        "version": "0.1",
        "log": {"level": "warn"},
        "storage": {"filesystem": {"rootdirectory": str(folder / "data")}},
        "http": {"addr": address},
    }
    (folder / "config.yml").write_text(json.dumps(config))
    with (folder / "log").open("wb") as log:
        process = subprocess.Popen(
            ["docker-registry", "serve", str(folder / "config.yml")],
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            preexec_fn=end_with_parent,  # noqa: PLW1509
        )
    try:
        deadline = time.monotonic() + 30
        while True:
            try:
                urllib.request.urlopen(f"http://{address}/v2/", timeout=2).close()
                break
            except OSError:
                assert time.monotonic() < deadline, (folder / "log").read_text()
                time.sleep(0.1)
        yield address
    finally:
        process.terminate()
        process.wait(10)


def elsewhere(folder: Path) -> Cli:
    """The same engine for somebody whose own desktops lie elsewhere."""
    return Cli("podman", {"XDG_DATA_HOME": str(folder / "data"), "XDG_CACHE_HOME": str(folder / "cache")})


def test_a_desktop_comes_back_from_a_registry(running: Cli, registry: str, tmp_path: Path) -> None:
    place = f"{registry}/team"
    said = running.json("push", NAME, place, "--with-data")
    assert said["place"] == f"{place}/desktop/{NAME}:latest"
    with urllib.request.urlopen(f"http://{registry}/v2/_catalog") as answer:
        repositories = json.load(answer)["repositories"]
    assert {f"team/desktop/{NAME}", "team/display/xvfb", "team/base/debian-13"} <= set(repositories)
    other = elsewhere(tmp_path)
    try:
        got = other.json("pull", NAME, place, "--as", "t-pulled")
        assert got["digest"] == said["digest"]
        assert got["images"] == []  # they were there
        assert sorted(got["volumes"]) == ["modulux.t-pulled.openbox.home", "modulux.t-pulled.share.Documents"]
        other.run("up", "t-pulled")
        assert other.inside("t-pulled", "terminal", "cat ~/Documents/letter.txt") == "a letter\n"
        again = other.run("pull", NAME, place, "--as", "t-pulled", status=10)
        assert "overwritten" in again.stderr
    finally:
        other.run("down", "t-pulled", "--volumes", "--yes", status=None)
    assert other.left("t-pulled") == []


def test_what_a_registry_does_not_have(running: Cli, registry: str, tmp_path: Path) -> None:
    assert "manifest unknown" in running.run("pull", "nobody", registry, status=18).stderr
    assert "127.0.0.1:1" in running.run("pull", NAME, "127.0.0.1:1", status=18).stderr
    running.run("pull", NAME, "http://where", status=2)
