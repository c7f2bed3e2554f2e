"""Which modules of a kernel are loaded, and in which order."""

from pathlib import Path

import pytest

from modulux.errors import HostError
from modulux.machine.kernel import Kernel, module_note


def module(folder: Path, name: str, *needs: str) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    (folder / f"{name}.ko").write_bytes(b"\x7fELF\0license=GPL\0depends=" + ",".join(needs).encode() + b"\0retpoline=Y\0")


@pytest.fixture
def kernel(tmp_path: Path) -> Kernel:
    folder = tmp_path / "6.1.0-1-amd64"
    module(folder / "kernel/fs", "ext4", "jbd2", "mbcache")
    module(folder / "kernel/fs", "jbd2", "crc16")
    module(folder / "kernel/fs", "mbcache")
    module(folder / "kernel/lib", "crc16")
    module(folder / "kernel/sound", "snd-pcm", "snd_timer")
    (folder / "modules.builtin").write_text("kernel/fs/overlayfs/overlay.ko\n")
    return Kernel(folder)


def test_a_module_comes_after_all_that_it_needs_and_once(kernel: Kernel) -> None:
    order = [p.stem for p in kernel.in_order(["ext4", "jbd2", "overlay"])]
    assert order == ["crc16", "jbd2", "mbcache", "ext4"]


def test_a_name_is_found_however_its_file_spells_it(kernel: Kernel) -> None:
    assert kernel.has("snd_pcm")
    assert kernel.has("overlay")
    assert not kernel.has("drm")


def test_what_is_missing_is_named_with_who_needs_it(kernel: Kernel) -> None:
    with pytest.raises(HostError, match="no module drm, which the machine needs"):
        kernel.in_order(["drm"])
    with pytest.raises(HostError, match="no module snd_timer, which snd_pcm needs"):
        kernel.in_order(["snd-pcm"])


def test_a_module_without_dependencies_has_none() -> None:
    assert module_note(b"\0depends=\0name=crc16\0").depends == ()
    assert module_note(b"\x7fELF").depends == ()
