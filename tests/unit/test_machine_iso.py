"""What lies on a medium, and where the kernel is told that it lies."""

from __future__ import annotations

import hashlib
from pathlib import Path

import pytest

from modulux.errors import DamagedError
from modulux.machine.compose import INSTALLERS, plan_machine, with_installer
from modulux.machine.disk import MIB, layout, table
from modulux.machine.iso import LABEL_AT, LABEL_SIZE, Piece, check, index, label, pack, words
from modulux.machine.kernel import Kernel
from modulux.machine.live import drivers
from modulux.machine.profiles import Profile, medium
from modulux.model.desktop import Desktop
from modulux.model.machine import Machine
from modulux.paths import shipped
from modulux.resolve.catalog import Catalog
from modulux.resolve.files import load

RECORD = {
    "name": "office",
    "version": "0123456789abcdef",
    "kernel": "6.12.1-amd64",
    "profile": "virtual",
    "trial": 300,
    "verity": {"store": f"60000:{'b' * 64}", "system": f"1900:{'a' * 64}"},
}
SIZES = {"system": 8 * MIB, "store": 24 * MIB}


def disk_image(folder: Path) -> Path:
    """A disk with a table (its entries alone) and something in its first store."""
    parted, path = layout(SIZES, MIB), folder / "disk.img"
    assert table(parted, "x")
    with path.open("wb") as file:
        file.truncate(parted.size)
        file.seek(512)
        file.write(b"EFI PART")
        file.seek(1024)
        for p in parted.partitions:
            file.write(b"k" * 32 + (p.start // 512).to_bytes(8, "little") + bytes(88))
        file.seek(parted.at("modulux-store-a").start)
        file.write(b"layers" * 200_000)
    return path


def test_a_pack_holds_each_piece_of_a_disk_with_its_digest(tmp_path: Path) -> None:
    image = disk_image(tmp_path)
    pieces = pack(image, tmp_path / "pack", ["machine office"])
    whole, packed = image.read_bytes(), (tmp_path / "pack").read_bytes()
    assert pieces[0].target == 0
    assert pieces[0].source == MIB
    again = bytearray(len(whole))
    for p in pieces:
        assert p.size % MIB == 0
        content = packed[p.source : p.source + p.size]
        assert hashlib.sha256(content).hexdigest() == p.digest
        again[p.target : p.target + p.size] = content
    assert again == whole
    assert len(packed) == MIB + sum(p.size for p in pieces)
    lines = packed[:MIB].decode().split("\n")
    assert lines[0] == "machine office"
    assert lines[1].split() == ["piece", str(MIB), "0", str(MIB), pieces[0].digest]


def test_the_kernel_is_told_where_both_images_lie_and_to_keep_nothing() -> None:
    system, store = Piece(MIB, 5 * MIB, 2 * MIB, ""), Piece(3 * MIB, 9 * MIB, 4 * MIB, "")
    told = words(RECORD, 2048, 7 * MIB, system, store).split()
    name = label(RECORD)
    assert f"modulux.medium={name}:2048:{7 * MIB}" in told
    assert f"modulux.system=MEDIUM={name}:{2048 + MIB}:{2 * MIB}" in told
    assert f"modulux.store=MEDIUM={name}:{2048 + 3 * MIB}:{4 * MIB}" in told
    assert "modulux.state=none" in told
    assert f"modulux.system.verity=1900:{'a' * 64}" in told
    assert not any(word.startswith("modulux.slot=") for word in told), "there are no slots to go back to"


def test_media_of_different_machines_are_told_apart() -> None:
    other = RECORD | {"verity": {"store": f"1:{'c' * 64}", "system": f"1:{'d' * 64}"}}
    assert label(RECORD) != label(other)
    assert len(label(RECORD)) <= LABEL_SIZE


def test_an_index_is_lines() -> None:
    assert index([Piece(1, 2, 3, "d")], ["size 4"]) == "size 4\npiece 1 2 3 d\n"


def test_an_image_that_is_not_what_was_told_of_it_is_found(tmp_path: Path) -> None:
    part, iso = tmp_path / "pack", tmp_path / "iso"
    part.write_bytes(b"p" * 5000)
    made = bytearray(65536)
    made[LABEL_AT : LABEL_AT + LABEL_SIZE] = b"NAME".ljust(LABEL_SIZE)
    made[40960 : 40960 + 5000] = b"p" * 5000
    iso.write_bytes(made)
    check(iso, "NAME", part, 40960)
    with pytest.raises(DamagedError, match="not called OTHER"):
        check(iso, "OTHER", part, 40960)
    with pytest.raises(DamagedError, match="something else"):
        check(iso, "NAME", part, 43008)


def test_drivers_of_media_come_after_those_of_every_start(tmp_path: Path) -> None:
    folder = tmp_path / "6.12.1-amd64"
    for name, needs in {"scsi_mod": "", "sd_mod": "scsi_mod", "cdrom": "", "sr_mod": "cdrom,scsi_mod"}.items():
        path = folder / "kernel" / f"{name}.ko"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(b"\x7fELF\0depends=" + needs.encode() + b"\0")
    found = medium(Kernel(folder), Profile(start=["sd_mod"], medium=["sr_mod", "usb_storage"]))
    assert [p.name for p in found] == ["cdrom.ko", "sr_mod.ko"]
    machine = Machine.model_validate({"name": "office", "desktops": "xfce"})
    assert drivers(machine, Kernel(folder)) == ["scsi_mod", "sd_mod"]


def machine_plan(machine: Machine) -> dict[str, object]:
    catalog = Catalog([shipped("modules")])
    plan = plan_machine(machine, catalog, lambda name: load(shipped("desktops") / f"{name}.yaml", Desktop))
    return {c.name: c for c in plan.containers}


def test_only_the_medium_has_an_installer_and_nothing_else_differs() -> None:
    machine = Machine.model_validate({"name": "office", "desktops": ["xfce", "openbox"], "login": {"password": "none"}})
    plain, live = machine_plan(machine), machine_plan(with_installer(machine))
    assert live.keys() - plain.keys() == {f"modulux.office.{name}" for name in INSTALLERS}
    assert {name: live[name] for name in plain} == plain


@pytest.mark.parametrize(("name", "line"), [(INSTALLERS[0], []), (INSTALLERS[1], ["/dev/ttyS0"])])
def test_an_installer_has_disks_and_where_it_asks_and_no_capability(name: str, line: list[str]) -> None:
    contract = Catalog([shipped("modules")]).module(f"service/{name}").contract
    assert contract.devices == ["/dev/disks", *line]
    assert contract.terminal != bool(line)
    assert contract.capabilities == []
    assert contract.network == "none"
