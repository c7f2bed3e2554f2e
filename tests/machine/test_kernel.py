"""The kernel of a machine, had from a real engine: a module of ours, an image, a package of the Debian archive."""

from __future__ import annotations

import io
import json
import subprocess
import tarfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.support.cli import Cli

from modulux.machine.slot import whole

pytestmark = [pytest.mark.engine, pytest.mark.timeout(2400)]

IMAGE = "localhost/t-kernel:1"
PACKAGE = "linux-image-cloud-amd64"
CONFIG = b"CONFIG_UNIX=y\nCONFIG_EROFS_FS=y\n"


@pytest.fixture(scope="module")
def cli() -> Cli:
    """Podman with the kernel that a machine has unless its file names another."""
    made = Cli("podman")
    made.run("machine", "kernel", "test", "openbox", "--yes", timeout=2000)
    return made


@pytest.fixture
def apart(cli: Cli, tmp_path: Path) -> Cli:
    """The same with a cache of its own, in which no kernel lies yet."""
    return Cli("podman", {"XDG_CACHE_HOME": str(tmp_path / "cache")})


def removed(image: str) -> None:
    subprocess.run(["podman", "rmi", "--force", image], check=False, capture_output=True)


def archive(members: dict[str, bytes | str]) -> bytes:
    """A tar archive; a text is where a link leads."""
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w") as tar:
        for name, content in members.items():
            member = tarfile.TarInfo(name)
            if isinstance(content, str):
                member.type, member.linkname = tarfile.SYMTYPE, content
                tar.addfile(member)
            else:
                member.size = len(content)
                tar.addfile(member, io.BytesIO(content))
    return out.getvalue()


@pytest.fixture
def small() -> Iterator[str]:
    """An image that holds a kernel with next to nothing, and what is none of a kernel's."""
    members: dict[str, bytes | str] = {
        "boot/vmlinuz-6.99": b"MZ small",
        "boot/config-6.99": CONFIG,
        "boot/secret": "/etc/shadow",
        "lib/modules/6.99/kernel/odd.ko": b"ELF odd",
        "lib/firmware": "/etc",
        "etc/passwd": b"root::0:0",
    }
    subprocess.run(["podman", "import", "-", IMAGE], input=archive(members), check=True, capture_output=True)
    yield IMAGE
    removed(IMAGE)


def kernels(cache: Path) -> list[Path]:
    """Those that were unpacked."""
    return [path for path in (cache / "modulux/kernels").iterdir() if path.name != "modules"]


def test_kernels_are_listed_with_the_version_of_those_that_are_built(cli: Cli) -> None:
    rows = {row["kernel"]: row for row in cli.json("machine", "kernel", "list")}
    assert {"debian", "cloud"} <= rows.keys()
    tested = cli.json("machine", "kernel", "test", "openbox")
    assert rows["debian"]["version"] == tested["version"]
    assert rows["debian"]["image"].startswith("localhost/modulux/kernel/debian:")
    shown = next(line for line in cli.run("machine", "kernel", "list").stdout.splitlines() if line.startswith("debian "))
    assert tested["version"] in shown
    assert rows["debian"]["summary"] in shown


def test_a_kernel_that_is_not_built_has_no_version(apart: Cli, tmp_path: Path) -> None:
    folder = tmp_path / "modules/kernel/t-none"
    folder.mkdir(parents=True)
    (folder / "module.yaml").write_text("role: kernel\nsummary: none yet\nbase: base/debian-13\nlike: kernel/debian\n")
    (folder / "rootfs").mkdir()
    (folder / "rootfs/odd").write_text("so that its image is another")
    rows = apart.json("machine", "kernel", "list", "--modules", str(tmp_path / "modules"))
    assert next(row for row in rows if row["kernel"] == "t-none")["version"] is None
    text = apart.run("machine", "kernel", "list", "--modules", str(tmp_path / "modules")).stdout
    assert "not built yet" in next(line for line in text.splitlines() if line.startswith("t-none "))


def test_a_kernel_is_held_against_what_a_machine_needs(cli: Cli) -> None:
    found = cli.json("machine", "kernel", "test", "openbox")
    assert (found["kernel"], found["profile"]) == ("debian", "virtual")
    assert "display/xorg" in found["modules"]
    assert "has all that" in cli.run("machine", "kernel", "test", "openbox").stdout
    assert "there is no kernel `none`" in cli.run("machine", "kernel", "test", "openbox", "none", status=4).stderr


def test_an_image_holds_a_kernel_of_which_plain_files_alone_are_taken(apart: Cli, small: str, tmp_path: Path) -> None:
    refused = apart.run("machine", "kernel", "test", "openbox", small, status=4).stderr
    assert f"the kernel `{small}` lacks" in refused
    assert "graphics (DRM) for display/xorg" in refused
    assert "overlay" in refused
    (folder,) = kernels(tmp_path / "cache")
    files = {str(path.relative_to(folder)) for path in folder.rglob("*") if not path.is_dir() or path.is_symlink()}
    assert files == {"boot/vmlinuz-6.99", "boot/config-6.99", "lib/modules/6.99/kernel/odd.ko"}
    assert whole(small, folder).version == "6.99"
    assert (folder / "boot/config-6.99").read_bytes() == CONFIG


def test_an_image_that_has_changed_is_unpacked_anew(apart: Cli, small: str, tmp_path: Path) -> None:
    apart.run("machine", "kernel", "test", "openbox", small, status=4)
    members: dict[str, bytes | str] = {"boot/vmlinuz-7.0": b"MZ", "boot/config-7.0": CONFIG, "lib/modules/7.0/odd.ko": b"ELF"}
    subprocess.run(["podman", "import", "-", small], input=archive(members), check=True, capture_output=True)
    apart.run("machine", "kernel", "test", "openbox", small, status=4)
    assert {whole(small, folder).version for folder in kernels(tmp_path / "cache")} == {"6.99", "7.0"}


def test_a_whole_kernel_in_an_image_is_taken_and_written_into_the_file(cli: Cli, tmp_path: Path) -> None:
    ours = next(row for row in cli.json("machine", "kernel", "list") if row["kernel"] == "debian")
    file = tmp_path / "m.yaml"
    file.write_text("name: m\ndesktops: [openbox]  # one\n")
    subprocess.run(["podman", "tag", ours["image"], IMAGE], check=True)
    try:
        found = cli.json("machine", "kernel", "set", str(file), IMAGE)
    finally:
        subprocess.run(["podman", "untag", ours["image"], IMAGE], check=True)
    assert found == {"file": str(file), "kernel": IMAGE, "version": ours["version"]}
    assert file.read_text() == f"name: m\ndesktops: [openbox]  # one\nkernel: {IMAGE}\n"


def test_an_image_without_a_kernel_and_one_that_is_not_there_are_refused(apart: Cli) -> None:
    subprocess.run(["podman", "import", "-", IMAGE], input=archive({"etc/x": b"x"}), check=True, capture_output=True)
    try:
        assert "holds no kernel" in apart.run("machine", "kernel", "test", "openbox", IMAGE, status=4).stderr
    finally:
        removed(IMAGE)
    apart.run("machine", "kernel", "test", "openbox", "localhost/t-kernel-that-is-not-there:1", status=6)


@pytest.mark.slow
def test_a_package_of_the_archive_is_unpacked_and_judged(apart: Cli, tmp_path: Path) -> None:
    words = ["machine", "kernel", "test", "--yes", "--json"]
    file = tmp_path / "m.yaml"
    file.write_text(f"name: m\nkernel: {PACKAGE}\ndisplay: own\naudio: own\nsticks: none\ndesktops: [openbox]\n")
    try:
        found = json.loads(apart.run(*words, str(file), timeout=2000).stdout)
        assert "cloud" in found["version"]
        assert found["kernel"] == PACKAGE
        refused = apart.run(*words, "openbox", PACKAGE, status=4, timeout=2000)
        assert "graphics (DRM) for display/xorg" in refused.stderr
    finally:
        listed = subprocess.run(
            ["podman", "images", "--format", "{{.Repository}}:{{.Tag}}"], check=True, capture_output=True, text=True
        )
        for image in listed.stdout.split():
            if "/kernel/cloud-amd64:" in image:
                removed(image)
