"""What PID 1 makes for containers, what it keeps of their words, and what it answers."""

from __future__ import annotations

import os
import socket
import time
from pathlib import Path

from tests.support.pid1 import PATIENCE, World


def test_without_a_plan_it_says_so_and_can_be_switched_off(here: World) -> None:
    here.start()
    here.hears("no boot plan")
    here.hears("NOTHING WILL BE KEPT")
    assert here.ask("status")[-1] == "ok"
    here.power_off()


def test_lines_that_it_does_not_know_are_said_and_the_rest_is_done(here: World) -> None:
    here.plan("# a note", "nonsense a b", "run one", "run two always", "host office")
    here.start()
    here.hears("started two")
    assert any("line 2 of the boot plan is not understood: nonsense" in line for line in here.console())
    assert any("line 3" in line for line in here.console())
    assert (here.inside / "proc/sys/kernel/hostname").exists()


def test_commands_by_its_socket(here: World) -> None:
    here.container("one", exec=[0, 7])
    here.plan("run one always", "run two always")
    here.start()
    here.hears("desktop ready")
    door = here.inside / "run/machine/control"
    assert door.stat().st_mode & 0o777 == 0o600
    assert here.ask("act", "one", "echo", "a b", "c")[0].endswith("echo a b c")
    assert here.ask("act", "one", "false")[-1] == "error it ended with 7"
    assert here.ask("stop", "one") == ["ok"]
    here.hears("stopped one")
    here.wait(lambda: here.status()["one"][0] == "ended")
    assert here.ask("act", "one", "true")[-1] == "error one does not run"
    assert here.ask("start", "one") == ["ok"]
    here.wait(lambda: here.status()["one"][:3] == ["running", "ready", "2"])
    assert here.ask("restart one") == ["ok"]
    here.wait(lambda: here.status()["one"][:3] == ["running", "ready", "3"])
    assert here.ask("restart", "nobody") == ["error there is no container nobody"]
    assert here.ask("dance") == ["error unknown: dance"]
    assert here.ask("poweroff") == ["ok"]
    assert here.process is not None
    here.process.wait(15)


def test_a_container_that_commands_has_a_socket_of_its_own(here: World) -> None:
    """It is obeyed as root is; the folder is all that is mounted into it, and who keeps data is obeyed no more than before."""
    here.plan("run ssh always", "run keeper always", "control ssh", "custody keeper")
    here.start()
    here.hears("desktop ready")
    own, other = here.inside / "run/machine/commands/ssh/control", here.inside / "run/machine/keeping/control"
    for door in (own, other):
        facts = door.stat()
        assert (facts.st_mode & 0o777, facts.st_uid, facts.st_gid) == (0o600, 1000, 1000)
    assert [p.name for p in own.parents[1].iterdir()] == ["ssh"]
    assert (here.inside / "run/machine/control").stat().st_uid == 0
    assert said_at(other, "processes") == "error not by this socket: processes\n"
    assert said_at(own, "still keeper") == "error unknown: still\n"
    assert said_at(own, "processes").endswith("\nok\n")
    assert said_at(own, "poweroff") == "ok\n"
    assert here.process is not None
    here.process.wait(15)


def said_at(door: Path, command: str) -> str:
    """The answer, up to its last line."""
    with socket.socket(socket.AF_UNIX) as port:
        port.settimeout(10)
        port.connect(str(door))
        port.sendall(f"{command}\n".encode())
        said = ""
        while not said.endswith("ok\n") and "error" not in said:
            said += port.recv(1 << 16).decode()
    return said


def test_an_answer_has_its_end_when_it_fills_all_there_is_between(here: World) -> None:
    """As much as fits is said, and nothing of it read yet, when the command ends."""
    here.container("one", exec=[0, 7], fills=True)
    here.plan("run one always")
    here.start()
    here.hears("desktop ready")
    for said in (b"@ok\n", b"@error it ended with 7\n"):
        with socket.socket(socket.AF_UNIX) as port:
            port.settimeout(10)
            port.connect(str(here.inside / "run/machine/control"))
            port.sendall(b"end=@\tact\tone\ttrue\nstatus\n")
            time.sleep(1)
            answer = b""
            while not answer.endswith(b"\nok\n"):
                answer += port.recv(1 << 16)
        lines = answer.splitlines(keepends=True)
        assert lines.count(b"x" * 1023 + b"\n") > 50
        assert said in lines
        assert lines.index(said) < len(lines) - 2, "what was asked next is answered next"


def test_what_a_container_says_is_kept_but_not_without_end(here: World) -> None:
    here.container("loud", says=[f"{i:07d} " + "x" * 990 for i in range(2000)])
    here.plan("run loud always")
    here.start()
    here.wait(lambda: any(n.name == "loud" for n in here.noted("up")), 20)
    folder = here.inside / "run/machine/log"
    here.wait(lambda: "0001999" in (folder / "loud.log").read_text())
    sizes = [p.stat().st_size for p in folder.iterdir()]
    assert sorted(p.name for p in folder.iterdir()) == ["loud.log", "loud.log.1"]
    assert max(sizes) <= 256 * 1024
    assert here.ask("log", "loud")[-2].startswith("0001999 ")


def test_a_volume_begins_as_the_image_has_it(here: World) -> None:
    model = here.folder / "machine/run/machine/bundles/one/rootfs/home/user"
    (model / "Documents").mkdir(parents=True)
    (model / "Documents/note").write_text("kept")
    (model / "link").symlink_to("Documents/note")
    os.chown(model, 1000, 1000)
    model.chmod(0o700)
    (model / "Documents/note").chmod(0o640)
    here.plan(
        "volume /run/machine/volumes/home one /home/user", "volume /run/machine/volumes/other one /nowhere", "run one always"
    )
    here.start()
    here.hears("started one")
    made = here.inside / "run/machine/volumes"
    facts = (made / "home").stat()
    assert (facts.st_uid, facts.st_gid, facts.st_mode & 0o7777) == (1000, 1000, 0o700)
    assert (made / "home/Documents/note").read_text() == "kept"
    assert (made / "home/Documents/note").stat().st_mode & 0o777 == 0o640
    assert (made / "home/link").readlink() == Path("Documents/note")
    assert (made / "other").stat().st_uid == 1000


def test_an_ipc_namespace_is_held_for_each_that_has_one(here: World) -> None:
    here.plan("ipc one 1048576", "ipc two 1048576", "run one always")
    here.start()
    here.hears("started one")
    held = [(here.inside / f"run/machine/ipc/{name}").stat().st_ino for name in ("one", "two")]
    own = Path(f"/proc/{here.pid}/ns/ipc").stat().st_ino
    assert len({*held, own}) == 3
    assert (here.inside / "run/machine/shm/one").stat().st_mode & 0o7777 == 0o1777


def test_devices_that_are_declared_are_given_and_missing_ones_not_waited_for_for_ever(here: World) -> None:
    sound = here.folder / "machine/devices/snd"
    sound.mkdir(parents=True)
    (sound / "controlC0").touch()
    here.plan(
        "device audio /dev/snd",
        "device display /dev/dri",
        "settled known",
        "run audio always",
        "run display always",
        "run known always",
    )
    here.start()
    here.hears("started display")
    began = {n.name: n.at for n in here.noted("run")}
    assert began["display"] - began["audio"] > PATIENCE / 2
    assert "NO DEVICE in /dev/dri for display, which is started without" in here.console()
    given = (here.inside / "dev/snd/controlC0").stat()
    assert (given.st_uid, given.st_gid, given.st_mode & 0o777) == (1000, 1000, 0o660)
    assert (here.inside / "dev/dri").is_dir()


def test_what_the_kernel_lacks_is_named_with_who_needs_it(here: World) -> None:
    here.plan("run one always")
    text = "needs\t/nothing\t-\ta card\tdisplay/xorg\nneeds\t/proc/filesystems\tproc\tfiles\tall\nneeds\t/proc/filesystems\tpro\tmore\tall\n"
    with (here.folder / "etc/machine/boot").open("a") as file:
        file.write(text)
    here.start()
    here.hears("MISSING: a card (/nothing), which display/xorg needs")
    here.hears("MISSING: more (/proc/filesystems), which all needs")
    assert not any("MISSING: files" in line for line in here.console())


def test_it_rests_when_nothing_happens(here: World) -> None:
    here.plan("run one always", "run two always", "run never-there always /run/nobody", "link modulux.rfb /run/nobody")
    here.start()
    here.hears("started two")

    def ticks() -> int:
        words = Path(f"/proc/{here.pid}/stat").read_text().rpartition(") ")[2].split()
        return int(words[11]) + int(words[12])

    time.sleep(1)
    before = ticks()
    time.sleep(3)
    assert ticks() - before < 30  # hundredths of a second
