"""The record of a desktop that is carried: all about it but its bytes. It is the configuration of the desktop's manifest."""

from __future__ import annotations

import platform
from typing import Annotated, Any

from pydantic import Field

from modulux import __version__
from modulux.carry import layout as form
from modulux.carry.layout import Blob
from modulux.carry.source import Source
from modulux.errors import DamagedError, FileError, HostError, NewerError
from modulux.model.base import Model
from modulux.model.desktop import Desktop
from modulux.model.module import ModuleId
from modulux.model.units import Name
from modulux.resolve.files import validate

Digest = Annotated[str, Field(pattern=r"^sha256:[0-9a-f]{64}$")]
Reference = Annotated[str, Field(pattern=r"^localhost/modulux/[a-z-]+/[a-z0-9-]+:[0-9a-f]{12}$")]
Part = Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9_.-]*$", max_length=128)]
"""A volume's name after the desktop's."""

ARCHITECTURES = {"x86_64": "amd64", "aarch64": "arm64", "riscv64": "riscv64", "ppc64le": "ppc64le", "s390x": "s390x"}


class ImageRecord(Model):
    """A module's image: its reference, its manifest in the layout, its id in an engine."""

    module: ModuleId
    reference: Reference
    manifest: Digest | None = None
    id: Digest | None = None


class VolumeRecord(Model):
    """A volume: how many blobs its tar is divided into, and bytes of that tar."""

    name: Part
    parts: int = Field(ge=0, le=1_000_000)
    size: int = Field(ge=0)


class Record(Model):
    """A desktop that is carried. `images` is empty when they stay behind, `volumes` when the data does."""

    format: int
    desktop: Name
    platform: str
    made_by: str
    file: dict[str, Any]
    locked: list[ImageRecord] = Field(description="every image of the desktop, carried or not")
    images: bool
    volumes: list[VolumeRecord]

    @property
    def composition(self) -> Desktop:
        """The desktop file.

        Raises:
            DamagedError: it is none.
        """
        try:
            return validate(self.file, Desktop, f"the desktop `{self.desktop}`")
        except FileError as error:
            raise DamagedError(f"the desktop file in it is wrong: {error}", hint=error.hint) from None


def here() -> str:
    """This machine's platform, as images name it."""
    machine = platform.machine()
    return f"linux/{ARCHITECTURES.get(machine, machine)}"


def made_by() -> str:
    """This Modulux and its version."""
    return f"modulux {__version__}"


def read(source: Source) -> tuple[Blob, dict[str, Any], Record]:
    """The first manifest of the source, its content, and the record that it leads to.

    Raises:
        NewerError: a newer Modulux made it.
        HostError: it is for another kind of machine.
        DamagedError: it is not one of ours.
    """
    first = source.manifests[0]
    manifest = source.document(first)
    notes = manifest.get("annotations")
    version = str(notes.get(form.CARRIED, "")) if isinstance(notes, dict) else ""
    if not version.isascii() or not version.isdigit():
        raise DamagedError("it is no desktop that Modulux wrote", hint="modulux export NAME -o FILE writes one")
    _not_newer(int(version[:9]))
    config = Blob.of(manifest.get("config"))
    if manifest.get("artifactType") != form.DESKTOP or config.media != form.DESKTOP:
        raise DamagedError("its first manifest is no desktop's")
    data = source.document(config)
    if isinstance(data.get("format"), int):
        _not_newer(data["format"])
    try:
        record = validate(data, Record, "its record")
    except FileError as error:
        raise DamagedError(f"it is no desktop that Modulux wrote: {error}") from None
    if record.platform != here():
        raise HostError(f"it is for {record.platform}, and this machine is {here()}", hint="export it --without-images")
    return first, manifest, record


def _not_newer(version: int) -> None:
    if version > form.FORMAT:
        raise NewerError(
            f"a newer Modulux made it (format {version}; this one, {made_by()}, reads up to {form.FORMAT})",
            hint="update Modulux on this machine",
        )
