"""Moving, going back, moving for good: nothing is lost and nothing is left over."""

from __future__ import annotations

import json
from collections.abc import Callable

import pytest
from tests.storage.conftest import Moving

pytestmark = pytest.mark.engine

THIRD = "/var/lib/elsewhere"


@pytest.mark.parametrize(("engine", "disk"), [("docker", "ext4"), ("podman", "xfs")])
def test_there_and_back_and_for_good(moving: Callable[..., Moving], engine: str, disk: str) -> None:
    m = moving(engine, big=disk)
    home = m.where()
    ticks = m.filled.ticks()
    shown = json.loads(m.move("--json").stdout)
    assert shown["target"] == m.target
    assert shown["verified"]["whiteouts"] >= 2
    assert shown["verified"]["flagged"] == 3
    assert shown["verified"]["sparse"] >= 1
    assert m.where() != home
    m.filled.all_there()
    assert m.filled.ticks() > ticks

    m.filled.do("volume", "create", "later")
    m.host.sh('echo new >"$1"/file', str(m.filled.volume("later")))
    m.undo()
    assert m.host.sh('cat "$1"/file', str(m.filled.volume("later"))) == "new\n"
    m.filled.do("volume", "rm", "later")
    assert m.where() == home
    m.back_home()

    m.move("--verify", "all")
    m.verb("commit", "--yes")
    assert m.where() != home
    m.filled.all_there()
    assert m.journal() is None
    assert "modulux-old" not in m.host.sh("ls /var/lib /var/lib/containers")
    assert m.verb("undo", status=9).stderr
    # the machine starts again, with what stands in its fstab
    m.host.off()
    m.host.boot()
    m.start_engine()
    m.filled.all_there()
    # outgrown again: from there to a third place, back to the second, and there for good
    second = m.where()
    assert "lies inside of" in m.verb("move", f"{m.target}/in", "--yes", status=17).stderr
    m.verb("move", THIRD, "--yes")
    assert m.where() != second
    m.filled.all_there()
    m.filled.do("volume", "create", "later")
    m.undo()
    assert m.where() == second
    m.filled.do("volume", "rm", "later")
    m.filled.all_there()
    assert m.host.sh("grep -c modulux /etc/fstab") == "1\n"
    m.verb("move", THIRD, "--yes")
    m.verb("commit", "--yes")
    assert m.host.sh('grep -c modulux /etc/fstab; ls -A "$1" | grep -v lost || true', str(m.host.big)) == "1\n"
    m.host.off()
    m.host.boot()
    m.start_engine()
    assert str(m.host.big) not in m.host.sh('findmnt --noheadings --output TARGET --source "$1"', m.where())
    m.filled.all_there()


@pytest.mark.slow
@pytest.mark.parametrize("engine", ["docker", "podman"])
def test_what_is_left_behind_when_discarded(moving: Callable[..., Moving], engine: str) -> None:
    m = moving(engine)
    m.move()
    m.filled.do("volume", "create", "later")
    m.undo("--discard")
    assert "later" not in m.filled.do("volume", "ls")
    m.filled.all_there()
    assert m.host.sh('ls "$1"', m.target)


@pytest.mark.slow
def test_docker_by_its_configuration(moving: Callable[..., Moving]) -> None:
    m = moving("docker", "--reconfigure")
    m.host.sh("mkdir -p /etc/docker; echo '{\"debug\": false}' >/etc/docker/daemon.json")
    m.move()
    assert m.filled.do("info", "--format", "{{.DockerRootDir}}").strip() == m.target
    m.filled.all_there()
    m.undo()
    assert json.loads(m.host.sh("cat /etc/docker/daemon.json")) == {"debug": False}
    m.back_home()
    m.move()
    m.verb("commit", "--yes")
    m.filled.all_there()


@pytest.mark.slow
def test_in_the_background(moving: Callable[..., Moving]) -> None:
    m = moving("podman")
    m.move("--background")
    for _ in range(300):
        journal = m.journal()
        if journal and journal["step"] == "done":
            break
        m.host.sh("sleep 0.3")
    m.host.sh("sleep 1")
    m.filled.all_there()
    assert "waits for" in m.host.run("storage", "show", "--no-sizes").stdout


def test_what_the_plan_says(moving: Callable[..., Moving]) -> None:
    m = moving("podman", big="ext4")
    plan = json.loads(m.move("--dry-run", "--json").stdout)
    assert plan["stops"] == ["ticks"]
    assert plan["refused"] == []
    assert plan["written"] == ["/etc/fstab"]
    assert plan["target"] == m.target
    assert m.journal() is None
    for place, reason in {"/var/lib/containers/storage/in": "lies inside of", "/var/lib/elsewhere": "the same disk"}.items():
        assert reason in m.verb("move", place, "--yes", status=17).stderr
    assert "database" in m.move("--reconfigure", status=17).stderr
    m.filled.do("run", "--detach", "--rm", "--name", "fleeting", *m.filled.limits, "localhost/filled:1", "/bin/sleep", "1000")
    assert "--rm" in m.move(status=17).stderr
    m.filled.do("rm", "--force", "--time", "0", "fleeting")
    m.host.sh('mkdir "$1"; touch "$1"/something', m.target)
    assert "is not empty" in m.move(status=17).stderr
    m.host.sh('mount -o remount,noexec "$1"', str(m.host.big))
    assert "noexec" in m.move(status=17).stderr
    m.filled.all_there()
