"""What a snapshot says of itself: `desktop/manifest.json` in it, beside the desktop file, the lock and the pictures."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from ruamel.yaml import YAML

from modulux import __version__
from modulux.errors import DamagedError, NewerError
from modulux.model.desktop import Desktop
from modulux.resolve.files import validate

FORMAT = 1
"""Goes up when an older Modulux could not restore what a newer one keeps."""

MANIFEST = "manifest.json"
LOCK = "lock.json"
FILE = "desktop.yaml"


@dataclass(frozen=True)
class Kept:
    """A volume in the snapshot: its name without the desktop's, where the desktop's modules see it, whose its files are."""

    name: str
    at: str
    owner: int


@dataclass(frozen=True)
class Locked:
    """An image as it was: the module, the reference, the id, and the version of every package."""

    module: str
    reference: str
    id: str
    packages: dict[str, str]


@dataclass(frozen=True)
class Manifest:
    """What is in a snapshot. `images` names the snapshot that holds the images, if they were kept."""

    desktop: str
    engine: str
    taken: str
    running: bool
    file: dict[str, Any]
    volumes: tuple[Kept, ...]
    pictures: tuple[str, ...]  # the screens that have one
    images: str | None
    modules: tuple[str, ...] = ()  # those that are not shipped, whose folders are kept beside

    def model(self) -> Desktop:
        """The desktop file."""
        return validate(self.file, Desktop, f"the desktop `{self.desktop}` of the snapshot")

    def write(self, folder: Path) -> None:
        """Write it, and the desktop file beside it for people."""
        data = {"format": FORMAT, "modulux": __version__, **asdict(self)}
        (folder / MANIFEST).write_text(json.dumps(data, indent=1) + "\n")
        with (folder / FILE).open("w") as file:
            YAML(typ="safe", pure=True).dump(self.file, file)


def read_manifest(text: str) -> Manifest:
    """The manifest in `text`.

    Raises:
        NewerError: a newer version of Modulux wrote it.
        DamagedError: it is none.
    """
    try:
        data = json.loads(text)
        if int(data["format"]) > FORMAT:
            raise NewerError(
                f"the snapshot was made by Modulux {data.get('modulux', '?')}, in a format that {__version__} does not know",
                hint="restore it with that version or a newer one",
            )
        volumes = tuple(Kept(str(v["name"]), str(v["at"]), int(v["owner"])) for v in data["volumes"])
        return Manifest(
            desktop=str(data["desktop"]),
            engine=str(data["engine"]),
            taken=str(data["taken"]),
            running=bool(data["running"]),
            file=dict(data["file"]),
            volumes=volumes,
            pictures=tuple(data["pictures"]),
            images=data["images"],
            modules=tuple(str(m) for m in data.get("modules") or ()),
        )
    except (ValueError, KeyError, TypeError):
        raise DamagedError("what the snapshot says of itself cannot be read", hint="modulux verify SNAPSHOT --read") from None


def write_lock(folder: Path, images: list[Locked]) -> None:
    """Write the lock."""
    (folder / LOCK).write_text(json.dumps({"images": [asdict(image) for image in images]}, indent=1) + "\n")


def read_lock(text: str) -> list[Locked]:
    """The lock in `text`.

    Raises:
        DamagedError: it is none.
    """
    try:
        return [Locked(i["module"], i["reference"], i["id"], dict(i["packages"])) for i in json.loads(text)["images"]]
    except (ValueError, KeyError, TypeError):
        raise DamagedError("the snapshot's lock cannot be read", hint="modulux verify SNAPSHOT --read") from None
