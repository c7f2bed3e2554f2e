"""`modulux` of a machine (`service/keeper`) as its container has it, on a machine whose first process is that of `pid1.py`.

What `bundle.py` mounts into the container is mounted below a root of its own; it runs as user 1000 without a capability.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.support.pid1 import World
from tests.unit.test_machine_bundle import IMAGE, SECCOMP

from modulux.machine.bundle import runtime_config
from modulux.model.plan import Container
from modulux.paths import shipped

PROGRAM = shipped("modules") / "service/keeper/rootfs/usr/lib/modulux/keeper"
PASSWORD = "secret"
NAME = "openbox"
"""The desktop that it has."""

SCRIPT = r"""
set -e
root=$1; shift
mount -t tmpfs tmpfs "$root"
mkdir -p "$root/usr" "$root/proc" "$root/dev" "$root/tmp" "$root/home/user"
for link in bin sbin lib lib64; do ln -s "usr/$link" "$root/$link"; done
mount --bind /usr "$root/usr"
mount --rbind /proc "$root/proc"
mount --rbind /dev "$root/dev"
chmod 1777 "$root/tmp"
mount --bind "$HOME_OF_IT" "$root/home/user"
while [ "$1" != -- ]; do
  mkdir -p "$root$2"
  if [ "$1" = tmpfs ]; then mount -t tmpfs -o mode=1777 tmpfs "$root$2"; else mount --bind "$1" "$root$2"; fi
  [ "$3" = rw ] || mount -o remount,bind,ro "$root$2"
  shift 3
done
shift
exec chroot "$root" setpriv --reuid=1000 --regid=1000 --clear-groups --inh-caps=-all --bounding-set=-all --no-new-privs \
  env -i HOME=/home/user PATH=/usr/bin:/bin LANG=C.UTF-8 PYTHONPATH=/home/user/.python "$@"
"""


@dataclass
class Keeper:
    """Its container, which is made for each command."""

    here: World
    container: Container
    home: Path

    def mounts(self) -> list[str]:
        """Source, target and whether it may be written, as the container's configuration says of what lies below /keep."""
        made = runtime_config(self.container, IMAGE, SECCOMP, frozenset())
        words = []
        for mount in made["mounts"]:
            if mount["destination"].startswith("/keep/"):
                outside = mount["source"] if mount["type"] == "tmpfs" else str(self.here.folder) + mount["source"]
                words += [outside, mount["destination"], "ro" if "ro" in mount["options"] else "rw"]
        return words

    def argv(self, *words: str) -> list[str]:
        """Of a command of its `modulux`."""
        return self.inside("/usr/bin/python3", "/home/user/.program/command.py", *words)

    def inside(self, *command: str) -> list[str]:
        """Of any program, with the container's environment."""
        root = self.here.folder / "container"
        root.mkdir(exist_ok=True)
        enter = ["nsenter", f"--target={self.here.pid}", "--mount", "unshare", "--mount", "--propagation", "private"]
        env = [f"{name}={value}" for name, value in self.container.env.items() if name.startswith("MODULUX_")]
        return [*enter, "sh", "-c", SCRIPT, "sh", str(root), *self.mounts(), "--", "env", *env, *command]

    def environment(self) -> dict[str, str]:
        return {**os.environ, "HOME_OF_IT": str(self.home)}

    def run(self, *words: str, given: bytes = b"", status: int = 0) -> subprocess.CompletedProcess[bytes]:
        done = subprocess.run(
            self.argv(*words), input=given, capture_output=True, env=self.environment(), check=False, timeout=300
        )
        assert done.returncode == status, (words, done.stderr.decode(errors="replace"), self.here.console()[-10:])
        return done


def keeper(here: World, container: Container, home: Path) -> Keeper:
    """With a home in which its program lies, and a password."""
    shutil.copytree(PROGRAM, home / ".program", ignore=shutil.ignore_patterns("__pycache__"))
    import zstandard

    shutil.copytree(Path(zstandard.__file__).parent, home / ".python/zstandard")
    (home / "password").write_text(f"{PASSWORD}\n")
    for path in (home, *home.rglob("*")):
        os.chown(path, 1000, 1000, follow_symlinks=False)
    return Keeper(here, container, home)


def why_not() -> str | None:
    """Why this host cannot have one."""
    lacking = [p for p in ("restic", "nsenter", "setpriv") if not shutil.which(p)]
    if lacking:
        return f"this host lacks {', '.join(lacking)}"
    version = subprocess.run(
        ["/usr/bin/python3", "-c", "import sys; print(sys.version_info[:2])"], capture_output=True, text=True, check=False
    ).stdout
    return None if version.strip() == str(sys.version_info[:2]) else "the host's Python is another one"


def kept(words: Sequence[str] = ()) -> list[str]:
    """Flags of every command that asks a repository."""
    return ["--to", "/home/user/repository", "--password-file", "/home/user/password", "--json", *words]


def noted_of(there: Keeper) -> dict[str, Any]:
    return dict(json.loads((there.here.folder / f"etc/machine/desktops/{NAME}/desktop.json").read_text()))


def place(there: Keeper, part: str = "openbox.home") -> Path:
    return there.here.inside / f"state/volumes/modulux.{NAME}.{part}"


def write(there: Keeper, text: str) -> None:
    (place(there) / "letter").write_text(text)
    for path in (place(there), *place(there).rglob("*")):
        os.chown(path, 1000, 1000, follow_symlinks=False)


def letter(there: Keeper) -> str:
    return (place(there) / "letter").read_text()


def result(done: subprocess.CompletedProcess[bytes]) -> Any:
    return json.loads(done.stdout)
