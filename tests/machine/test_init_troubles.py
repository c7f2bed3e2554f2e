"""What PID 1 says of containers that go on though something in them does not, and of a state that is full."""

from __future__ import annotations

import subprocess
import time

from tests.support.pid1 import LOOK, World


def note(here: World, text: str) -> None:
    """What the supervisor inside a container notes; all containers of this world share one /run."""
    (here.inside / "run/modulux.state").write_text(text)


def said(here: World, words: str) -> int:
    return sum(words in line for line in here.console())


def test_a_command_that_dies_again_and_again_inside_is_said_with_its_last_words(here: World) -> None:
    here.container("module", says=["nothing to live for"])
    here.plan("run module always")
    here.start()
    here.hears("started module")
    note(here, "running 1 -\n")
    time.sleep(4 * LOOK)
    assert not said(here, "DIES")
    note(here, "backoff 4 7\n")
    here.hears("module DIES AGAIN AND AGAIN: 3 times, the last with 7", 20)
    here.hears("module: nothing to live for")
    note(here, "backoff 5 7\n")
    time.sleep(4 * LOOK)
    assert said(here, "DIES") == 1, "not at every death"
    note(here, "backoff 12 7\n")
    here.hears("11 times", 20)


def test_what_a_container_writes_there_is_not_followed(here: World) -> None:
    here.plan("run module always", "run other always")
    here.start()
    here.hears("started module")
    (here.inside / "run/elsewhere").write_text("backoff 9 9\n")
    (here.inside / "run/modulux.state").symlink_to("/run/elsewhere")
    time.sleep(4 * LOOK)
    assert not said(here, "DIES")
    assert here.ask("status")[-1] == "ok"


def test_who_is_refused_processes_or_loses_them_for_want_of_memory_is_said_once(here: World) -> None:
    group = here.folder / "machine/groups/storm"
    group.mkdir(parents=True)
    (group / "pids.events").write_text("max 0\n")
    (group / "memory.events").write_text("low 0\nmax 17\noom 0\noom_kill 0\n")
    here.plan("run storm always")
    here.start()
    here.hears("started storm")
    time.sleep(4 * LOOK)
    assert not said(here, "MORE")
    (group / "pids.events").write_text("max 3012\n")
    (group / "memory.events").write_text("low 0\nmax 17\noom 2\noom_kill 2\n")
    here.hears("storm wants MORE PROCESSES than it may have", 20)
    here.hears("storm wants MORE MEMORY than it may have; 2 of its processes were ended")
    time.sleep(4 * LOOK)
    assert said(here, "MORE PROCESSES") == 1


def test_nobody_waits_for_a_display_without_its_card_nor_for_who_stands_on_it(here: World) -> None:
    here.plan(
        "device xorg /dev/dri",
        "run xorg always",
        "ask xorg false",
        "run session always /run/x0",
        "after session xorg",
        "run web always",
        "later web",
    )
    here.container("xorg", exec=[1])
    here.start()
    here.hears("NO DEVICE in /dev/dri for xorg", 20)
    here.hears("started web", 20)
    assert here.status()["session"][0] == "waiting"


def test_one_that_dies_does_not_keep_it_from_saying_who_is_not_ready(here: World) -> None:
    here.container("loop", lives=0.1, code=3)
    here.plan("run loop always", "run session always /run/x0", "after session loop")
    here.start()
    here.hears("not ready yet:", 120)


def test_a_full_state_is_said_but_not_where_it_has_been_taken_off(here: World) -> None:
    """What is seen in its place then is the system, which has no room and is read-only."""
    here.plan("run one always")
    here.container("one")
    here.start()
    here.hears("planned")

    def there(script: str) -> None:
        subprocess.run(["nsenter", f"--target={here.pid}", "--mount", "--root", "sh", "-c", script], check=True)

    there("mkdir /run/full; mount -t tmpfs -o size=64k full /run/full; dd if=/dev/urandom of=/run/full/all 2>/dev/null; :")
    there("mount -o remount,ro /run/full && mount --bind /run/full /state")
    time.sleep(4 * LOOK)
    assert not any("state: FULL" in line for line in here.console())
    there("umount /state && mount -o remount,rw /run/full && mount --bind /run/full /state")
    here.hears("state: FULL, 0 of 0 MB are left")
