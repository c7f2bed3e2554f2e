"""What a machine carries of a kernel's modules, by what it runs on (`profiles.yaml`)."""

from __future__ import annotations

import shutil
from collections.abc import Iterable, Mapping
from pathlib import Path

from pydantic import Field, RootModel

from modulux.errors import ResolveError
from modulux.machine.kernel import Kernel, module_content, module_name
from modulux.model.base import Model
from modulux.resolve.files import close_to, load

LISTS = ("modules.builtin", "modules.builtin.modinfo", "modules.order")
"""What depmod reads beside the modules, as it came with the kernel."""


class Profile(Model):
    """Some of a kernel's modules."""

    like: str | None = None
    start: list[str] = Field(default_factory=list)
    beside: list[str] = Field(default_factory=list)
    medium: list[str] = Field(default_factory=list)
    modules: list[str] = Field(default_factory=list)
    folders: list[str] = Field(default_factory=list)
    without: list[str] = Field(default_factory=list)
    firmware: dict[str, list[str]] = Field(default_factory=dict)


class Profiles(RootModel[dict[str, Profile]]):
    """All profiles, by name."""


def profile(name: str, file: Path | None = None) -> Profile:
    """The profile of that name, with all of what it is `like`.

    Raises:
        ResolveError: there is none.
    """
    there = load(file or Path(__file__).with_name("profiles.yaml"), Profiles).root
    if name not in there:
        raise ResolveError(f"there is no profile `{name}`", hint=close_to(name, list(there)) or f"profiles: {', '.join(there)}")
    own = there[name]
    if own.like is None:
        return own
    other = profile(own.like, file)
    return Profile(
        start=[*other.start, *own.start],
        beside=[*other.beside, *own.beside],
        medium=[*other.medium, *own.medium],
        modules=[*other.modules, *own.modules],
        folders=[*other.folders, *own.folders],
        without=[*other.without, *own.without],
        firmware=other.firmware | own.firmware,
    )


def start(kernel: Kernel, chosen: Profile) -> list[Path]:
    """Files of the initramfs that finding the system takes, in the order in which they are loaded."""
    return kernel.in_order(name for name in chosen.start if kernel.has(name))


def beside(kernel: Kernel, chosen: Profile) -> list[Path]:
    """Files that another process loads meanwhile, with all that they depend on: which of both is first does not matter."""
    return kernel.in_order(name for name in chosen.beside if kernel.has(name))


def medium(kernel: Kernel, chosen: Profile) -> list[Path]:
    """Files that are loaded after those of the initramfs where the machine is started from a CD or a memory stick."""
    found = kernel.in_order(name for name in (*chosen.start, *chosen.medium) if kernel.has(name))
    first = {*start(kernel, chosen), *beside(kernel, chosen)}
    return [path for path in found if path not in first]


def start_archive(kernel: Kernel, orders: Mapping[str, list[Path]], root: Path) -> None:
    """Put files below `root` as the initramfs has them: for each name the order, in /modules/NAME, in which they are loaded."""
    write_subset(kernel, list(dict.fromkeys(path for files in orders.values() for path in files)), root)
    (root / "modules").mkdir()
    for name, files in orders.items():
        lines = [f"/lib/modules/{kernel.version}/{carried_as(kernel, path)}\n" for path in files]
        (root / "modules" / name).write_text("".join(lines))


def subset(kernel: Kernel, chosen: Profile) -> list[Path]:
    """Files that the machine carries, each after those that it depends on."""
    left_out = {name.replace("-", "_") for name in chosen.without}
    named = [name for name in (*chosen.start, *chosen.beside, *chosen.modules) if kernel.has(name)]
    found = [name for pattern in chosen.folders for name in kernel.matching(pattern) if name not in left_out]
    return kernel.in_order([*named, *found])


def asked_firmware(kernel: Kernel, chosen: Profile) -> dict[str, list[str]]:
    """By driver, loadable or built in, the firmware that it asks for; drivers that ask for none are left out."""
    carried = [module_name(path) for path in subset(kernel, chosen)]
    return _asked(kernel, chosen, [*carried, *_built_in(kernel, chosen)])


def early_firmware(kernel: Kernel, chosen: Profile) -> dict[str, list[str]]:
    """The same of those that are at work before the system is there: what is in the initramfs, and what is built in."""
    first = [module_name(path) for path in (*start(kernel, chosen), *beside(kernel, chosen))]
    return _asked(kernel, chosen, [*first, *_built_in(kernel, chosen)])


def _built_in(kernel: Kernel, chosen: Profile) -> list[str]:
    left_out = {name.replace("-", "_") for name in chosen.without}
    named = (name.replace("-", "_") for name in (*chosen.start, *chosen.beside, *chosen.modules))
    found = [name for pattern in chosen.folders for name in kernel.built_in_matching(pattern) if name not in left_out]
    return [name for name in (*named, *found) if name in kernel.built_in]


def _asked(kernel: Kernel, chosen: Profile, drivers: Iterable[str]) -> dict[str, list[str]]:
    found = {name: list(dict.fromkeys([*kernel.firmware(name), *chosen.firmware.get(name, [])])) for name in drivers}
    return {name: files for name, files in sorted(found.items()) if files}


def write_subset(kernel: Kernel, files: list[Path], root: Path) -> int:
    """Put `files` uncompressed below ROOT/lib/modules/VERSION, with the lists that depmod reads; how many bytes they are."""
    into = root / "lib/modules" / kernel.version
    total = 0
    for path in files:
        content = module_content(path)
        target = into / carried_as(kernel, path)
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_bytes(content)
        target.chmod(0o644)
        total += len(content)
    into.mkdir(parents=True, exist_ok=True)
    carried = {module_name(path) for path in files}
    for name in LISTS:
        if (kernel.folder / name).is_file():
            shutil.copyfile(kernel.folder / name, into / name)
    order = into / "modules.order"
    if order.is_file():  # only of what is there: depmod warns of all else
        kept = [line for line in order.read_text().split() if module_name(Path(line)) in carried]
        order.write_text("".join(f"{line}\n" for line in kept))
    return total


def carried_as(kernel: Kernel, path: Path) -> Path:
    """Where below lib/modules/VERSION a machine has that file of the kernel's, uncompressed."""
    return path.relative_to(kernel.folder).parent / f"{path.name.partition('.ko')[0]}.ko"
