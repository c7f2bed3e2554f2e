"""The file that describes a machine, as the machine itself has it: whole in itself, so that it builds the same one elsewhere.

Desktops stand in it in full, whether they were ready-made or files of one's own. It names the kernel and the images that the
machine was made of, and the version that follows from all of it, by which a machine that is built from it is known to be the
same. The hash of a password is never in it: it says in which file one is to be put.
"""

from __future__ import annotations

import io
from collections.abc import Callable, Sequence
from typing import Any

from ruamel.yaml import YAML

from modulux.model.desktop import Desktop
from modulux.model.machine import Login, Machine, MadeOf

FILE = "description"
"""In a machine's system, below /etc/machine."""


def whole(machine: Machine, read: Callable[[str], Desktop]) -> Machine:
    """The same machine, its desktops in it instead of their names.

    Args:
        read: gives the desktop of a name or path.
    """
    desktops = [
        entry if isinstance(entry.desktop, Desktop) else entry.model_copy(update={"desktop": read(entry.desktop)})
        for entry in machine.desktops
    ]
    return machine.model_copy(update={"desktops": desktops})


def text(machine: Machine, kernel: str, images: Sequence[str]) -> str:
    """What the machine keeps of itself.

    Args:
        machine: as `whole` gives it.
        kernel: its version.
        images: references of all that it runs.
    """
    changes: dict[str, Any] = {"made_of": MadeOf(kernel=kernel, images=sorted(images))}
    if machine.login and machine.login.password_hash:
        changes["login"] = Login(password_file=f"{machine.name}.hash")
    return written(machine.model_copy(update=changes))


def written(machine: Machine) -> str:
    """A machine as the text of a machine file: what was said of it, in the order in which the keys are explained."""
    yaml = YAML()
    yaml.width = 4096
    yaml.default_flow_style = False
    out = io.StringIO()
    yaml.dump(machine.model_dump(mode="json", by_alias=True, exclude_unset=True), out)
    return out.getvalue()


def exported(name: str, version: str, described: str) -> str:
    """The file, from what the machine says of itself and its system's version."""
    lines = [
        f"# The machine `{name}`, as it says itself. `modulux machine build` of this file gives it again, the same bytes of",
        "# system and store where the images named at the end are the same; it says whether it did. What these are built from",
        "# (modules of your own, the kernel of a folder) does not stand here.",
    ]
    if "password-file:" in described:
        lines.append("# Nor does the hash of the password: put it into the file that `login:` names, beside this one.")
    return "\n".join([*lines, described.rstrip("\n").replace("made-of:\n", f"made-of:\n  version: {version}\n", 1)]) + "\n"


def differs(noted: MadeOf, version: str, kernel: str, images: Sequence[str]) -> list[str]:
    """In what a machine that was built is another one than the file was exported from, in words; nothing: it is the same."""
    if noted.version in (None, version):
        return []
    found = [f"kernel {kernel} instead of {noted.kernel}"] if noted.kernel not in (None, kernel) else []
    now = {image.rpartition(":")[0]: image for image in images}
    before = {image.rpartition(":")[0]: image for image in noted.images}
    found += [f"{now.get(key, 'no ' + key)} instead of {image}" for key, image in before.items() if now.get(key) != image]
    found += [f"{image}, which it had not" for key, image in now.items() if key not in before]
    return found or ["packages of the archive that images were built from: their layers are others"]
