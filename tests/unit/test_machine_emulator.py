"""What QEMU is started with: a kernel directly, or a disk by its firmware."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from modulux.errors import HostError
from modulux.machine import firmware
from modulux.machine.emulator import Machine

ROOT = f"10:{'a' * 64}"


@pytest.fixture
def built(tmp_path: Path) -> Path:
    (tmp_path / "machine.json").write_text(json.dumps({"verity": {"system": ROOT, "store": ROOT}}))
    return tmp_path


@pytest.fixture
def ovmf(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    code, variables = tmp_path / "CODE.fd", tmp_path / "VARS.fd"
    code.write_bytes(b"code")
    variables.write_bytes(b"variables")
    monkeypatch.setattr(firmware, "FILES", ((str(tmp_path / "none"), str(variables)), (str(code), str(variables))))
    return code


def test_a_kernel_that_is_started_directly_checks_what_it_reads(built: Path) -> None:
    argv = Machine(built, built / "s", built / "state.img", 512 * 1024**2).argv()
    words = argv[argv.index("-append") + 1].split()
    assert f"modulux.system.verity={ROOT}" in words
    assert f"modulux.store.verity={ROOT}" in words
    assert "modulux.state=/dev/vdc" in words
    assert "-no-reboot" in argv


def test_a_disk_is_started_by_firmware_and_may_start_anew(built: Path, ovmf: Path) -> None:
    disk, kept = built / "disk.img", built / "own/variables.fd"
    argv = Machine(built, built / "s", None, 512 * 1024**2, disk=disk, variables=firmware.variables(kept)).argv()
    assert not {"-kernel", "-append", "-no-reboot"} & set(argv)
    drives = [argv[i + 1] for i, word in enumerate(argv) if word == "-drive"]
    assert any(f"file={ovmf}" in d and "readonly=on" in d for d in drives)
    assert any(f"file={kept}" in d and "readonly" not in d for d in drives)
    assert any(f"file={disk}" in d and "snapshot" not in d for d in drives)


def test_a_cd_is_started_before_the_disk_beside_it(built: Path, ovmf: Path) -> None:
    more = {"iso": built / "m.iso", "disk": built / "disk.img", "variables": firmware.variables(built / "own/variables.fd")}
    argv = Machine(built, built / "s", None, 512 * 1024**2, **more).argv()  # type: ignore[arg-type]
    drives = [argv[i + 1] for i, word in enumerate(argv) if word == "-drive"]
    assert any(f"file={built / 'm.iso'}" in d and "media=cdrom" in d and "readonly=on" in d for d in drives)
    assert "scsi-cd,drive=cd,bootindex=0" in argv
    assert "virtio-blk-pci,drive=disk,bootindex=1" in argv
    assert "-append" not in argv


def test_the_serial_line_is_kept_and_can_be_answered(built: Path) -> None:
    machine = Machine(built, built / "s", None, 512 * 1024**2)
    line = next(word for word in machine.argv() if word.startswith("socket,id=serial"))
    assert f"path={machine.console}," in line
    assert f"logfile={machine.serial}" in line


def test_a_fresh_one_leaves_its_disk_as_it_is(built: Path) -> None:
    (built / "more.img").touch()
    disk, more = built / "disk.img", [built / "more.img"]
    argv = Machine(built, built / "s", None, 512 * 1024**2, disk=disk, more=more, fresh=True).argv()
    for name in ("disk.img", "more.img"):
        assert any(name in word and "snapshot=on" in word for word in argv)


def test_what_the_firmware_remembers_is_kept(built: Path, ovmf: Path) -> None:
    kept = firmware.variables(built / "variables.fd")
    kept.write_bytes(b"changed")
    assert firmware.variables(kept).read_bytes() == b"changed"


def test_without_firmware_the_package_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(firmware, "FILES", ())
    with pytest.raises(HostError) as caught:
        firmware.found()
    assert "ovmf" in (caught.value.hint or "")
