"""Which of a kernel's modules a machine carries, read from modules as distributions compress them."""

import gzip
import lzma
from pathlib import Path

import pytest

from modulux.errors import HostError, ResolveError
from modulux.machine.kernel import Kernel
from modulux.machine.profiles import Profile, profile, start, subset, write_subset


def note(*fields: str) -> bytes:
    return b"\x7fELF\0" + b"".join(f.encode() + b"\0" for f in fields)


@pytest.fixture
def kernel(tmp_path: Path) -> Kernel:
    folder = tmp_path / "6.12.1-amd64"
    files = {
        "kernel/lib/libcrc32c.ko.xz": lzma.compress(note("softdep=pre: crc32c", "depends=")),
        "kernel/crypto/crc32c_generic.ko.xz": lzma.compress(note("alias=crc32c", "alias=crypto-crc32c", "depends=")),
        "kernel/fs/erofs/erofs.ko.xz": lzma.compress(note("depends=libcrc32c")),
        "kernel/drivers/gpu/drm/bochs.ko.gz": gzip.compress(note("depends=", "alias=pci:v00001234d00001111sv*")),
        "kernel/drivers/hid/hid-a.ko": note("depends="),
        "kernel/drivers/hid/hid-b.ko": note("depends="),
    }
    for name, content in files.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(content)
    (folder / "modules.builtin").write_text("kernel/drivers/virtio/virtio_pci.ko\n")
    (folder / "modules.order").write_text("kernel/drivers/hid/hid-a.ko\nkernel/drivers/hid/hid-b.ko\n")
    return Kernel(folder)


def test_what_gives_an_algorithm_is_loaded_before_what_asks_for_it_softly(kernel: Kernel) -> None:
    assert [p.name for p in kernel.in_order(["erofs"])] == ["crc32c_generic.ko.xz", "libcrc32c.ko.xz", "erofs.ko.xz"]


def test_a_module_says_what_it_drives(kernel: Kernel) -> None:
    assert kernel.note("bochs").aliases == ("pci:v00001234d00001111sv*",)


def test_a_subset_passes_over_what_is_built_in_absent_or_left_out(kernel: Kernel) -> None:
    chosen = Profile(start=["virtio_pci"], modules=["i915"], folders=["drivers/hid/*"], without=["hid-b"])
    assert start(kernel, chosen) == []
    assert [p.name for p in subset(kernel, chosen)] == ["hid-a.ko"]


def test_a_subset_is_written_without_compression_beside_the_lists_of_depmod(kernel: Kernel, tmp_path: Path) -> None:
    files = subset(kernel, Profile(modules=["erofs", "hid_a"]))
    total = write_subset(kernel, files, tmp_path / "root")
    into = tmp_path / "root/lib/modules/6.12.1-amd64"
    written = sorted(into.rglob("*.ko"), key=lambda p: p.name)
    assert [p.name for p in written] == ["crc32c_generic.ko", "erofs.ko", "hid-a.ko", "libcrc32c.ko"]
    assert sum(p.stat().st_size for p in written) == total
    assert all(p.read_bytes().startswith(b"\x7fELF") for p in written)
    assert (into / "modules.order").read_text() == "kernel/drivers/hid/hid-a.ko\n"


def test_the_shipped_profiles_lead_to_one_another() -> None:
    virtual, pc = profile("virtual"), profile("pc")
    assert {"virtio_gpu", "snd_hda_intel", "evdev", "erofs"} <= {*virtual.modules, *virtual.start}
    assert set(virtual.modules) < set(pc.modules)
    with pytest.raises(ResolveError, match="no profile `pcs`") as caught:
        profile("pcs")
    assert "pc" in str(caught.value.hint)


def test_a_module_that_is_cut_short_is_named(kernel: Kernel) -> None:
    path = kernel.folder / "kernel/fs/erofs/erofs.ko.xz"
    path.write_bytes(path.read_bytes()[:40])
    with pytest.raises(HostError, match=r"erofs\.ko\.xz is damaged"):
        kernel.in_order(["erofs"])
