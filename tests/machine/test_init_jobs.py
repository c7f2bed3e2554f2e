"""PID 1 starts containers when they can be, again when they die, and ends them in order."""

from __future__ import annotations

import contextlib
import os
import signal
import time
from itertools import pairwise

from tests.support.pid1 import GRACE, World, order

SOCKET = "/run/machine/volumes/x11/X0"


def test_who_needs_a_socket_is_started_once_it_takes_connections(here: World) -> None:
    here.container("display", before=0.6, listens=[SOCKET])
    here.plan(f"run panel always {SOCKET}", "run display always", "run other always")
    here.start()
    here.hears("started panel")
    up = next(n.at for n in here.noted("up") if n.name == "display")
    runs = {n.name: n.at for n in here.noted("run")}
    assert runs["panel"] > up
    assert runs["other"] < up


def test_those_that_need_nobody_are_started_beside_each_other(here: World) -> None:
    names = [f"c{i}" for i in range(8)]
    for name in names:
        here.container(name, startup=1.0)
    here.plan(*[f"run {name} always" for name in names])
    here.start()
    here.wait(lambda: len(here.noted("up")) == 8)
    last = max(n.at for n in here.noted("run"))
    assert sum(n.at < last for n in here.noted("up")) < 7  # of one after the other, seven would be up before the last begins


def test_the_runtime_is_told_where_all_is_and_writes_down_whose_process_it_is(here: World) -> None:
    here.plan("run one always")
    here.start()
    here.hears("started one")
    words = here.noted("run")[0].words
    assert words == ["run", "--detach", "--pid-file", "/run/machine/pids/one", "--bundle", "/run/machine/bundles/one", "one"]
    assert here.status()["one"][:3] == ["running", "ready", "1"]


def test_who_dies_is_started_again_later_each_time_and_the_console_shows_why(here: World) -> None:
    here.container("bad", lives=0.05, code=3, says=["first words", "last words"])
    here.container("good")
    here.plan("run bad always", "run good always")
    here.start()
    here.wait(lambda: len([n for n in here.noted("run") if n.name == "bad"]) >= 4, 15)
    at = [n.at for n in here.noted("run") if n.name == "bad"]
    gaps = [later - earlier for earlier, later in pairwise(at)]
    assert gaps[0] >= 0.5
    assert gaps[1] >= 1.0
    assert gaps[2] >= 2.0
    assert any("bad ended with 3" in line and "again in" in line for line in here.console())
    assert any("bad: last words" in line for line in here.console())
    assert here.status()["good"][0] == "running"


def test_one_that_the_runtime_cannot_start_is_said_and_tried_again(here: World) -> None:
    here.container("broken", broken="no such root")
    here.plan("run broken always")
    here.start()
    here.hears("broken cannot be started")
    here.hears("broken: no such root")
    here.wait(lambda: len(here.noted("run")) >= 2)


def test_a_process_that_ended_before_its_number_was_known_is_seen(here: World) -> None:
    here.container("short", lives=0, code=5)
    here.plan("run short never")
    here.start()
    here.hears("short ended with 5")
    here.wait(lambda: here.status()["short"][0] == "ended")


def test_the_policy_of_the_contract(here: World) -> None:
    here.container("done", lives=0.05, code=0)
    here.container("failed", lives=0.05, code=1)
    here.container("once", lives=0.05, code=1)
    here.plan("run done on-failure", "run failed on-failure", "run once never", "run stays always")
    here.start()
    here.wait(lambda: order(here.noted("run")).count("failed") >= 2)
    here.hears("done ended with 0")
    here.hears("once ended with 1")
    time.sleep(1)
    assert order(here.noted("run")).count("done") == 1
    assert order(here.noted("run")).count("once") == 1


def test_what_is_needed_is_ended_last_and_who_does_not_end_is_killed(here: World) -> None:
    here.container("display", listens=[SOCKET])
    here.container("session", ending=0.3)
    here.container("deaf", deaf=True)
    here.plan(
        "run display always", f"run session always {SOCKET}", "run deaf always", "after session display", "after deaf session"
    )
    here.start()
    here.hears("desktop ready")
    began = time.monotonic()
    here.power_off()
    assert time.monotonic() - began >= GRACE
    said = [line for line in here.console() if line.startswith("stopped") or "killed" in line]
    assert said == ["deaf does not end, it is killed", "stopped deaf", "stopped session", "stopped display"]
    assert here.console()[-1] == "off"


def test_signals_mean_what_they_mean_elsewhere(here: World) -> None:
    here.plan("run one always")
    here.start()
    here.hears("desktop ready")
    os.kill(here.pid, signal.SIGINT)
    assert here.process is not None
    here.process.wait(15)
    assert any("Ctrl-Alt-Del" in line for line in here.console())


def test_orphans_without_number_are_buried_and_do_not_keep_it_from_its_work(here: World) -> None:
    here.container("storm", storm=1500, lives=2, code=0)
    here.plan("run storm always", "run calm always")
    here.start()
    here.hears("ready calm")
    for _ in range(20):
        assert here.ask("status")[-1] == "ok"
        time.sleep(0.05)
    here.hears("storm ended with 0", 120)
    here.wait(lambda: unburied(here) < 5, 120)


def unburied(here: World) -> int:
    """How many that have ended nobody has taken note of."""
    count = 0
    for process in (here.inside / "proc").iterdir():
        with contextlib.suppress(OSError):  # it is none, or buried meanwhile
            count += ") Z " in (process / "stat").read_text()
    return count


def test_ready_is_said_once_all_are_by_their_own_words(here: World) -> None:
    here.container("display", before=0.5, listens=[SOCKET])
    here.container("session", exec=[1, 0])
    here.plan(
        "run display always",
        "run session always",
        f"ready display {SOCKET}",
        "ask session /usr/lib/modulux/ready 0 window=Panel",
    )
    here.start()
    here.hears("desktop ready", 20)
    said = here.console()
    assert said.index("ready display") < said.index("desktop ready")
    assert said.index("ready session") < said.index("desktop ready")
    asked = here.noted("exec")
    assert asked[0].words == ["exec", "--user", "1000:1000", "session", "/usr/lib/modulux/ready", "0", "window=Panel"]
    assert (here.inside / "run/machine/ready").read_text() == "yes\n"
    assert here.status()["machine"][0] == "ready"


def test_who_is_to_be_seen_is_looked_at_where_its_screen_is_once_it_says_yes(here: World) -> None:
    here.container("display", exec=[1, 0])
    here.container("session", exec=[1, 0])
    here.plan(
        "run display always",
        "run session always",
        "ask session true",
        "look session display /looks 0,0,9,9,60",
        "run app always",
        "later app",
    )
    here.start()
    here.hears("desktop ready", 20)
    asked = [n.words[3:] for n in here.noted("exec")]
    assert asked == [["session", "true"]] * 2 + [["display", "/looks", "0,0,9,9,60"]] * 2
    said = here.console()
    assert said.index("ready session") < said.index("started app")


def test_one_at_a_time_is_asked_once_all_have_been_started(here: World) -> None:
    names = ["a", "b", "c"]
    here.container("a", startup=0.8)
    here.plan(*[f"run {n} always" for n in names], *[f"ask {n} true" for n in names])
    here.start()
    here.hears("desktop ready")
    every = here.noted()
    last_run = max(i for i, n in enumerate(every) if n.what == "run")
    assert min(i for i, n in enumerate(every) if n.what == "exec") > last_run
