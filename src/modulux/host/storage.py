"""How Podman without root stacks image layers. Standard library only; reads a few small files, starts nothing."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path

OWN_OVERLAY = (5, 13)
"""From this kernel on users without root may stack layers by the kernel itself; before, /dev/fuse was the only quick way."""

STACKABLE = {"btrfs", "ext4", "f2fs", "xfs"}
"""File systems on which they surely can be stacked; on others Podman's own choice stands."""


def data_folder(environ: Mapping[str, str], root: Path = Path("/")) -> Path:
    """Where Podman without root keeps images and volumes, unless its configuration says otherwise."""
    home = environ.get("XDG_DATA_HOME") or f"{environ.get('HOME') or '/'}/.local/share"
    return root / home.lstrip("/") / "containers/storage"


def storage_environment(environ: Mapping[str, str], root: Path = Path("/")) -> dict[str, str]:
    """`STORAGE_DRIVER=overlay` for a user without root whom Podman 4 would give `vfs`, which copies each image at each start.

    Nothing where the person has chosen, where images are kept in another way already, or where the kernel cannot.
    """
    config = environ.get("XDG_CONFIG_HOME") or f"{environ.get('HOME') or '/'}/.config"
    chosen = [f"{config}/containers/storage.conf", "/etc/containers/storage.conf"]
    if any(environ.get(name) for name in ("STORAGE_DRIVER", "CONTAINERS_STORAGE_CONF")):
        return {}
    if any((root / file.lstrip("/")).exists() for file in chosen):
        return {}
    data = data_folder(environ, root)
    if {kept.name for kept in data.glob("*-images")} - {"overlay-images"}:
        return {}
    kernel = re.match(r"(\d+)\.(\d+)", _text(root / "proc/sys/kernel/osrelease"))
    if kernel is None or (int(kernel[1]), int(kernel[2])) < OWN_OVERLAY or file_system(data, root) not in STACKABLE:
        return {}
    return {"STORAGE_DRIVER": "overlay"}


def file_system(path: Path, root: Path = Path("/")) -> str | None:
    """The type of the file system that `path` lies on, or would."""
    found: tuple[int, str] | None = None
    for line in _text(root / "proc/self/mountinfo").splitlines():
        left, _, right = line.partition(" - ")
        point = root / left.split()[4].replace("\\040", " ").lstrip("/")
        if path.is_relative_to(point) and (found is None or len(point.parts) >= found[0]):
            found = len(point.parts), right.split()[0]  # of two at one place the later one is on top
    return found[1] if found else None


def _text(file: Path) -> str:
    try:
        return file.read_text()
    except OSError:
        return ""
