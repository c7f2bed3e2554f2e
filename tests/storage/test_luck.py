"""Bad luck that is no crash: a full disk, a disk that is gone, somebody who writes meanwhile, an engine that does not start."""

from __future__ import annotations

import subprocess
from collections.abc import Callable

import pytest
from tests.storage.conftest import Moving

pytestmark = [pytest.mark.engine, pytest.mark.slow]

ENGINES = ["docker", "podman"]


@pytest.mark.parametrize("engine", ENGINES)
def test_the_destination_fills_up(moving: Callable[..., Moving], engine: str) -> None:
    m = moving(engine)
    m.killed("move:warm", "move")
    m.host.sh('dd if=/dev/zero of="$1"/ballast bs=1M 2>/dev/null || true', str(m.host.big))
    done = m.verb("move", status=17)
    assert "is full: make room" in done.stderr
    m.filled.all_there()  # nothing was stopped
    m.host.sh('rm "$1"/ballast', str(m.host.big))
    m.verb("move")
    m.filled.all_there()


@pytest.mark.parametrize("engine", ENGINES)
def test_too_small_from_the_start(moving: Callable[..., Moving], engine: str) -> None:
    m = moving(engine, size="70M")
    assert "GB are needed" in m.move(status=17).stderr
    assert m.journal() is None


@pytest.mark.parametrize("engine", ENGINES)
def test_too_few_inodes(moving: Callable[..., Moving], engine: str) -> None:
    m = moving(engine, mkfs=("-N", "100"))
    assert "inodes" in m.move(status=17).stderr


@pytest.mark.parametrize("engine", ENGINES)
@pytest.mark.parametrize("step", ["warm", "final", "switch"])
def test_the_disk_is_gone_before_the_switch(moving: Callable[..., Moving], engine: str, step: str) -> None:
    m = moving(engine, big="ext4")
    m.killed(f"move:{step}", "move")
    without_the_disk(m)
    m.start_engine()
    done = m.verb("move", status=17)
    assert "is not there" in done.stderr
    m.filled.all_there()
    m.undo()
    m.filled.all_there()
    assert m.journal() is None


@pytest.mark.parametrize("engine", ENGINES)
def test_the_disk_is_gone_after_the_switch(moving: Callable[..., Moving], engine: str) -> None:
    m = moving(engine, big="ext4")
    m.move()
    without_the_disk(m)
    if engine == "docker":  # it must not begin anew on the system disk
        assert m.host.do("timeout", "20", "dockerd", check=False).returncode not in (0, 124)
    else:
        assert m.host.do("podman", "ps", check=False).returncode
    assert "is not there" in m.undo(status=17).stderr
    m.undo("--discard")
    m.filled.all_there()


@pytest.mark.parametrize("engine", ENGINES)
def test_the_disk_goes_while_it_is_copied_to(moving: Callable[..., Moving], engine: str) -> None:
    m = moving(engine, big="ext4")
    m.killed("move:warm+3", "move")
    m.host.sh('umount --lazy "$1"', str(m.host.big))
    assert "is not there" in m.verb("move", status=17).stderr
    m.filled.all_there()
    assert m.host.sh('ls -A "$1"', str(m.host.big)) == ""


@pytest.mark.parametrize("engine", ENGINES)
def test_somebody_writes_meanwhile(moving: Callable[..., Moving], engine: str) -> None:
    m = moving(engine)
    place = str(m.filled.volume("log"))
    script = 'echo $$ >/run/writer; while sleep 0.02; do echo more >>"$1"/foreign; done'
    writer = subprocess.Popen(m.host.command(["sh", "-c", script, "sh", place]))
    try:
        done = m.move(status=17)
        assert "not the same after 3 passes" in done.stderr
        assert "foreign" in done.stderr
        m.filled.all_there()
    finally:
        m.host.sh("kill -9 $(cat /run/writer)")
        writer.wait()
    m.verb("move")
    m.filled.all_there()


def test_docker_does_not_start_on_the_new_disk(moving: Callable[..., Moving]) -> None:
    m = moving("docker")
    m.killed("move:start", "move")
    m.host.sh('mount -o remount,ro "$1"', str(m.host.big))
    done = m.verb("move", status=17)
    assert "going back" in done.stderr
    m.filled.all_there()
    m.host.sh('mount -o remount,rw "$1"', str(m.host.big))
    m.verb("move")
    m.filled.all_there()
    m.undo()
    m.back_home()


def test_docker_does_not_start_anywhere(moving: Callable[..., Moving]) -> None:
    m = moving("docker")
    m.killed("move:start", "move")
    m.host.sh("mkdir -p /etc/docker; echo '{\"no-such-key\": 1}' >/etc/docker/daemon.json")
    done = m.verb("move", status=17)
    assert "nothing is lost" in done.stderr
    m.host.sh("rm /etc/docker/daemon.json")
    m.undo()
    m.back_home()


def test_a_container_is_lost_on_the_new_disk(moving: Callable[..., Moving]) -> None:
    """What is not there after the switch is found missing, and everything goes back by itself."""
    m = moving("podman")
    m.killed("move:check", "move")
    m.filled.do("volume", "create", "written-on-the-new-disk")
    # an image goes that the list names: as if the copy lacked it
    m.filled.do("rm", "--force", "never-started")
    done = m.verb("move", status=17)
    assert "container never-started" in done.stderr
    assert m.filled.do("ps", "--format", "{{.Names}}").split() == ["ticks"]
    assert "written-on-the-new-disk" in m.filled.do("volume", "ls")
    journal = m.journal()
    assert journal is not None
    assert (journal["task"], journal["step"]) == ("move", "warm")
    m.undo()
    assert m.journal() is None


def without_the_disk(m: Moving) -> None:
    """The machine starts again without its big disk."""
    m.host.off()
    (m.host.folder / "big.img").rename(m.host.folder / "lost.img")
    m.host.boot()
