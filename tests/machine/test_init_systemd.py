"""What PID 1's program does for systemd: before it, and as one of its services. In systemd's place is a script; no container runs, there is only
what Podman would note of one, whose first process is PID 1 itself."""

from __future__ import annotations

import time
from pathlib import Path

import pytest
from tests.support.pid1 import LIVES, LOOK, PATIENCE, World

WATCH = "exec /machine/init watch"
DIES = "exit 127"
ENDS = """
%ssleep 100 & container=$!
(while kill -0 $container 2>/dev/null; do sleep 0.1; done; sleep 0.5; echo cleared up >/run/conmon) & conmon=$!
echo $container >/run/one.pid; echo 0123abcd >/run/one.cid
MAINPID=$conmon /machine/init end one
echo $? >/run/code; cp /run/conmon /run/before
SERVICE_RESULT=exit-code EXIT_STATUS=143 /machine/init ended one
exec /machine/init watch
"""
"""A unit is stopped, whose main process does what conmon does."""


def watched(here: World) -> Path:
    """The /run of a machine on which systemd runs the container `one`."""
    here.systemd(WATCH)
    here.plan("run one always")
    here.start()
    here.hears("systemd takes over")
    here.wait((here.inside / "run/machine/control").exists)
    return here.inside / "run"


def runs(run: Path) -> None:
    (run / "one.pid").write_text("1\n")
    (run / "one.cid").write_text("of no matter\n")


def ends(run: Path, how: str, after: float = 0) -> None:
    """Podman forgets it first; after so many seconds its unit notes how it ended."""
    (run / "one.cid").unlink(missing_ok=True)
    time.sleep(after)
    with (run / "one.ends").open("a") as notes:
        notes.write(f"{how}\n")


def test_a_command_that_dies_again_and_again_inside_is_said_with_what_the_journal_has_of_it(here: World) -> None:
    run = watched(here)
    runs(run)
    (run / "modulux.state").write_text("running 1 -\n")
    here.hears("started one")
    time.sleep(3 * LOOK)
    (run / "modulux.state").write_text("backoff 4 7\n")
    here.hears("one DIES AGAIN AND AGAIN: 3 times, the last with 7", 20)
    here.hears("one: nothing to live for")


def test_one_that_ends_or_cannot_be_started_again_and_again_is_said(here: World) -> None:
    run = watched(here)
    runs(run)
    here.hears("started one")
    ends(run, "exit-code 7", after=1.5)
    here.hears("one ended with 7")
    time.sleep(1)
    assert not any("cannot be started" in line for line in here.console())
    for _ in range(2):
        said = len(here.console())
        ends(run, "exit-code 125")
        here.wait(lambda said=said: any("one cannot be started" in line and "125" in line for line in here.console()[said:]))  # type: ignore[misc]
    here.hears("one DIES AGAIN AND AGAIN: 3 times")
    here.hears("one: nothing to live for")


def test_one_whose_end_nobody_notes_is_gone_after_a_while(here: World) -> None:
    run = watched(here)
    runs(run)
    here.hears("started one")
    (run / "one.cid").unlink()
    here.hears("one ended with 0", 30)


def told(here: World) -> list[str]:
    """The units that systemd was told to start."""
    notes = here.inside / "run/told"
    return notes.read_text().split() if notes.exists() else []


def test_who_declares_devices_is_started_by_a_word_of_pid_1s_once_they_are_there(here: World) -> None:
    here.systemd(WATCH)
    (here.folder / "machine/devices/snd").mkdir(parents=True)
    here.plan("device one /dev/snd", "run one always", "run other always")
    here.start()
    here.hears("systemd takes over")
    time.sleep(PATIENCE / 2)
    assert told(here) == []
    (here.inside / "dev/snd/controlC0").touch()
    here.wait(lambda: told(here) == ["one.service"], PATIENCE / 2)
    runs(here.inside / "run")
    here.hears("started one")
    assert not any("NO DEVICE" in line for line in here.console())
    ends(here.inside / "run", "exit-code 7")
    here.hears("one ended with 7")
    time.sleep(1)
    assert told(here) == ["one.service"], "systemd starts it again by itself"


def test_who_misses_a_device_is_started_without_and_who_makes_no_picture_after_it(here: World) -> None:
    here.systemd(WATCH)
    here.plan("device one /dev/snd", "device other /dev/dri", "run one always", "run other always", "later one")
    here.start()
    here.hears("NO DEVICE in /dev/dri for other, which is started without", 2 * PATIENCE + 5)
    here.wait(lambda: "other.service" in told(here))
    here.wait(lambda: "one.service" in told(here))
    assert told(here).index("other.service") < told(here).index("one.service")


def test_with_the_machine_it_is_stopped_and_has_not_failed(here: World) -> None:
    run = watched(here)
    runs(run)
    here.hears("started one")
    assert here.ask("poweroff") == ["ok"]
    ends(run, "success 0", after=1)
    here.hears("stopped one")
    time.sleep(1)
    assert not any("cannot be started" in line or "ended with" in line for line in here.console())


def test_with_the_machine_nobody_clears_up(here: World) -> None:
    here.systemd(ENDS % "mkdir -p /run/machine; : >/run/machine/ending; ")
    here.plan("run one always")
    here.start()
    here.hears("systemd takes over", 30)
    run = here.inside / "run"
    here.wait((run / "machine/control").exists)
    assert (run / "code").read_text() == "0\n"
    assert [n.words for n in here.noted("kill")] == [["kill", "0123abcd", "TERM"]]
    time.sleep(1)
    assert not (run / "conmon").exists()


@pytest.mark.parametrize("deaf", [False, True])
def test_a_unit_ends_with_its_container_and_is_cleared_up_after(here: World, deaf: bool) -> None:
    here.systemd(ENDS % "")
    here.plan("run one always")
    here.container("0123abcd", deaf=deaf)
    here.start()
    here.hears("systemd takes over", 30)
    run = here.inside / "run"
    here.wait((run / "machine/control").exists)
    assert (run / "code").read_text() == "0\n"
    assert (run / "before").read_text() == "cleared up\n"
    assert [n.words for n in here.noted("kill")] == [
        ["kill", "0123abcd", how] for how in (["TERM", "KILL"] if deaf else ["TERM"])
    ]
    assert (run / "one.ends").read_text() == "exit-code 143\n"
    assert not (run / "one.cid").exists()


def test_one_that_is_told_to_end_and_to_start_has_not_died(here: World) -> None:
    run = watched(here)
    runs(run)
    here.hears("started one")
    assert here.ask("stop", "one") == ["ok"]
    here.wait(lambda: here.status()["one"][0] == "ended")
    assert here.ask("start", "one") == ["ok"]
    runs(run)
    here.wait(lambda: here.status()["one"][0] == "running")
    assert not any("cannot be started" in line or "ended with" in line for line in here.console())


def test_who_wants_more_processes_or_memory_than_it_may_have_is_said(here: World) -> None:
    run = watched(here)
    place = next(line for line in (here.inside / "proc/1/cgroup").read_text().splitlines() if line.startswith("0::"))
    group = here.inside / f"sys/fs/cgroup{place[3:]}"
    group.mkdir(parents=True, exist_ok=True)
    (group / "pids.events").write_text("max 12\n")
    (group / "memory.events").write_text("oom 2\noom_kill 2\n")
    runs(run)
    here.hears("one wants MORE PROCESSES than it may have", 20)
    here.hears("one wants MORE MEMORY than it may have; 2 of its processes were ended")


def test_a_slot_whose_systemd_dies_again_and_again_is_left_if_there_is_another(here: World, disk: Path) -> None:
    here.node, here.words = disk.name, f"modulux.store=none modulux.state={disk} modulux.slot=a"
    here.systemd(DIES)
    here.plan("run one always")
    for times in range(1, 5):
        here.start()
        assert here.process is not None
        here.process.wait(60)
        taken = sum("systemd takes over" in line for line in here.console())
        assert taken == times, here.console()
        assert any("its systemd lived for none of them" in line for line in here.console()) == (times == 4)
    here.hears("the slot a was started 3 times, and its systemd lived for none of them")
    here.hears("there is no other slot: it is tried again")


def test_a_start_counts_no_more_once_systemd_has_lived_for_a_while(here: World, disk: Path) -> None:
    here.node, here.words = disk.name, f"modulux.store=none modulux.state={disk} modulux.slot=a"
    here.systemd(WATCH)
    here.plan("run one always")
    here.start()
    here.hears("systemd takes over", 30)
    here.wait((here.inside / "run/machine/control").exists)
    noted = here.inside / "state/starts"
    assert noted.read_text() == "a 1\n"
    assert here.status()["machine"][2] == "kept"
    time.sleep(LIVES / 2)
    assert noted.exists()
    here.wait(lambda: not noted.exists(), 20)
