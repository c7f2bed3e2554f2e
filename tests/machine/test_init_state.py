"""What PID 1 does with the disk that keeps things, whatever it holds."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest
from tests.support.pid1 import World

SIZE = 64 * 1024**2
CAP_SYS_RESOURCE = 24


def do(*argv: str | Path) -> str:
    return subprocess.run([str(a) for a in argv], check=True, capture_output=True, text=True).stdout


def boot(here: World, disk: Path, *lines: str) -> None:
    here.node = disk.name
    here.words = f"modulux.store=none modulux.state={disk}"
    here.plan("version v1", *lines, "run one always")
    here.start()
    here.hears("started one", 30)


def label(disk: Path) -> str:
    return do("e2label", disk).strip()


def files(disk: Path, path: str) -> str:
    return do("debugfs", "-R", f"cat {path}", disk)


def test_a_blank_disk_is_made_into_a_state_once_and_keeps(here: World, disk: Path) -> None:
    boot(here, disk, "volume /state/volumes/home one /nowhere")
    assert any("a file system was made" in line for line in here.console())
    assert not any("in its place" in line for line in here.console()), "nothing was restored"
    (here.inside / "state/volumes/home/letter").write_text("dear")
    assert here.status()["machine"][2] == "kept"
    here.power_off()
    assert label(disk) == "modulux-state"
    assert files(disk, "/.modulux") == "modulux 1\n"
    assert "clean" in do("dumpe2fs", "-h", disk)
    assert "needs_recovery" not in do("dumpe2fs", "-h", disk)
    assert not do("e2fsck", "-fn", disk).count("FIXED")
    said = len(here.console())
    here.start()
    here.wait(lambda: "started one" in here.console()[said:], 30)
    assert not any("state:" in line for line in here.console()[said:])
    assert (here.inside / "state/volumes/home/letter").read_text() == "dear"
    assert (here.inside / "state/log/one.log").exists()
    here.power_off()


def test_one_that_was_being_made_when_the_power_went_is_made_anew(here: World, disk: Path) -> None:
    do("mke2fs", "-q", "-t", "ext4", "-L", "modulux-making", disk)
    boot(here, disk)
    assert any("the power went while" in line for line in here.console())
    here.power_off()
    assert label(disk) == "modulux-state"


def test_one_is_made_anew_of_which_the_last_that_is_written_is_missing(here: World, disk: Path) -> None:
    """mke2fs writes the first superblock once all else is on the disk, which may take a while."""
    boot(here, disk)
    here.power_off()
    with disk.open("r+b") as file:
        file.seek(1024)
        file.write(bytes(1024))
    do("sync")
    assert disk.read_bytes()[:16384].strip(b"\0"), "the table of groups is there"
    said = len(here.console())
    here.start()
    here.wait(lambda: "started one" in here.console()[said:], 30)
    assert any("a file system was made" in line for line in here.console()[said:])
    assert here.status()["machine"][2] == "kept"
    here.power_off()
    assert label(disk) == "modulux-state"


def test_one_that_was_not_unmounted_is_checked_and_used(here: World, disk: Path) -> None:
    boot(here, disk)
    here.power_off()
    do("debugfs", "-w", "-R", "feature needs_recovery", disk)
    said = len(here.console())
    here.start()
    here.wait(lambda: "started one" in here.console()[said:], 30)
    assert here.status()["machine"][2] == "kept"


def test_a_damaged_one_is_mended(here: World, disk: Path) -> None:
    boot(here, disk, "volume /state/volumes/home one /nowhere")
    here.power_off()
    do("debugfs", "-w", "-R", "clri /lost+found", disk)
    do("debugfs", "-w", "-R", "ssv state 2", disk)  # as the kernel notes that it met an error
    said = len(here.console())
    here.start()
    here.wait(lambda: "started one" in here.console()[said:], 30)
    assert any("e2fsck" in line for line in here.console()[said:])
    assert here.status()["machine"][2] == "kept"


def test_one_of_a_newer_system_is_not_touched(here: World, disk: Path, tmp_path: Path) -> None:
    boot(here, disk)
    here.power_off()
    (tmp_path / "mark").write_text("modulux 2\n")
    do("debugfs", "-w", "-R", "rm /.modulux", disk)
    do("debugfs", "-w", "-R", f"write {tmp_path / 'mark'} .modulux", disk)
    do("sync")
    before = disk.read_bytes()
    said = len(here.console())
    here.start()
    here.wait(lambda: "started one" in here.console()[said:], 30)
    assert any("belongs to a newer system" in line and "NOTHING WILL BE KEPT" in line for line in here.console()[said:])
    assert here.status()["machine"][2] == "memory"
    here.power_off()
    assert disk.read_bytes() == before


OTHERS = {
    "text": (0, b"my notes"),
    "btrfs": (0x10040, b"_BHRfS_M"),
    "partitions": (512, b"EFI PART"),
    "raid": (4096, b"\xfc\x4e\x2b\xa9"),
    "bcache": (4120, b"\xc6\x85\x73\xf6\x4e\x1a\x45\xca\x82\x65\xf5\x7f\x48\xba\x6d\x81"),
}


@pytest.mark.parametrize("kind", OTHERS)
def test_what_holds_something_else_is_left_alone(here: World, disk: Path, kind: str) -> None:
    at, what = OTHERS[kind]
    with disk.open("r+b") as file:
        file.seek(at)
        file.write(what)
    before = disk.read_bytes()
    boot(here, disk)
    assert any("holds something else" in line for line in here.console())
    here.power_off()
    assert disk.read_bytes() == before


@pytest.mark.parametrize("name", ["photos", ""])
def test_an_ext4_of_somebody_elses_is_left_alone(here: World, disk: Path, tmp_path: Path, name: str) -> None:
    (tmp_path / "picture").write_text("of a cat")
    do("mke2fs", "-q", "-t", "ext4", "-L", name, disk)
    do("debugfs", "-w", "-R", f"write {tmp_path / 'picture'} picture", disk)
    do("sync")
    before = disk.read_bytes()
    boot(here, disk)
    assert any("holds something else" in line and "NOTHING WILL BE KEPT" in line for line in here.console())
    here.power_off()
    assert disk.read_bytes() == before


@pytest.mark.parametrize("name", ["mine", "modulux-making"])
def test_one_that_says_that_it_is_ours_is_used_whatever_its_label(here: World, disk: Path, name: str) -> None:
    """It may be the label of one that is being made: the other may have lain in the journal when the power went."""
    boot(here, disk, "volume /state/volumes/home one /nowhere")
    (here.inside / "state/volumes/home/letter").write_text("dear")
    here.power_off()
    do("e2label", disk, name)
    said = len(here.console())
    here.start()
    here.wait(lambda: "started one" in here.console()[said:], 30)
    assert (here.inside / "state/volumes/home/letter").read_text() == "dear"
    here.power_off()
    assert label(disk) == "modulux-state"


def may_grow() -> bool:
    """Whether this root may do what the first process of a computer may: in some containers it may not."""
    status = Path("/proc/self/status").read_text()
    return bool(int(status.partition("CapEff:")[2].split()[0], 16) >> CAP_SYS_RESOURCE & 1)


@pytest.mark.skipif(not may_grow(), reason="needs CAP_SYS_RESOURCE")
def test_a_state_grows_with_its_disk(here: World, disk: Path, tmp_path: Path) -> None:
    boot(here, disk)
    here.power_off()
    with (tmp_path / "disk.img").open("r+b") as file:
        file.truncate(2 * SIZE)
    do("losetup", "--set-capacity", disk)
    said = len(here.console())
    here.start()
    here.wait(lambda: any("grown to 128 MB" in line for line in here.console()[said:]), 30)
    here.power_off()
    do("e2fsck", "-fn", disk)


def test_a_full_disk_does_not_stop_the_start(here: World, disk: Path) -> None:
    boot(here, disk, "volume /state/volumes/home one /nowhere")
    home = here.inside / "state/volumes/home"
    fill = ["dd", "if=/dev/zero", "of=full", "bs=64k"]
    subprocess.run(fill, cwd=home, check=False, capture_output=True, user=1000, group=1000)
    here.power_off()
    boot_lines = ("volume /state/volumes/home one /nowhere", "volume /state/volumes/new one /nowhere")
    here.plan("version v1", *boot_lines, "run one always")
    said = len(here.console())
    here.start()
    here.wait(lambda: "started one" in here.console()[said:], 30)
    assert (here.inside / "state/volumes/new").is_dir()
    assert (here.inside / "state/volumes/home/full").stat().st_size > SIZE // 4


def test_a_half_filled_volume_is_filled_anew(here: World, disk: Path, tmp_path: Path) -> None:
    model = here.folder / "machine/run/machine/bundles/one/rootfs/home/user"
    model.mkdir(parents=True)
    (model / "whole").write_text("all of it")
    boot(here, disk)
    here.power_off()
    (tmp_path / "half").write_text("ha")
    for command in ("mkdir /volumes", "mkdir /volumes/home.part", f"write {tmp_path / 'half'} /volumes/home.part/whole"):
        do("debugfs", "-w", "-R", command, disk)
    here.plan("version v1", "volume /state/volumes/home one /home/user", "run one always")
    said = len(here.console())
    here.start()
    here.wait(lambda: "started one" in here.console()[said:], 30)
    assert (here.inside / "state/volumes/home/whole").read_text() == "all of it"
    assert not (here.inside / "state/volumes/home.part").exists()
    assert any("the power went while /state/volumes/home was filled" in line for line in here.console()[said:])


def test_a_disk_that_is_not_there_is_waited_for_and_done_without(here: World) -> None:
    here.words = "modulux.store=none modulux.state=/dev/nowhere"
    here.plan("run one always")
    here.start()
    here.hears("started one", 40)
    assert any("the disk /dev/nowhere is not there" in line for line in here.console())
    assert any("NOTHING WILL BE KEPT" in line for line in here.console())
