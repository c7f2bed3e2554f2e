"""Engines beside the two big ones: a user's own Podman, containerd by itself, a whole desktop on a moved engine."""

from __future__ import annotations

import os
from collections.abc import Iterator

import pytest
from PIL import Image
from tests.conftest import carry
from tests.support.cli import Cli
from tests.support.filled import IMAGE, image
from tests.support.native import run_words
from tests.support.smallhost import SmallHost, small_host, why_not

from modulux.storage import probe

pytestmark = [pytest.mark.engine, pytest.mark.slow]

UID = 61000
USER = r"""
echo 'alice:x:61000:61000::/var/lib/alice:/bin/sh' >>/etc/passwd
echo 'alice:x:61000:' >>/etc/group
echo 'alice:6100000:65536' | tee -a /etc/subuid >>/etc/subgid
mkdir -p /var/lib/alice/.config/containers /run/user/61000 /run/dev
printf '[storage]\ndriver = "overlay"\n' >/var/lib/alice/.config/containers/storage.conf
chown -R 61000:61000 /var/lib/alice /run/user/61000
chmod 700 /var/lib/alice /run/user/61000
mknod /run/dev/tun c 10 200
mknod /run/dev/fuse c 10 229
chmod 666 /run/dev/*
mount --bind /run/dev/tun /dev/net/tun
mount --bind /run/dev/fuse /dev/fuse
mount --make-rshared /
"""


@pytest.fixture
def host() -> Iterator[SmallHost]:
    if why := why_not():
        pytest.skip(why)
    with small_host() as made:
        made.folder.chmod(0o755)
        yield made


def test_a_users_podman(host: SmallHost) -> None:
    host.sh(USER)
    (host.folder / "image.tar").write_bytes(image())
    surroundings = ["HOME=/var/lib/alice", "USER=alice", f"XDG_RUNTIME_DIR=/run/user/{UID}", f"PATH={os.environ['PATH']}"]
    as_alice = ["setpriv", f"--reuid={UID}", f"--regid={UID}", "--init-groups", "--", "env", "--chdir=/", "-i", *surroundings]

    def podman(*words: str) -> str:
        return host.do(*as_alice, "podman", *words).stdout

    podman("import", str(host.folder / "image.tar"), IMAGE)
    podman("volume", "create", "kept")
    script = (
        "rm /data/gone; trap 'exit 0' TERM; [ -e /kept/file ] || { echo mine >/kept/file; busybox chown 5:6 /kept/file; }; "
    )
    script += "while true; do sleep 0.1; done"
    podman("run", "--detach", "--network", "none", *run_words("podman"), "--name", "busy", "--volume", "kept:/kept", IMAGE,
           "/bin/sh", "-c", script)  # fmt: skip
    root = "/var/lib/alice/.local/share/containers/storage"
    look = f"stat --format '%u:%g %Y %s' {root}/volumes/kept/_data/file"
    podman("exec", "busy", "/bin/cat", "/kept/file")
    before = host.sh(look)
    for words in (
        ["move", "podman", str(host.big), "--user", "alice"],
        ["undo", "podman", "--user", "alice"],
        ["move", "podman", str(host.big), "--user", "alice"],
        ["commit", "podman", "--user", "alice"],
    ):
        host.run("storage", *words, "--yes")
        assert host.sh(look) == before
        assert podman("exec", "busy", "/bin/cat", "/kept/file") == "mine\n"
        assert podman("exec", "busy", "/bin/sh", "-c", "cd /data; echo *") == "folder stays\n"
    assert "podman-alice" in host.sh(f"findmnt --noheadings --output SOURCE --target {root}")
    assert "already" in str(next(d for d in host.json("storage", "show")["disks"] if d["point"] == str(host.big))["fits"])


def test_containerd_by_itself(host: SmallHost) -> None:
    host.do("sh", "-c", "setsid containerd </dev/null >/run/containerd.log 2>&1 &")
    host.sh("for i in $(seq 100); do ctr version >/dev/null 2>&1 && exit 0; sleep 0.2; done; cat /run/containerd.log; exit 1")
    (host.folder / "probe.tar").write_bytes(probe.archive().replace(b"modulux-storage-probe", b"modulux-storage-other"))
    host.do("ctr", "-n", "mine", "images", "import", str(host.folder / "probe.tar"))
    name = "localhost/modulux-storage-other:1"
    host.do("ctr", "-n", "mine", "containers", "create", name, "kept")
    shown = {e["engine"]: e for e in host.json("storage", "show")["engines"]}
    assert shown["containerd"]["root"] == "/var/lib/containerd"
    for words in (
        ["move", "containerd", str(host.big)],
        ["undo", "containerd"],
        ["move", "containerd", str(host.big), "--reconfigure"],
    ):
        host.run("storage", *words, "--yes")
        assert host.do("ctr", "-n", "mine", "images", "ls", "-q").stdout.split() == [name]
        assert host.do("ctr", "-n", "mine", "containers", "ls", "-q").stdout.split() == ["kept"]
        host.do("ctr", "-n", "mine", "run", "--rm", "--null-io", name, "again")
    assert str(host.big) in host.sh("cat /etc/containerd/config.toml")
    host.run("storage", "commit", "containerd", "--yes")
    host.do("ctr", "-n", "mine", "run", "--rm", "--null-io", name, "again")


@pytest.mark.parametrize("engine", ["podman", "docker"])
def test_a_running_desktop_comes_along(engine: str) -> None:
    """A whole desktop runs while its engine's data move, go back, and move for good."""
    if why := why_not():
        pytest.skip(why)
    built = Cli("podman")
    built.run("build", "--desktop", "openbox", "--yes", timeout=3000)
    with small_host(size="5G", system="5G") as host:
        host.engine = engine
        if engine == "docker":
            host.dockerd()
        carry(built, host, ["openbox"])
        host.run("up", "openbox", "--yes")
        host.do(engine, "exec", "modulux.openbox.openbox", "sh", "-c", "echo mine >~/file && sync ~/file")
        for words in (["move", engine, str(host.big)], ["undo", engine], ["move", engine, str(host.big)], ["commit", engine]):
            host.run("storage", *words, "--yes")
            rows = host.json("ps", "openbox")
            assert {row["phase"] for row in rows} <= {"running", "ended", "idle"}, rows
            assert host.do(engine, "exec", "modulux.openbox.openbox", "sh", "-c", "cat ~/file").stdout == "mine\n"
            picture = host.folder / "picture.png"
            host.run("screenshot", "openbox", "-o", str(picture))
            with Image.open(picture) as drawn:
                assert len(drawn.convert("RGB").getcolors(1 << 24) or []) > 8
        assert "http" in host.json("open", "openbox")["browser"]
