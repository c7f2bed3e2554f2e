"""What is asked of the host before a machine is booted in QEMU: sound, a window, packages, and whether KVM works."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import pytest
from tests.support.cli import Cli

from modulux.errors import HostError
from modulux.host import packages
from modulux.host.packages import emulator_needs
from modulux.machine import emulator, offers
from modulux.machine.emulator import ARRIVED, Machine, accelerator
from modulux.machine.offers import lacking, offered, refuse_window, speakers

PLAIN = {
    "audiodev": "Available audio drivers:\nnone\nalsa\nspice\nwav",
    "display": "Available display backend types:\nnone\ncurses",
}
WHOLE = {
    "audiodev": f"{PLAIN['audiodev']}\npa\npipewire",
    "display": f"{PLAIN['display']}\ngtk\n\nSome display backends support suboptions",
}
Fake = Callable[[str], None]


@pytest.fixture
def fake(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Fake:
    """A program in QEMU's place, a shell script."""
    monkeypatch.setenv("PATH", f"{tmp_path / 'bin'}:{os.environ['PATH']}")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))

    def write(script: str) -> None:
        program = tmp_path / "bin" / emulator.PROGRAM
        program.parent.mkdir(exist_ok=True)
        program.write_text(f'#!/bin/sh\necho "$*" >>{tmp_path}/asked\n{script}\n')
        program.chmod(0o755)

    return write


def helpful(says: dict[str, str]) -> str:
    """A QEMU that names what it has, and complains of what it has not."""
    cases = "".join(f"-{kind}) echo '{text}' ;;\n" for kind, text in says.items())
    return f"echo 'module audio-pa not found' >&2\ncase $1 in\n{cases}esac"


def server(folder: Path, *sockets: str) -> dict[str, str]:
    for socket in sockets:
        (folder / socket).parent.mkdir(exist_ok=True)
        (folder / socket).touch()
    return {"XDG_RUNTIME_DIR": str(folder)}


def test_sound_goes_where_qemu_has_a_way(fake: Fake, tmp_path: Path) -> None:
    fake(helpful(WHOLE))
    assert speakers({}) == ("none", None)
    assert speakers(server(tmp_path, "pipewire-0")) == ("pipewire", None)
    assert speakers(server(tmp_path, "pipewire-0", "pulse/native")) == ("pa", None)


def test_a_qemu_without_a_way_plays_to_nobody_and_how_it_could_is_told(fake: Fake, tmp_path: Path) -> None:
    fake(helpful(PLAIN))
    driver, told = speakers(server(tmp_path, "pulse/native"))
    assert driver == "none"
    assert "apt install qemu-system-gui" in (told or "")
    assert "\n" not in (told or "")
    fake("exit 1")
    assert speakers(server(tmp_path, "pulse/native"))[0] == "none"
    assert speakers({}) == ("none", None)


def test_the_machine_is_given_that_driver_or_a_file(tmp_path: Path) -> None:
    machine = Machine(tmp_path, tmp_path, None, 2**30, speakers="pa")
    assert "pa,id=sound" in machine.argv()
    recorded = Machine(tmp_path, tmp_path, None, 2**30, speakers="pa", sound=tmp_path / "s.wav").argv()
    assert f"wav,id=sound,path={tmp_path}/s.wav" in recorded
    assert "pa,id=sound" not in recorded
    assert "none,id=sound" in Machine(tmp_path, tmp_path, None, 2**30).argv()


def test_what_this_hosts_qemu_has_is_read() -> None:
    if not packages.find_program(emulator.PROGRAM):
        pytest.skip("no QEMU")
    assert {"none", "wav"} <= offered("audiodev")
    assert "none" in offered("display")


def test_a_window_has_a_package_of_its_own(fake: Fake) -> None:
    fake(helpful(PLAIN))
    assert lacking() == []
    assert [need.package for need in lacking(window=True)] == ["qemu-system-gui"]
    with pytest.raises(HostError, match="no desktop here"):
        refuse_window({})
    with pytest.raises(HostError, match="no windows") as raised:
        refuse_window({"DISPLAY": ":0"})
    assert "qemu-system-gui" in (raised.value.hint or "")
    fake(helpful(WHOLE))
    assert lacking(window=True) == []
    refuse_window({"WAYLAND_DISPLAY": "wayland-0"})


def test_packages_are_named_by_what_is_wanted(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(packages, "find_program", lambda _: None)
    monkeypatch.setattr(offers, "find_program", lambda _: None)
    assert [need.package for need in emulator_needs()] == ["qemu-system-x86"]
    assert [need.package for need in emulator_needs(firmware=True)] == ["qemu-system-x86", "ovmf"]
    assert [need.package for need in lacking()] == ["qemu-system-x86"]
    assert [need.package for need in lacking(window=True)] == ["qemu-system-x86", "qemu-system-gui"]


def test_only_verbs_that_boot_one_ask_for_an_emulator(tmp_path: Path) -> None:
    """On a host whose PATH has no QEMU: `machine run` and `bench` ask for it, what only reads goes on without."""
    if Path("/usr/local/sbin", emulator.PROGRAM).exists():
        pytest.skip("QEMU lies where root's programs are")
    for name in ("sh", "apt-get", "sudo"):
        (tmp_path / name).symlink_to("/bin/true")
    bare = Cli("podman", {"PATH": str(tmp_path), "XDG_RUNTIME_DIR": str(tmp_path), "XDG_CACHE_HOME": str(tmp_path / "c")})
    for words in (["run", "openbox"], ["bench"]):
        refused = bare.run("machine", *words, status=5)
        assert "qemu-system-x86" in refused.stderr
        assert "--yes" in refused.stderr
    assert "ovmf" not in bare.run("machine", "run", "openbox", status=5).stderr
    bare.run("machine", "list")
    assert "qemu" not in bare.run("machine", "stop", "nobody", status=9).stderr
    for words in (["plan", "xfce"], ["modules"], ["machine", "build", "nothing"]):
        assert "qemu-system" not in bare.run(*words, status=None).stderr


@pytest.fixture
def kvm(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A host whose /dev/kvm can be opened, and a kernel to try it with."""
    opened = os.access
    monkeypatch.setattr(os, "access", lambda path, mode: path == "/dev/kvm" or opened(path, mode))
    monkeypatch.setattr(emulator, "TRIED", 5.0)
    kernel = tmp_path / "kernel"
    kernel.write_bytes(b"MZ")
    return kernel


SERIAL = """for word; do case $word in file:*) file=${word#file:} ;; esac; done"""


@pytest.mark.parametrize("words", ARRIVED)
def test_kvm_is_taken_where_a_kernel_gets_to_its_root_file_system(fake: Fake, kvm: Path, tmp_path: Path, words: str) -> None:
    fake(f"{SERIAL}\nsleep 0.3\necho 'Kernel panic - {words}: odd' >$file\nexec sleep 60")
    assert accelerator(kvm) == "kvm"
    asked = (tmp_path / "asked").read_text()
    assert "accel=kvm" in asked
    assert f"-kernel {kvm}" in asked
    assert accelerator(kvm) == "kvm"
    assert (tmp_path / "asked").read_text() == asked, "the answer is kept"


@pytest.mark.parametrize(
    "dies",
    ["exit 1", f"{SERIAL}\necho 'KVM internal error. Suberror: 1' >$file", "echo 'failed to initialize kvm' >&2; exit 1"],
)
def test_kvm_that_opens_and_dies_is_not_taken(fake: Fake, kvm: Path, tmp_path: Path, dies: str) -> None:
    fake(dies)
    assert accelerator(kvm) == "tcg"
    assert len((tmp_path / "asked").read_text().splitlines()) == 1
    assert accelerator(kvm) == "tcg"
    assert len((tmp_path / "asked").read_text().splitlines()) == 1, "the answer is kept"
    kvm.write_bytes(b"MZ, another kernel")
    fake(f"{SERIAL}\necho '{ARRIVED[0]}' >$file")
    assert accelerator(kvm) == "kvm", "each kernel is tried"


def test_kvm_under_which_a_kernel_says_nothing_is_given_up(fake: Fake, kvm: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(emulator, "TRIED", 0.5)
    fake("exec sleep 60")
    assert accelerator(kvm) == "tcg"


def test_without_kvm_nothing_is_tried(fake: Fake, kvm: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "access", lambda *_: False)
    fake("exit 1")
    assert accelerator(kvm) == "tcg"
    assert not (tmp_path / "asked").exists()
