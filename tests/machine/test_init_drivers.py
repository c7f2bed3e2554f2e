"""Drivers for what devices call themselves. No module is loaded here: these are none, and what is said of each shows the order."""

from __future__ import annotations

import os
import re
import subprocess
from pathlib import Path

import pytest

NAMES = ["crc", "lib-a", "lib_b", "card", "codec", "other"]
DEPENDS = """kernel/crc.ko:
kernel/lib-a.ko:
kernel/lib_b.ko: kernel/lib-a.ko
kernel/card.ko: kernel/lib_b.ko kernel/lib-a.ko
kernel/codec.ko.xz:
kernel/other.ko:
"""
ALIASES = """# Aliases
alias pci:v00001AF4d00001050sv*sd*bc*sc*i* card
alias snd-hda-codec-id:[0-9]* codec
alias input:b*v*p*e*-e*1,*k*r* other
alias devname:something other
"""


@pytest.fixture
def root(tmp_path: Path, pid1: Path) -> Path:
    folder = tmp_path / "lib/modules" / os.uname().release
    (folder / "kernel").mkdir(parents=True)
    for line in DEPENDS.splitlines():
        (folder / line.partition(":")[0]).write_text("not a module")
    (folder / "modules.dep").write_text(DEPENDS)
    (folder / "modules.alias").write_text(ALIASES)
    (folder / "modules.softdep").write_text("# Soft\nsoftdep lib_b pre: crc post: other\n")
    (tmp_path / "modprobe").write_bytes(pid1.read_bytes())
    (tmp_path / "modprobe").chmod(0o755)
    return tmp_path


def tried(root: Path, name: str) -> list[str]:
    done = subprocess.run(["chroot", str(root), "/modprobe", "-q", "--", name], capture_output=True, text=True, check=False)
    return re.findall(r"kernel/(\S+) cannot be loaded", done.stderr)


def test_what_it_needs_comes_first_and_nothing_twice(root: Path) -> None:
    first = ["lib-a.ko", "lib_b.ko", "card.ko"]
    found = tried(root, "card")
    assert [name for name in found if name != "crc.ko"][-1] == "card.ko"
    assert [found.index(name) for name in first] == sorted(found.index(name) for name in first)


@pytest.mark.parametrize("name", ["pci:v00001AF4d00001050sv00001AF4sd00001100bc03sc80i00", "card"])
def test_a_device_is_found_by_what_it_calls_itself(root: Path, name: str) -> None:
    assert "card.ko" in tried(root, name)


@pytest.mark.parametrize("name", ["lib-b", "lib_b"])
def test_both_ways_to_write_a_name_are_one_and_a_soft_wish_comes_before(root: Path, name: str) -> None:
    found = tried(root, name)
    assert found.index("crc.ko") < found.index("lib_b.ko")
    assert "other.ko" not in found


def test_patterns_with_dashes_and_brackets(root: Path) -> None:
    assert tried(root, "snd-hda-codec-id:10ec0269") == ["codec.ko.xz"]
    assert tried(root, "input:b0003v0627p0001e0001-e0,1,4,k110,r0") == ["other.ko"]


def test_what_nobody_drives_is_no_trouble(root: Path) -> None:
    assert tried(root, "pci:v00008086d00000000") == []
    assert tried(root, "../../etc/passwd") == []
