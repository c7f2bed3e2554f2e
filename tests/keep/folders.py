"""An engine whose volumes are plain folders and which has no containers: all of keeping but the containers, in a moment."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import stat
from collections.abc import Sequence
from pathlib import Path

from modulux.desktop import switch
from modulux.engine.commandline import CommandLineEngine
from modulux.engine.protocol import Detail, Named, State
from modulux.keep.backup import Backup, Task, backup
from modulux.keep.restic import Repository
from modulux.keep.restore import renamed, replace, restore_volumes, target_of
from modulux.keep.shop import Source, Workshop
from modulux.model.desktop import Desktop
from modulux.model.plan import Plan, Volume
from modulux.report import silent

PASSWORD = b"open sesame"


class FolderEngine(CommandLineEngine):
    """Below `root` each volume is NAME/_data, with its labels beside it."""

    name = "folders"

    def __init__(self, root: Path) -> None:
        super().__init__()
        self.root = root

    def containers(self, prefix: str) -> list[State]:
        return []

    def networks(self, prefix: str) -> list[Named]:
        return []

    def details(self, containers: Sequence[str]) -> list[Detail]:
        return []

    def image_ids(self, references: Sequence[str]) -> dict[str, str]:
        return {}

    def volumes(self, prefix: str) -> list[Named]:
        found = sorted(p for p in self.root.iterdir() if p.name.startswith(prefix))
        return [Named(p.name, json.loads((p / "labels").read_text())) for p in found]

    def volume_paths(self, volumes: Sequence[str]) -> dict[str, Path]:
        return {v: self.root / v / "_data" for v in volumes if (self.root / v).is_dir()}

    def near_argv(self, command: Sequence[str]) -> list[str]:
        return list(command)

    def filled_volume_argv(self, volume: Volume) -> list[str]:
        return [volume.name, json.dumps(volume.labels)]

    def make(self, argv: Sequence[str]) -> str:
        name, labels = argv
        beside = self.root / f".{name}"
        shutil.rmtree(beside, ignore_errors=True)
        (beside / "_data").mkdir(parents=True)
        (beside / "labels").write_text(labels)
        beside.rename(self.root / name)
        return ""

    def remove(self, kind: str, names: Sequence[str]) -> None:
        for name in names:
            gone = self.root / f".{name}"
            shutil.rmtree(gone, ignore_errors=True)
            (self.root / name).rename(gone)
            shutil.rmtree(gone)

    def tidy(self, prefix: str) -> None:
        return

    # -- for tests ---------------------------------------------------------------------------------------------------

    def volume(self, desktop: str, part: str) -> Path:
        """The folder of a desktop's volume, made when it is not there."""
        name = f"modulux.{desktop}.{part}"
        if not (self.root / name).is_dir():
            self.make([name, json.dumps(switch.labels(desktop, kept=True))])
        return self.root / name / "_data"

    def tree(self, desktop: str) -> dict[str, object]:
        """All that the desktop's volumes hold; what is laid beside them is none of them."""
        kept = [v.name for v in self.volumes(f"modulux.{desktop}.") if v.labels["io.modulux.kept"] == "true"]
        return {name.removeprefix(f"modulux.{desktop}."): tree(self.root / name / "_data") for name in kept}


def tree(root: Path) -> dict[str, object]:
    """Everything below a folder and the folder itself: kind, mode, owner, time, content, extended attributes, what is linked."""
    found: dict[str, object] = {}
    numbers: dict[int, str] = {}
    top = os.fsencode(root)
    paths = [top]
    for folder, folders, files in os.walk(top):
        paths += [folder + b"/" + name for name in (*folders, *files)]
    for path in sorted(paths):
        info = os.lstat(path)
        if stat.S_ISSOCK(info.st_mode):
            continue
        name = os.fsdecode(path[len(top) :])
        content = ""
        if stat.S_ISREG(info.st_mode):
            content = hashlib.sha256(Path(os.fsdecode(path)).read_bytes()).hexdigest()
        elif stat.S_ISLNK(info.st_mode):
            content = os.fsdecode(os.readlink(path))  # noqa: PTH115  bytes
        linked = numbers.setdefault(info.st_ino, name) if stat.S_ISREG(info.st_mode) else name
        attributes = sorted(
            (key, os.getxattr(path, key, follow_symlinks=False).hex()) for key in os.listxattr(path, follow_symlinks=False)
        )
        mtime = info.st_mtime_ns if not stat.S_ISLNK(info.st_mode) else 0  # restic 0.14 does not set a link's time
        holes = stat.S_ISREG(info.st_mode) and info.st_size - info.st_blocks * 512 > 500_000
        found[name] = [oct(info.st_mode), info.st_uid, info.st_gid, mtime, content, linked, attributes, holes]
    return found


def fill(home: Path, documents: Path) -> None:
    """Files as people have them, and as they have them by accident."""
    (home / ".config/deep/er").mkdir(parents=True)
    (home / ".config/deep/er/settings").write_text("a=1\n")
    (home / "empty").mkdir(mode=0o700)
    (home / "none").write_bytes(b"")
    Path(os.fsdecode(os.fsencode(home) + b"/caf\xe9 \xff")).write_text("not UTF-8")
    (home / "two\nlines\tand [*?] \\").write_text("odd")
    (home / "link").symlink_to("nowhere/at all")
    (home / "run.sh").write_text("#!/bin/sh\n")
    (home / "run.sh").chmod(0o4750)
    (home / "one").write_text("linked")
    (home / "other").hardlink_to(home / "one")
    with (home / "sparse").open("wb") as file:
        file.truncate(3_000_000)
        file.seek(1_000_000)
        file.write(b"in the middle")
    os.mkfifo(home / "pipe", 0o600)
    (documents / "letter.odt").write_bytes(os.urandom(200_000))
    os.setxattr(documents / "letter.odt", "user.rating", b"5\0stars")
    os.utime(documents / "letter.odt", ns=(1, 981_173_106_123_456_789))
    for top in (home, documents):
        for path in [top, *top.rglob("*")]:
            os.chown(path, 1000, 1000, follow_symlinks=False)
    (home / "run.sh").chmod(0o4750)
    (documents / "roots").write_text("somebody else's")
    os.utime(home / ".config", ns=(1, 1_000_000_000_000_000_000))
    home.chmod(0o711)
    os.utime(home, ns=(1, 1_100_000_000_000_000_001))


class World:
    """A desktop `a` in folders, and a repository."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        (folder / "volumes").mkdir(exist_ok=True)
        self.engine = FolderEngine(folder / "volumes")
        self.repository = Repository(str(folder / "repository"), PASSWORD)
        self.file = Desktop.model_validate({"name": "a", "display": "xvfb", "sessions": ["openbox"]})

    @property
    def home(self) -> Path:
        return self.engine.volume("a", "openbox.home")

    @property
    def documents(self) -> Path:
        return self.engine.volume("a", "share.Documents")

    def plan(self, desktop: Desktop) -> Plan:
        return Plan(desktop.name, (), (), (), ())

    def backup(self, *tags: str) -> Backup:
        return backup(Task(self.engine, self.repository, "a", self.plan, self.file, tags), silent)

    @property
    def shop(self) -> Workshop:
        return Workshop(self.engine, self.repository, self.plan, lambda _: None, silent)

    def source(self, word: str = "latest") -> Source:
        return Source(self.repository, self.repository.find(word))

    def restore(self, word: str = "latest", name: str | None = None) -> None:
        source = self.source(word)
        target = target_of(self.engine, source.manifest, name)
        restore_volumes(self.shop, source, target)
        replace(self.shop, target, source.parts, renamed(source.manifest.model(), target.name))
        switch.discard(self.engine, target.name)
