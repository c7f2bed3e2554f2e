"""Which firmware a machine carries: what its drivers name, from a kernel's folders, as the kernel can read it."""

import io
import lzma
import tarfile
from collections.abc import Mapping
from pathlib import Path

import pytest
import zstandard
from pydantic import ValidationError
from tests.unit.test_machine_profiles import note

from modulux.errors import HostError
from modulux.machine.build import carried
from modulux.machine.demands import Needing, shipped, without_firmware
from modulux.machine.device_firmware import choose, lines, write
from modulux.machine.kernel import Kernel
from modulux.machine.profiles import Profile, asked_firmware, early_firmware, profile
from modulux.machine.slot import _extract, firmware_module, obtain_for, whole
from modulux.model.machine import Machine
from modulux.paths import shipped as shipped_folder
from modulux.report import silent
from modulux.resolve.catalog import Catalog

READS_ALL = "CONFIG_FW_LOADER_COMPRESS_XZ=y\nCONFIG_FW_LOADER_COMPRESS_ZSTD=y\n"
VERSION = "6.12.1-amd64"


def files(root: Path, there: Mapping[str, bytes]) -> Path:
    for name, content in there.items():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_bytes(content)
    return root


@pytest.fixture
def kernel(tmp_path: Path) -> Kernel:
    modules = {
        "kernel/drivers/gpu/drm/amdgpu.ko": note("firmware=amdgpu/a.bin", "firmware=amdgpu/b.bin", "depends=drm"),
        "kernel/drivers/gpu/drm/drm.ko": note("depends="),
        "kernel/drivers/gpu/drm/other.ko": note("firmware=other.bin", "depends="),
        "kernel/drivers/net/card.ko": note("firmware=net/card-*.bin", "depends="),
        "kernel/drivers/ata/disk.ko": note("firmware=disk.bin", "depends="),
        "modules.builtin": b"kernel/drivers/gpu/drm/i915.ko\nkernel/drivers/net/wired.ko\nkernel/drivers/net/odd.ko\n",
        "modules.builtin.modinfo": b"i915.license=GPL\0i915.firmware=i915/x.bin\0odd.firmware=odd.bin\0wired.firmware=net/w.bin\0",
    }
    return Kernel(files(tmp_path / "kernel/lib/modules" / VERSION, modules))


def test_only_drivers_that_travel_are_asked_which_firmware_they_want(kernel: Kernel) -> None:
    chosen = Profile(
        start=["disk"],
        modules=["amdgpu", "i915"],
        folders=["drivers/net/*"],
        without=["odd"],
        firmware={"drm": ["unsaid/*.bin"], "absent": ["never.bin"]},
    )
    assert asked_firmware(kernel, chosen) == {
        "amdgpu": ["amdgpu/a.bin", "amdgpu/b.bin"],
        "card": ["net/card-*.bin"],
        "disk": ["disk.bin"],
        "drm": ["unsaid/*.bin"],
        "i915": ["i915/x.bin"],
        "wired": ["net/w.bin"],
    }
    assert early_firmware(kernel, chosen) == {"disk": ["disk.bin"], "i915": ["i915/x.bin"], "wired": ["net/w.bin"]}


def test_the_first_folder_has_precedence_and_a_kernels_own_part_of_it(tmp_path: Path) -> None:
    own = files(tmp_path / "own", {f"{VERSION}/a": b"for this kernel", "a": b"for all", "b": b"own"})
    other = files(tmp_path / "other", {"b": b"theirs", "c": b"theirs", "d": b"nobody asks for it"})
    found = choose([own, other], VERSION, {"card": ["a", "b", "c"], "more": ["c"]})
    sizes = write(found, tmp_path / "system", READS_ALL)
    there = tmp_path / "system/lib/firmware"
    assert {path.name: path.read_bytes() for path in there.iterdir()} == {"a": b"for this kernel", "b": b"own", "c": b"theirs"}
    assert sizes == {"a": 15, "b": 3, "c": 6}
    assert found.lacking == {}


def test_links_stay_links_and_lead_to_what_travels(tmp_path: Path) -> None:
    folder = files(tmp_path / "fw", {"new/gsp/one.bin.zst": b"packed", "secret/x": b"-"})
    (folder / "old").symlink_to("new")
    (folder / "new/alias.bin.zst").symlink_to("gsp/one.bin.zst")
    files(tmp_path, {"passwd": b"root"})
    (folder / "out.bin").symlink_to("../passwd")
    found = choose([folder], VERSION, {"card": ["old/gsp/one.bin", "new/gsp/one.bin", "new/alias.bin"], "bad": ["out.bin"]})
    assert found.bare == {"bad": ("out.bin",)}
    assert write(found, tmp_path / "system", READS_ALL) == {"new/alias.bin.zst": 6}
    there = tmp_path / "system/lib/firmware"
    assert (there / "old/gsp/one.bin.zst").readlink() == Path("../../new/alias.bin.zst")
    assert (there / "old/gsp/one.bin.zst").read_bytes() == (there / "new/gsp/one.bin.zst").read_bytes() == b"packed"
    assert not (there / "out.bin").exists()


def test_patterns_name_files_however_they_are_compressed(tmp_path: Path) -> None:
    folder = files(tmp_path / "fw", {"net/card-1.bin.xz": b"1", "net/card-2.bin": b"2", "net/card.txt": b"", "up.bin": b"u"})
    found = choose(
        [folder / "net", folder], VERSION, {"card": ["net/card-*.bin"], "up": ["../up.bin", "/up.bin", "net/none-*"]}
    )
    assert sorted(name for names in found.groups.values() for name in names) == ["net/card-1.bin", "net/card-2.bin"]
    assert found.lacking == {"up": ("net/none-*",)}


@pytest.mark.parametrize(
    ("config", "expected"),
    [
        (READS_ALL, {"a.bin.xz", "b.bin.zst", "c.bin"}),
        ("CONFIG_FW_LOADER_COMPRESS_XZ=y\n# CONFIG_FW_LOADER_COMPRESS_ZSTD is not set\n", {"a.bin.xz", "b.bin", "c.bin"}),
        ("", {"a.bin", "b.bin", "c.bin"}),
    ],
)
def test_what_the_kernel_cannot_unpack_is_unpacked(tmp_path: Path, config: str, expected: set[str]) -> None:
    packed = {"a.bin.xz": lzma.compress(b"one"), "b.bin.zst": zstandard.ZstdCompressor().compress(b"two"), "c.bin": b"three"}
    folder = files(tmp_path / "fw", packed)
    found = choose([folder], VERSION, {"card": ["a.bin", "b.bin", "c.bin"]})
    sizes = write(found, tmp_path / "system", config)
    assert set(sizes) == expected
    plain = {"a.bin": b"one", "b.bin": b"two", "c.bin": b"three"}
    for name in expected:
        assert (tmp_path / "system/lib/firmware" / name).read_bytes() == (plain | packed)[name]


def test_a_damaged_file_is_named(tmp_path: Path) -> None:
    folder = files(tmp_path / "fw", {"a.bin.xz": lzma.compress(b"one")[:20]})
    with pytest.raises(HostError, match=r"a\.bin\.xz is damaged"):
        write(choose([folder], VERSION, {"card": ["a.bin"]}), tmp_path / "system", "")


def test_a_machines_version_changes_with_what_a_file_holds(tmp_path: Path) -> None:
    before = files(tmp_path / "before", {"lib/firmware/a": b"one"})
    after = files(tmp_path / "after", {"lib/firmware/a": b"two"})
    assert lines(before, ["a"]) != lines(after, ["a"])


def test_drivers_without_firmware_are_told_where_modules_rest_on_them(kernel: Kernel, tmp_path: Path) -> None:
    chosen = Profile(modules=["amdgpu", "i915"], folders=["drivers/net/*"])
    folder = files(tmp_path / "fw", {"i915/x.bin": b"x"})
    bare = choose([folder], VERSION, asked_firmware(kernel, chosen)).bare
    assert set(bare) == {"amdgpu", "card", "odd", "wired"}
    screen = Needing("display/xorg", ("/dev/dri",))
    assert without_firmware(shipped(), [screen], "pc", bare) == [
        "graphics (DRM) for display/xorg: no firmware for amdgpu (amdgpu/a.bin and 1 more), whose devices may not work"
    ]
    assert without_firmware(shipped(), [Needing("app/browser")], "pc", bare) == []
    files(folder, {"amdgpu/b.bin": b"some of it"})
    assert "amdgpu" not in choose([folder], VERSION, asked_firmware(kernel, chosen)).bare


def machine(**keys: object) -> Machine:
    return Machine.model_validate({"name": "m", "desktops": ["openbox"], **keys})


@pytest.mark.parametrize(
    ("keys", "expected"),
    [
        ({}, ["none"]),
        ({"profile": "pc"}, ["debian"]),
        ({"profile": "pc", "kernel": "linux-image-rt-amd64"}, ["debian"]),
        ({"profile": "pc", "kernel": "./mine"}, ["kernel"]),
        ({"profile": "pc", "kernel": "registry.example/kernel:6"}, ["kernel"]),
        ({"profile": "pc", "firmware": "none"}, ["none"]),
        ({"firmware": "firmware-realtek"}, ["firmware-realtek"]),
        ({"firmware": ["firmware-realtek=20250410-2", "atmel-firmware"]}, ["firmware-realtek=20250410-2", "atmel-firmware"]),
    ],
)
def test_what_a_machine_file_says_of_it_and_what_goes_without_saying(keys: dict[str, object], expected: list[str]) -> None:
    assert machine(**keys).carried_firmware == expected


@pytest.mark.parametrize("wrong", ["debain", ["debian", "firmware-realtek"], ["none", "none"], [], "firmware realtek", 5])
def test_what_is_no_firmware_is_refused(wrong: object) -> None:
    with pytest.raises(ValidationError, match="firmware"):
        machine(firmware=wrong)


def test_packages_become_a_module_of_their_own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    catalog = Catalog([shipped_folder("modules")])
    assert firmware_module(machine(), catalog) is None
    assert firmware_module(machine(profile="pc", kernel="./mine"), catalog) is None
    assert firmware_module(machine(profile="pc"), catalog) == (catalog, "firmware/debian")
    found = firmware_module(machine(firmware=["firmware-realtek", "firmware-ast"]), catalog)
    assert found is not None
    known, id = found
    assert known.images([id])[-1].reference != catalog.images(["firmware/debian"])[-1].reference
    folder = known.module(id).folder
    assert (folder / "rootfs/usr/lib/modulux/firmware-packages").read_text() == "firmware-ast\nfirmware-realtek\n"


def test_what_a_machine_is_made_of_names_the_image_of_its_firmware() -> None:
    catalog = Catalog([shipped_folder("modules")])
    init = catalog.reference("init/engine")
    assert carried(machine(), catalog) == [init]
    assert carried(machine(profile="pc"), catalog) == [init, catalog.reference("firmware/debian")]


def test_a_kernel_that_was_brought_along_has_its_own_and_says_what_it_lacks(kernel: Kernel, tmp_path: Path) -> None:
    folder = tmp_path / "kernel"
    files(folder, {f"boot/vmlinuz-{VERSION}": b"MZ", f"boot/config-{VERSION}": b"CONFIG_DRM=m\n"})
    files(folder, {"lib/firmware/other.bin": b"-"})
    asks = machine(profile="pc", kernel=str(folder))
    nobody: dict[str, object] = dict.fromkeys(("catalog", "engine", "sources"))
    got = obtain_for(asks, tmp_path, **nobody, report=silent)  # type: ignore[arg-type]  # nothing is fetched or built
    assert got.firmware == (folder / "lib/firmware",)
    assert got.licences == (folder / "usr/share/doc",)
    (line, *others) = got.bare([Needing("display/xorg", ("/dev/dri",))], asks)
    assert not others
    assert "amdgpu (amdgpu/a.bin and 1 more)" in line
    assert line.endswith("put it into lib/firmware beside the kernel's lib/modules, or write `firmware: debian`")
    none = obtain_for(asks.model_copy(update={"firmware": ["none"]}), tmp_path, **nobody, report=silent)  # type: ignore[arg-type]
    assert none.firmware == ()
    assert whole("x", folder).firmware == ()


def test_links_of_an_image_stay_among_firmware(tmp_path: Path) -> None:
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w") as archive:

        def link(name: str, target: str, kind: bytes = tarfile.SYMTYPE) -> None:
            member = tarfile.TarInfo(name)
            member.type, member.linkname = kind, target
            archive.addfile(member)

        def plain(name: str, content: bytes) -> None:
            member = tarfile.TarInfo(name)
            member.size = len(content)
            archive.addfile(member, io.BytesIO(content))

        link("lib/firmware/away", "/etc")
        plain("lib/firmware/away/passwd", b"in it")
        plain("lib/firmware/deep/er/a.bin", b"a")
        link("lib/firmware/dir", "deep/er")
        link("lib/firmware/deep/er/up", "../..")
        link("lib/firmware/deep/er/b.bin", "a.bin")
        link("lib/firmware/twin.bin", "lib/firmware/deep/er/a.bin", tarfile.LNKTYPE)
        link("lib/firmware/climbs", "dir/../../../../../outside")
        link("lib/firmware/deep/er/x/y", "../../../dir/../a")
        link("lib/firmware/whole", "/etc")
        link("lib/firmware/deep/er/back", "../../flat")
        plain("lib/firmware/flat/c.bin", b"c")
        link("lib/firmware/astray", "deep/er/back/../../beside")  # by its words within, through the link before it not
        link("lib/firmware/astray/made", "there")
        link("lib/modules/link", "deep")
        plain("etc/shadow", b"no")
        plain("lib/firmware/../../outside", b"no")
    packed.seek(0)
    root = tmp_path / "root"
    with tarfile.open(fileobj=packed) as archive:
        _extract(archive, root)
    there = root / "lib/firmware"
    assert (there / "away/passwd").read_bytes() == b"in it"
    assert (there / "dir/b.bin").read_bytes() == (there / "twin.bin").read_bytes() == b"a"
    links = {str(p.relative_to(there)) for p in there.rglob("*") if p.is_symlink()}
    assert links == {"dir", "deep/er/b.bin", "deep/er/x/y", "deep/er/back", "astray"}
    assert sorted(p.name for p in there.parent.iterdir()) == ["firmware"], "nothing is made beside it"
    assert sorted(p.name for p in root.iterdir()) == ["lib"]
    assert sorted(p.name for p in tmp_path.iterdir()) == ["root"]


def test_the_shipped_profile_names_what_its_sound_drivers_do_not_say() -> None:
    pc = profile("pc")
    assert set(pc.firmware) <= set(pc.modules)
    assert profile("virtual").firmware == {}
