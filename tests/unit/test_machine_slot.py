"""The kernel of a machine file: its forms, a folder that holds one, and writing another into the file."""

import io
import tarfile
from collections.abc import Sequence
from pathlib import Path
from typing import cast

import pytest
from pydantic import ValidationError

from modulux.engine.protocol import Engine
from modulux.errors import FileError, ResolveError
from modulux.machine.build import version_of
from modulux.machine.files import kernel_named, machine_file, replace, with_kernel
from modulux.machine.slot import unpacked, whole, with_package
from modulux.model.kernel import KernelUse
from modulux.model.machine import Machine
from modulux.paths import shipped
from modulux.report import silent
from modulux.resolve.catalog import Catalog


@pytest.mark.parametrize(
    ("written", "key", "value"),
    [
        ("debian", "module", "debian"),
        ("kernel/cloud", "module", "cloud"),
        ("linux-image-6.12.118+deb13-amd64", "package", "linux-image-6.12.118+deb13-amd64"),
        ({"package": "linux-image-amd64=6.12.118-1"}, "package", "linux-image-amd64=6.12.118-1"),
        ("./mine", "path", "./mine"),
        ("/srv/kernel", "path", "/srv/kernel"),
        ("registry.example/kernel:6.12", "image", "registry.example/kernel:6.12"),
    ],
)
def test_a_kernel_is_named_in_four_ways(written: object, key: str, value: str) -> None:
    assert KernelUse.model_validate(written).model_dump(exclude_none=True) == {key: value}


def test_a_kernel_is_one_thing_and_debians_unless_named() -> None:
    assert str(Machine.model_validate({"name": "m", "desktops": ["openbox"]}).kernel) == "debian"
    with pytest.raises(FileError, match="will not do"):
        kernel_named("No Kernel")
    with pytest.raises(ValidationError, match="one of module, package, path and image"):
        KernelUse.model_validate({"module": "debian", "path": "/x"})


def test_a_folder_holds_one_whole_kernel(tmp_path: Path) -> None:
    with pytest.raises(ResolveError, match="holds no kernel"):
        whole("x", tmp_path)
    (tmp_path / "boot").mkdir()
    (tmp_path / "boot/vmlinuz-6.12").write_bytes(b"MZ")
    with pytest.raises(ResolveError, match=r"6\.12 in .* has no modules"):
        whole("x", tmp_path)
    (tmp_path / "lib/modules/6.12").mkdir(parents=True)
    with pytest.raises(ResolveError, match="has no configuration"):
        whole("x", tmp_path)
    (tmp_path / "boot/config-6.12").write_text("CONFIG_UNIX=y\n")
    found = whole("x", tmp_path)
    assert found.version == "6.12"
    assert "the file system of the state (ext4)" in [m.needs for m in found.lacks([], "virtual")]
    (tmp_path / "boot/vmlinuz-6.13").write_bytes(b"MZ")
    with pytest.raises(ResolveError, match="holds 2 kernels"):
        whole("x", tmp_path)


def kernel_in(folder: Path, image: bytes = b"MZ", module: bytes = b"ELF") -> Path:
    """A folder that holds a kernel 6.12 with one module."""
    for name, content in (("vmlinuz-6.12", image), ("config-6.12", b"CONFIG_UNIX=y\n")):
        (folder / "boot").mkdir(parents=True, exist_ok=True)
        (folder / "boot" / name).write_bytes(content)
    modules = folder / "lib/modules/6.12/kernel/drivers"
    modules.mkdir(parents=True)
    (modules / "odd.ko").write_bytes(module)
    return folder


def test_a_kernel_that_was_built_anew_makes_another_system_though_it_is_called_the_same(tmp_path: Path) -> None:
    (tmp_path / "settings").mkdir()

    def version(name: str, **changed: bytes) -> str:
        return version_of(tmp_path / "settings", whole("x", kernel_in(tmp_path / name, **changed)), ["run x"])

    first = version("first")
    assert version("again") == first
    assert version("image", image=b"MZ, another") != first
    assert version("module", module=b"ELF, another") != first


class Holding:
    """In an engine's place: it has one image, whose files are these; a text is where a link leads."""

    program = "engine"

    def __init__(self, id: str, files: dict[str, bytes | str]) -> None:
        self.id, self.files, self.asked = id, files, list[str]()

    def image_ids(self, references: Sequence[str]) -> dict[str, str]:
        return dict.fromkeys(references, self.id)

    def do(self, argv: Sequence[str]) -> str:
        self.asked.append(argv[1])
        if argv[1] == "export":
            with tarfile.open(argv[3], "w") as tar:
                for name, content in self.files.items():
                    member = tarfile.TarInfo(name)
                    member.size = len(content) if isinstance(content, bytes) else 0
                    if isinstance(content, str):
                        member.type, member.linkname = tarfile.SYMTYPE, content
                    tar.addfile(member, io.BytesIO(content if isinstance(content, bytes) else b""))
        return "a line of the engine's\nc0ffee\n"


WHOLE: dict[str, bytes | str] = {
    "./boot/vmlinuz-6.12": b"MZ",
    "boot/config-6.12": b"CONFIG_UNIX=y\n",
    "lib/modules/6.12/kernel/odd.ko": b"ELF",
}


def test_of_an_image_nothing_is_taken_but_a_kernels_plain_files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    (tmp_path / "outside").mkdir()
    odd: dict[str, bytes | str] = {
        "boot/secret": "/etc/shadow",
        "lib/firmware": str(tmp_path / "outside"),
        "lib/firmware/fw.bin": b"firmware",
        "boot/../../../../out": b"out",
        "lib/modules/../../../../out": b"out",
        "/boot/vmlinuz-6.13": b"MZ, at an absolute path",
        "etc/passwd": b"root",
    }
    engine = Holding("one", {**WHOLE, **odd})
    found = unpacked("mine", "image:1", cast("Engine", engine), silent)
    assert (found.name, found.version) == ("mine", "6.12")
    files = {str(path.relative_to(found.folder)) for path in found.folder.rglob("*") if path.is_file() or path.is_symlink()}
    assert files == {"boot/vmlinuz-6.12", "boot/config-6.12", "lib/modules/6.12/kernel/odd.ko", "lib/firmware/fw.bin"}
    assert not any(path.is_symlink() for path in found.folder.rglob("*"))
    assert list((tmp_path / "outside").iterdir()) == []
    assert not list(tmp_path.rglob("out"))
    assert engine.asked == ["create", "export", "rm"]


def test_an_image_is_unpacked_once_and_again_when_it_is_another(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    engine = Holding("one", WHOLE)
    first, again = (unpacked("mine", "image:1", cast("Engine", engine), silent) for _ in range(2))
    assert first.folder == again.folder
    assert engine.asked.count("export") == 1
    engine.id, engine.files = "two", {name.replace("6.12", "7.0"): content for name, content in WHOLE.items()}
    assert unpacked("mine", "image:1", cast("Engine", engine), silent).version == "7.0"


def test_an_image_that_cannot_be_unpacked_leaves_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    engine = Holding("one", WHOLE)

    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("modulux.machine.slot._write", full)
    with pytest.raises(OSError, match="No space"):
        unpacked("mine", "image:1", cast("Engine", engine), silent)
    assert list((tmp_path / "modulux/kernels").iterdir()) == []
    assert engine.asked[-1] == "rm", "the container that it was taken from"


def test_a_package_becomes_a_module_of_its_own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    catalog, id = with_package(Catalog([shipped("modules")]), "linux-image-rt-amd64=6.12.118-1")
    assert id == "kernel/rt-amd64-6-12-118-1"
    assert id in catalog.ids
    assert catalog.images([id])[-1].reference != catalog.images(["kernel/debian"])[-1].reference


def test_another_kernel_is_written_and_remarks_stay(tmp_path: Path) -> None:
    file = tmp_path / "m.yaml"
    file.write_text("# mine\nname: m\nkernel: debian  # why\ndesktops: [openbox]\n")
    replace(file, with_kernel(file, "cloud"))
    text = file.read_text()
    assert "# mine" in text
    assert "kernel: cloud" in text
    assert "# why" in text
    assert list(tmp_path.iterdir()) == [file]
    with pytest.raises(FileError, match="no machine `nothing`"):
        machine_file("nothing")
