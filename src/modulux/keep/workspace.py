"""The folder in which restic runs: `desktop/` with what we write, `volumes/NAME` where each volume is mounted for it alone.

It lies at the same path each time, so that restic knows the files again; the mounts are in a namespace of the command's own and
end with it, however it ends.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from modulux.paths import cache

DESKTOP = "desktop"
VOLUMES = "volumes"

MOUNT = """
cd "$1"; options=$2; shift 2
while [ "$1" != -- ]; do mount --bind "$1" "$2"; [ -z "$options" ] || mount -o "remount,bind,$options" "$2"; shift 2; done
shift
exec "$@"
"""


@dataclass(frozen=True)
class Workspace:
    """`mounted` are volumes' folders, by the name that each has in a snapshot; `near` leads to where they can be reached."""

    folder: Path
    mounted: Mapping[str, Path]
    near: Callable[[Sequence[str]], list[str]]
    read_only: bool = True

    def argv(self, command: Sequence[str]) -> list[str]:
        """The command in this folder, with the volumes in it."""
        words = [word for name, source in self.mounted.items() for word in (str(source), f"{VOLUMES}/{name}")]
        options = "ro" if self.read_only else ""
        script = ["sh", "-euc", MOUNT, "sh", str(self.folder), options, *words, "--", *command]
        return self.near(["setpriv", "--pdeathsig", "KILL", "--", "unshare", "--mount", "--propagation", "private", *script])

    @property
    def desktop(self) -> Path:
        """The folder for what we write."""
        return self.folder / DESKTOP


def workspace(
    name: str, mounted: Mapping[str, Path], near: Callable[[Sequence[str]], list[str]], *, read_only: bool = True
) -> Workspace:
    """Make the folder ready."""
    made = Workspace(cache() / "keep" / name, mounted, near, read_only)
    made.desktop.mkdir(parents=True, exist_ok=True)
    for volume in mounted:
        (made.folder / VOLUMES / volume).mkdir(parents=True, exist_ok=True)
    return made
