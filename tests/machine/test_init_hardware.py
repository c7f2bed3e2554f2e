"""What is plugged in, as PID 1 sees it: sticks by the kernel's folders, which here are files, and requests to mount them. Nothing is mounted."""

from __future__ import annotations

import socket
import stat
from pathlib import Path

import pytest
from tests.support.pid1 import World

DOOR = "run/machine/asks/media/socket"
FOLDER = "/run/machine/volumes/media"


def block(here: World, name: str, where: str, number: str, partition: str | None = None) -> None:
    """A disk or a partition, as /sys shows it."""
    device = here.folder / "sys/devices" / where
    device.mkdir(parents=True)
    (device / "dev").write_text(f"{number}\n")
    if partition:
        (device / "partition").write_text(f"{partition}\n")
    link = here.folder / "sys/class/block" / name
    link.parent.mkdir(parents=True, exist_ok=True)
    link.symlink_to(Path("../../devices") / where)


@pytest.fixture
def plugged(here: World) -> World:
    block(here, "sdx", "pci0/usb1/1-1/block/sdx", "240:0")
    block(here, "sdx1", "pci0/usb1/1-1/block/sdx/sdx1", "240:1", "1")
    block(here, "sdy", "pci0/ata1/block/sdy", "240:16")
    (here.folder / "run").mkdir(exist_ok=True)
    here.plan(f"volume {FOLDER} media /media", "run media always", f"sticks media {FOLDER}")
    here.start()
    here.hears("desktop ready")
    return here


def asked(here: World, *words: str) -> str:
    with socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET) as line:
        line.settimeout(20)
        line.connect(str(here.inside / DOOR))
        line.send("\t".join(words).encode())
        return line.recv(256).decode()


def test_what_came_by_usb_may_be_read_by_its_user_and_nothing_else_may(plugged: World) -> None:
    folder = plugged.inside / "dev/sticks"
    assert sorted(p.name for p in folder.iterdir()) == ["sdx", "sdx1"]
    facts = (folder / "sdx1").stat()
    assert stat.S_ISBLK(facts.st_mode)
    assert stat.S_IMODE(facts.st_mode) == 0o400
    assert facts.st_uid == 1000


@pytest.mark.parametrize(
    ("words", "answer"),
    [
        (("mount", "sdy", "vfat", "read-write", "A"), "error there is no such stick to mount"),
        (("mount", "../sda", "vfat", "read-write", "A"), "error there is no such stick to mount"),
        (("mount", "sdx1", "vfat", "read-write", "../A"), "error not a name"),
        (("mount", "sdx1", "vfat", "read-write", ".A"), "error not a name"),
        (("mount", "sdx1", "vfat", "read-write", "A" * 40), "error not a name"),
        (("mount", "sdx1", "proc", "read-write", "A"), "error it cannot be done"),
        (("mount", "sdx1", "vfat", "read-write", "A"), "error it cannot be done"),  # there is no such device
        (("mount", "sdx1", "vfat"), "error not understood"),
        (("eject", "sdx1"), "error no such stick is mounted"),
        (("unmount", "sdx1", "vfat", "read-write", "A"), "error not understood"),
    ],
)
def test_requests_are_checked_word_by_word(plugged: World, words: tuple[str, ...], answer: str) -> None:
    assert asked(plugged, *words) == answer
    assert not list((plugged.inside / FOLDER.lstrip("/")).iterdir())
    assert plugged.ask("eject", "A")[-1] == "error no memory stick A is mounted"


def test_who_may_ask_can_be_started_again(plugged: World) -> None:
    with socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET) as old:
        old.connect(str(plugged.inside / DOOR))
        assert asked(plugged, "dance") == "error not understood"
        old.settimeout(20)
        assert old.recv(16) == b"", "the one before has lost his place"


def test_who_tells_of_devices_is_given_a_socket_and_nothing_else(here: World) -> None:
    here.plan("run udev always", "run other always", "news udev space")
    here.start()
    here.hears("desktop ready")
    for _ in range(2):  # he may have been started again
        with socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET) as door:
            door.settimeout(20)
            door.connect(str(here.inside / "run/machine/asks/udev/socket"))
            door.send(b"mount\tsdx1\tvfat\tread-write\tA")
            assert door.recv(64) == b"error not understood"
            door.send(b"news")
            said, ends, _, _ = socket.recv_fds(door, 64, 4)
        assert said == b"ok"
        with socket.socket(fileno=ends[0]) as end:
            assert (end.family, end.getsockname()[1], end.getpeername()[1]) == (socket.AF_NETLINK, 4, 2)
        assert len(ends) == 1
    assert not (here.inside / "run/machine/asks/other").exists()
    assert (here.inside / "run/machine/net/space").exists()
    assert not [line for line in here.console() if "network namespace" in line or "no news" in line]
