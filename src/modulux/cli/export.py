"""`modulux export`: a desktop in one file, or in the form that another system takes."""

from __future__ import annotations

import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

from cyclopts import Parameter

from modulux.carry import forms as shapes
from modulux.carry.exporting import Gathered, What, to_file, to_stream
from modulux.carry.forms import Form
from modulux.carry.kubernetes import Cluster
from modulux.cli.common import Common, Yes, counted, find_desktop, host_facts, read_desktop
from modulux.cli.host import prepare_host
from modulux.cli.known import recorded
from modulux.errors import UsageError
from modulux.images.build import build
from modulux.model.desktop import Desktop
from modulux.model.units import parse_size
from modulux.resolve.plan import resolve


@Parameter(name="*", group="Forms for other systems")
@dataclass
class Forms:
    """Flags that choose a form."""

    kubernetes: Annotated[bool, Parameter(help="manifests: FILE, or `-`")] = False
    compose: Annotated[bool, Parameter(help="a Compose project: FILE, or `-`")] = False
    quadlet: Annotated[bool, Parameter(help="systemd units by Podman's generator: a folder")] = False
    registry: Annotated[str | None, Parameter(help="with --kubernetes: where `push` put the images")] = None
    storage_class: Annotated[str | None, Parameter(help="with --kubernetes")] = None
    storage_size: Annotated[str, Parameter(help="with --kubernetes: of each volume that holds data")] = "10g"

    @property
    def form(self) -> Form | None:
        """The one that was chosen.

        Raises:
            UsageError: several were.
        """
        chosen = [form for form in Form if getattr(self, form)]
        if len(chosen) > 1:
            raise UsageError(f"--{chosen[0]} and --{chosen[1]} are two things", hint="one at a time")
        return chosen[0] if chosen else None

    @property
    def cluster(self) -> Cluster:
        """What the manifests are told."""
        try:
            size = parse_size(self.storage_size)
        except ValueError as error:
            raise UsageError(f"--storage-size {self.storage_size}: {error}") from None
        return Cluster(self.registry.rstrip("/") if self.registry else None, size, self.storage_class)


def composition(common: Common, word: str) -> Desktop:
    """The desktop that `word` means: one that is there, by what it was last made from; else a file or a known name."""
    if not Path(word).is_file() and (known := recorded(common, word)) is not None:
        return known
    return read_desktop(find_desktop(word))


def what_of(common: Common, word: str, *, images: bool, data: bool) -> What:
    """The desktop with its plan and modules."""
    desktop = composition(common, word)
    catalog = common.catalog_for(desktop.name)
    return What(desktop, resolve(desktop, catalog, host_facts()), catalog, images, data)


def built(common: Common, what: What, yes: bool) -> None:
    """See to it that the images are there, if they are to be carried."""
    if what.images:
        prepare_host(common, yes)
        build(what.plan.images, what.catalog, common.driver, common.sources, common.report)


def export_desktop(
    desktop: str,
    *,
    output: Annotated[Path, Parameter(alias="-o", help="what to write; `-` is stdout", allow_leading_hyphen=True)],
    without_images: Annotated[bool, Parameter(help="they are built where it is imported")] = False,
    without_data: Annotated[bool, Parameter(help="homes and shares stay here")] = False,
    forms: Forms | None = None,
    yes: Yes = False,
    common: Common | None = None,
) -> None:
    """Write a desktop with modules, images and data into one file, from which `import` makes the same desktop elsewhere.

    A running desktop stands still while its data is read. With --kubernetes, --compose or --quadlet the desktop is written as
    another system takes it, without its data.

    Parameters
    ----------
    desktop
        the name of a desktop that runs or is down, or as for `up`: a ready-made one's name, or a desktop file
    """
    common, forms = common or Common(), forms or Forms()
    to_stdout = str(output) == "-"
    if to_stdout and common.json:
        raise UsageError("`-o -` and --json both want stdout", hint="-o FILE")
    if form := forms.form:
        _write_form(common, desktop, form, forms.cluster, output)
        return
    if to_stdout and sys.stdout.isatty():
        raise UsageError("`-o -` would write an archive to this terminal", hint="-o FILE, or `-o - | …`")
    what = what_of(common, desktop, images=not without_images, data=not without_data)
    built(common, what, yes)
    if to_stdout:
        to_stream(common.driver, what, sys.stdout.buffer, common.report)
        return
    gathered, size = to_file(common.driver, what, output, common.report)
    common.result(
        {"desktop": what.desktop.name, "file": str(output), "bytes": size, **summary(gathered)},
        lambda console: console.print(
            f"{output}: {size / 1e6:,.0f} MB, {said(gathered)}\n  digest  {gathered.manifest.digest}", markup=False
        ),
    )


def _write_form(common: Common, word: str, form: Form, cluster: Cluster, output: Path) -> None:
    what = what_of(common, word, images=False, data=False)
    texts = shapes.files(
        form, what.plan, cluster=cluster, ulimits=common.driver.ulimits, name=output.name, folder=str(output.resolve())
    )
    if str(output) == "-":
        if form is Form.QUADLET:
            raise UsageError("units are several files", hint="-o FOLDER")
        sys.stdout.write(texts[output.name])
        return
    paths = shapes.write(texts, output if form is Form.QUADLET else output.parent)
    data = {"desktop": what.desktop.name, "form": form, "files": [str(path) for path in paths]}
    common.result(data, lambda console: console.print(f"{output}: {counted(len(paths), 'file')}", markup=False))


def summary(gathered: Gathered) -> dict[str, object]:
    """What was carried, for JSON."""
    record = gathered.record
    return {
        "digest": gathered.manifest.digest,
        "images": [image.reference for image in record.locked] if record.images else [],
        "volumes": [volume.name for volume in record.volumes],
        "data_bytes": gathered.size,
        "frozen_seconds": round(gathered.frozen, 3),
    }


def said(gathered: Gathered) -> str:
    """What was carried, for a person."""
    record = gathered.record
    images = counted(len(record.locked), "image") if record.images else "no images"
    data = f"{counted(len(record.volumes), 'volume')} ({gathered.size / 1e6:,.1f} MB)" if record.volumes else "no data"
    still = f"; it stood still for {gathered.frozen:.1f} s" if gathered.frozen else ""
    return f"{images}, {data}{still}"
