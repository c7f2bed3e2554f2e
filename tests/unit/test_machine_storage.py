"""Which disk of a machine may have what it keeps, and how it is asked for."""

from __future__ import annotations

from pathlib import Path

import pytest

from modulux.errors import NotFoundError, StorageError
from modulux.machine import storage as module
from modulux.machine.emulator import Machine, serial
from modulux.machine.storage import Move, look, plan, read, request

GB = 1000**3
ANSWER = [
    f"state\tvda6\t{4 * GB}\t{GB}\t{2 * GB}",
    f"disk\tvda\t{8 * GB}\tSYSTEM\t-\tpartitions\tstate",
    f"disk\tvdb\t{64 * GB}\tLARGE\t-\tnothing\tfree",
    f"disk\tsda\t{64 * GB}\tnaa.5000\tQEMU HARDDISK   \text4\tfree",
    f"disk\tsdb\t{2 * GB}\t-\t-\tnothing\tfree",
    f"disk\tsdc\t{64 * GB}\tSTICK\t-\tnothing\tremovable",
    f"disk\tsdd\t{64 * GB}\tMOUNTED\t-\text4\tbusy",
    f"disk\tsde\t{64 * GB}\tTWIN\t-\tnothing\tfree",
    f"disk\tsdf\t{64 * GB}\tTWIN\t-\tnothing\tfree",
]


def test_what_pid_1_says_is_read() -> None:
    there = read([*ANSWER, "wanted\tvdb\tblank", "refused\tit is too small", "old\tvdc"])
    assert (there.state.device, there.state.size, there.state.used) == ("vda6", 4 * GB, GB)
    assert (there.wanted, there.refused, there.old) == ("vdb", "it is too small", "vdc")
    assert not there.back
    assert read([*ANSWER, "old\tvdc", "wanted\tvdc\tback"]).back
    told = there.to_json()
    assert told["state"]["device"] == "/dev/vda6"
    assert told["disks"][2] == {
        "device": "/dev/sda",
        "size": 64 * GB,
        "id": "naa.5000",
        "model": "QEMU HARDDISK",
        "holds": "ext4",
        "use": "free",
    }
    assert told["disks"][3]["id"] is None
    assert read(["state\t-\t5\t1\t4"]).to_json()["state"]["file_system"] == "tmpfs"


@pytest.mark.parametrize("word", ["vdb", "/dev/vdb", "LARGE"])
def test_a_disk_is_meant_by_its_name_its_device_or_what_it_calls_itself(word: str) -> None:
    move = plan(read(ANSWER), word, erase=None)
    assert move.words == ("move", "vdb", "LARGE", str(64 * GB), "blank")


@pytest.mark.parametrize(
    ("word", "why", "hint"),
    [
        ("vda", "has the state already", None),
        ("sda", "holds ext4, which would be erased", "--erase sda"),
        ("sdb", "too small: 2000 of 4000 MB", "at least as large"),
        ("sdc", "can be pulled out", "built in"),
        ("sdd", "is in use", "another disk"),
        ("TWIN", "several disks", "one of /dev/vda"),
    ],
)
def test_what_cannot_have_it_is_refused_with_why(word: str, why: str, hint: str | None) -> None:
    with pytest.raises(StorageError, match=why) as raised:
        plan(read(ANSWER), word, erase=None)
    assert raised.value.hint == hint or (hint and hint in (raised.value.hint or ""))


def test_only_the_very_disk_that_is_named_twice_is_erased() -> None:
    assert plan(read(ANSWER), "sda", erase="naa.5000").words[-1] == "erase"
    assert plan(read(ANSWER), "vdb", erase="vdb").words[-1] == "blank"
    with pytest.raises(StorageError, match="holds ext4"):
        plan(read(ANSWER), "sda", erase="vdb")
    with pytest.raises(StorageError, match="is in use"):
        plan(read(ANSWER), "sdd", erase="sdd")


def test_those_there_are_are_named() -> None:
    with pytest.raises(NotFoundError) as raised:
        plan(read(ANSWER), "nvme0n1", erase=None)
    assert raised.value.hint is not None
    assert raised.value.hint.startswith("there are: /dev/vda, /dev/vdb")


def test_a_state_in_memory_is_not_moved() -> None:
    with pytest.raises(StorageError, match="in memory"):
        plan(read(["state\t-\t5\t1\t4", *ANSWER[1:]]), "vdb", erase=None)


def test_it_is_asked_for_in_words_of_pid_1(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    asked: list[tuple[str, ...]] = []

    def ask(control: Path, *words: str, timeout: float = 60.0) -> list[str]:
        asked.append(words)
        return ANSWER

    monkeypatch.setattr(module, "ask", ask)
    disk = look(tmp_path).disks[3]
    request(tmp_path, Move(disk, erase=False))
    module.take_back(tmp_path)
    module.forget_old(tmp_path)
    assert asked == [("disks",), ("move", "sdb", "-", str(2 * GB), "blank"), ("stay",), ("forget",)]


def test_a_further_disk_is_called_by_its_file(tmp_path: Path) -> None:
    file = tmp_path / "my big disk of much room.img"
    assert serial(file) == "my-big-disk-of-much-"
    argv = Machine(tmp_path, tmp_path / "s", None, 2**29, disk=tmp_path / "d.img", more=[file]).argv()
    assert argv[argv.index(f"file={file},format=raw,if=none,id=more0,discard=unmap") + 2].endswith(
        f"serial={serial(file)},addr=0x18"
    )
    drives = [word for word in argv if word.startswith("virtio-blk-pci")]
    assert [word.split("drive=")[1].split(",")[0] for word in drives] == ["disk", "more0"]  # it starts from the first
