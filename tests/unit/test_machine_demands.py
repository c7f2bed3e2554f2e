"""What a machine's modules ask of its kernel, held against what Debian's kernels are known to have (6.12.118, from their packages)."""

import pytest

from modulux.errors import ResolveError
from modulux.machine.demands import MACHINE, Needing, boot_lines, missing, needing, options, refuse, shipped
from modulux.paths import shipped as shipped_folder
from modulux.resolve.catalog import Catalog

BOTH = """
CONFIG_INPUT_EVDEV=m
CONFIG_INET=y
CONFIG_PACKET=y
CONFIG_VETH=m
CONFIG_BRIDGE=m
CONFIG_NET_NS=y
CONFIG_EROFS_FS=m
CONFIG_EROFS_FS_XATTR=y
CONFIG_BLK_DEV_LOOP=m
CONFIG_BLK_DEV_DM=m
CONFIG_DM_VERITY=m
CONFIG_EROFS_FS_ZIP=y
CONFIG_EROFS_FS_ZIP_ZSTD=y
# CONFIG_EROFS_FS_ONDEMAND is not set
CONFIG_OVERLAY_FS=m
CONFIG_TMPFS=y
CONFIG_TMPFS_XATTR=y
CONFIG_DEVTMPFS=y
CONFIG_SHMEM=y
CONFIG_BLOCK=y
CONFIG_CGROUPS=y
CONFIG_MEMCG=y
CONFIG_CGROUP_PIDS=y
CONFIG_CGROUP_SCHED=y
CONFIG_CFS_BANDWIDTH=y
CONFIG_CGROUP_BPF=y
CONFIG_NAMESPACES=y
CONFIG_UTS_NS=y
CONFIG_IPC_NS=y
CONFIG_PID_NS=y
CONFIG_USER_NS=y
CONFIG_SECCOMP=y
CONFIG_SECCOMP_FILTER=y
CONFIG_UNIX=y
CONFIG_POSIX_MQUEUE=y
CONFIG_SYSVIPC=y
CONFIG_EPOLL=y
CONFIG_EVENTFD=y
CONFIG_SIGNALFD=y
CONFIG_TIMERFD=y
CONFIG_MEMFD_CREATE=y
CONFIG_FUTEX=y
CONFIG_INOTIFY_USER=y
CONFIG_BLK_DEV_INITRD=y
CONFIG_BINFMT_ELF=y
CONFIG_BINFMT_SCRIPT=y
CONFIG_PROC_FS=y
CONFIG_SYSFS=y
CONFIG_MODULES=y
"""
CLOUD = BOTH + "CONFIG_EXT4_FS=y\n"
DEBIAN = BOTH + "CONFIG_EXT4_FS=m\nCONFIG_DRM=m\nCONFIG_SND=m\n"
CLOUD_NAMES = {"virtio_blk", "virtio_net", "virtio_input", "ahci", "nvme", "atkbd", "overlay", "erofs"}
DEBIAN_NAMES = {*CLOUD_NAMES, "virtio-gpu", "snd-hda-intel", "usbhid", "i915", "e1000e"}

CARD = [Needing("display/xorg", ("/dev/dri", "/dev/input")), Needing("audio/alsa", ("/dev/snd",)), Needing("app/terminal")]
BROWSER = [Needing("display/xvfb"), Needing("gateway/web", network="desktop"), Needing("app/firefox", network="internet")]


def test_clouds_kernel_is_refused_for_a_desktop_on_the_card_with_who_needs_what() -> None:
    found = missing(shipped(), CARD, CLOUD, CLOUD_NAMES, "virtual")
    assert {(m.needs, m.modules) for m in found} == {
        ("graphics (DRM)", ("display/xorg",)),
        ("sound (ALSA)", ("audio/alsa",)),
    }
    with pytest.raises(ResolveError, match="`cloud` lacks graphics") as caught:
        refuse("cloud", found)
    assert "display/xorg: CONFIG_DRM" in str(caught.value)
    assert "kernel: debian" in str(caught.value.hint)
    assert "display: own" in str(caught.value.hint)


def test_clouds_kernel_does_for_one_that_serves_browsers_and_debians_for_both() -> None:
    refuse("cloud", missing(shipped(), BROWSER, CLOUD, CLOUD_NAMES, "virtual"))
    for profile in ("virtual", "pc"):
        refuse("debian", missing(shipped(), [*CARD, *BROWSER], DEBIAN, DEBIAN_NAMES, profile))


@pytest.mark.parametrize(
    ("option", "needs"),
    [
        ("BLK_DEV_LOOP", "layers read where they lie on a disk (loop devices)"),
        ("DM_VERITY", "blocks of the system, the store and of updates checked as they are read (dm-verity)"),
        ("OVERLAY_FS", "layers laid over one another (overlay)"),
        ("EXT4_FS", "the file system of the state (ext4)"),
        ("MEMCG", "limits for each module (cgroup v2)"),
        ("USER_NS", "namespaces of users, for browsers' sandboxes"),
        ("SECCOMP_FILTER", "filters for system calls"),
    ],
)
def test_what_every_machine_needs_is_missed_singly(option: str, needs: str) -> None:
    config = "\n".join(line for line in DEBIAN.splitlines() if not line.startswith(f"CONFIG_{option}="))
    (found,) = missing(shipped(), [], config, DEBIAN_NAMES, "virtual")
    assert (found.needs, found.lacks, found.modules) == (needs, (f"CONFIG_{option}",), (MACHINE,))


def test_an_option_without_a_driver_for_this_kind_of_machine_is_not_enough() -> None:
    found = missing(shipped(), CARD, DEBIAN, DEBIAN_NAMES - {"virtio-gpu", "virtio_blk"}, "virtual")
    assert [m.needs for m in found] == ["graphics (DRM)", "the disk"]
    assert all("a driver" in m.lacks[0] for m in found)


def test_what_is_switched_off_does_not_count() -> None:
    assert options('# CONFIG_DRM is not set\nCONFIG_SND=m\nCONFIG_HZ=250\nCONFIG_NAME="y"\nCONFIG_UNIX=y\n') == {"SND", "UNIX"}


def test_lines_for_the_boot_name_file_word_and_modules() -> None:
    lines = boot_lines(shipped(), CARD)
    assert "needs\t/dev/dri\t-\tgraphics (DRM)\tdisplay/xorg" in lines
    assert f"needs\t/sys/fs/cgroup/cgroup.controllers\tmemory\tlimits of memory\t{MACHINE}" in lines
    assert not any("/proc/net/packet" in line for line in lines)
    assert all(len(line.split("\t")) == 5 for line in lines)


def test_contracts_say_what_they_need() -> None:
    catalog = Catalog([shipped_folder("modules")])
    (xorg,) = needing({"display/xorg": catalog.module("display/xorg").contract})
    assert xorg == Needing("display/xorg", ("/dev/dri", "/dev/input", "/dev/tty0"), "none")
