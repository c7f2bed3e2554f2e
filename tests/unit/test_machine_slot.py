"""The kernel of a machine file: its forms, a folder that holds one, and writing another into the file."""

from pathlib import Path

import pytest
from pydantic import ValidationError

from modulux.errors import FileError, ResolveError
from modulux.machine.build import version_of
from modulux.machine.files import kernel_named, machine_file, replace, with_kernel
from modulux.machine.slot import whole, with_package
from modulux.model.kernel import KernelUse
from modulux.model.machine import Machine
from modulux.paths import shipped
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
