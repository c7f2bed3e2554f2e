"""`modulux upgrade` as a person runs it: every image is built anew from the archive. What is drawn stays; what is not goes back.

In a storage of its own, since the images that others use would be exchanged under them. The archive of today is played by a server
of the test's own, which one of the modules asks while it is built; all others ask Debian's.
"""

from __future__ import annotations

import contextlib
import shutil
import socket
import tempfile
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.conftest import carry
from tests.support.cli import ROOT, Cli
from tests.support.dockerd import unmount
from tests.support.machine import podman_apart, why_not

pytestmark = [pytest.mark.engine, pytest.mark.slow]

NAME = "t-anew"
RECIPE = "USER 0\nRUN bash -c 'exec 3<>/dev/tcp/127.0.0.1/{port} && cat <&3 >/built' && test -s /built\nUSER 1000:1000\n"
COMMAND = "command: [sh, -c, 'grep -q nothing /built && exec sleep infinity; exec /usr/lib/modulux/openbox']"


class Archive(threading.Thread):
    """Says `word` to whoever connects."""

    word = b"first"

    def __init__(self) -> None:
        super().__init__(daemon=True)
        self.listening = socket.create_server(("127.0.0.1", 0))
        self.port = self.listening.getsockname()[1]

    def run(self) -> None:
        with contextlib.suppress(OSError):
            while True:
                caller, _ = self.listening.accept()
                with caller:
                    caller.sendall(self.word + b"\n")


@pytest.fixture
def apart(tmp_path: Path) -> Iterator[Cli]:
    """Podman with a storage of its own, which has the images of `openbox`."""
    if why := why_not():
        pytest.skip(why)
    here = Cli("podman")
    here.run("build", "--desktop", "openbox", "--yes", timeout=3000)
    folder = Path(tempfile.mkdtemp(prefix="modulux-upgrade-", dir="/var/tmp"))
    try:
        with podman_apart(folder) as environment:
            made = {"XDG_CACHE_HOME": str(folder / "cache"), "MODULUX_MODULES": str(tmp_path / "modules")}
            cli = Cli("podman", environment | made)
            carry(here, cli, ["openbox"])
            yield cli
    finally:
        unmount(folder)
        shutil.rmtree(folder)


def test_all_of_it_anew(apart: Cli, tmp_path: Path) -> None:
    archive = Archive()
    archive.start()
    module = tmp_path / "modules/session/openbox"
    shutil.copytree(ROOT / "modules/session/openbox", module)
    with (module / "Containerfile").open("a") as file:
        file.write(RECIPE.format(port=archive.port))
    contract = (module / "module.yaml").read_text()
    (module / "module.yaml").write_text(contract.replace("command: [/usr/lib/modulux/openbox]", COMMAND))
    (tmp_path / "desktop.yaml").write_text(f"name: {NAME}\ndisplay: xvfb\nsessions: [openbox]\n")
    (tmp_path / "password").write_text("open sesame\n")
    flags = ["--to", str(tmp_path / "repository"), "--password-file", str(tmp_path / "password"), "--yes"]

    def built() -> str:
        return apart.inside(NAME, "openbox", "cat /built").strip()

    def images() -> dict[str, str]:
        """Every image by its reference."""
        words = apart.native("images", "--no-trunc", "--format", "{{.Repository}}:{{.Tag}} {{.ID}}").split("\n")
        named = dict(line.split() for line in words if line.startswith("localhost/modulux"))
        return {name: id for name, id in named.items() if "." not in name.rpartition(":")[2]}

    try:
        apart.run("up", str(tmp_path / "desktop.yaml"), "--yes", timeout=3000)
        assert built() == "first"
        apart.inside(NAME, "openbox", "echo mine >~/Documents/mine")
        before = images()

        archive.word = b"nothing"
        done = apart.run("upgrade", NAME, *flags, status=8, timeout=3000)
        assert "does not come up" in done.stderr
        assert "as it was before" in done.stderr
        assert built() == "first"
        assert images() == before
        assert apart.inside(NAME, "openbox", "cat ~/Documents/mine") == "mine\n"
        assert {row["status"] for row in apart.json("ps", NAME)} == {"running"}

        archive.word = b"second"
        done = apart.run("upgrade", NAME, *flags, timeout=3000)
        assert "runs from images of today" in done.stdout
        assert built() == "second"
        after = images()
        used = {row["image"] for row in apart.json("ps", NAME)}
        assert used <= set(before)
        assert not [name for name in used if after[name] == before[name]]
        assert apart.inside(NAME, "openbox", "cat ~/Documents/mine") == "mine\n"
        apart.run("rollback", NAME, *flags)
        assert built() == "first"
    finally:
        archive.listening.close()
        apart.run("down", NAME, "--volumes", "--yes", status=None)
    assert apart.left(NAME) == []
