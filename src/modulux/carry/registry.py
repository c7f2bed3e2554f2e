"""Desktops and their modules' images in a registry, as OCI artifacts, by skopeo.

skopeo brings what a registry asks for: logins, certificates, uploads that go on where they were cut off. Each module is a
repository below the given place, `PLACE/ROLE/NAME`, and each desktop `PLACE/desktop/NAME`; both sides skip what is there.
"""

from __future__ import annotations

import ipaddress
import re
import shutil
from collections.abc import Sequence
from dataclasses import dataclass

from modulux import run
from modulux.carry import layout as form
from modulux.carry.exporting import Gathered, What, alone, gather
from modulux.carry.layout import Blob, Layout
from modulux.carry.record import read
from modulux.carry.source import Source
from modulux.engine.protocol import Engine
from modulux.errors import DamagedError, HostError, RegistryError, UsageError
from modulux.host.packages import Need
from modulux.paths import cache
from modulux.report import Count, Report, step
from modulux.resolve.catalog import REPOSITORY

SKOPEO = Need("skopeo", "talks to registries", ("skopeo",))

_PLACE = re.compile(r"(?P<host>[A-Za-z0-9.-]+|\[[0-9a-f:]+\])(?P<port>:[0-9]{1,5})?(?P<path>(/[a-z0-9]+([._-]+[a-z0-9]+)*)*)")
_TAG = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.-]{0,127}")


@dataclass(frozen=True)
class Registry:
    """Where images lie: `HOST[:PORT][/PREFIX]`.

    plain: without TLS; on this machine's own loopback that goes without saying.
    """

    place: str
    plain: bool = False

    @classmethod
    def of(cls, place: str, *, plain: bool = False) -> Registry:
        """Raises UsageError when it is no place."""
        match = _PLACE.fullmatch(place.rstrip("/"))
        if not match:
            raise UsageError(f"`{place}` is no registry", hint="HOST[:PORT][/PREFIX], such as registry.example.org/desktops")
        return cls(place.rstrip("/"), plain or _loopback(match["host"]))

    def image(self, reference: str) -> str:
        """Where the image of this reference lies."""
        return f"docker://{self.place}{reference.removeprefix(REPOSITORY)}"

    def desktop(self, name: str, tag: str) -> str:
        """Where the desktop lies."""
        if not _TAG.fullmatch(tag):
            raise UsageError(f"`{tag}` is no tag", hint="letters, digits, and _ . - within")
        return f"docker://{self.place}/desktop/{name}:{tag}"


def _loopback(host: str) -> bool:
    try:
        return host == "localhost" or ipaddress.ip_address(host.strip("[]")).is_loopback
    except ValueError:
        return False


def push(engine: Engine, what: What, registry: Registry, *, tag: str, report: Report) -> Gathered:
    """Put the desktop and its images into the registry.

    Raises:
        RegistryError: it refused.
    """
    target = registry.desktop(what.desktop.name, tag)
    layout = Layout(cache() / "carry" / f"push.{what.desktop.name}")
    with alone(layout.folder):
        gathered = gather(engine, what, layout, report)
        manifests = Source.folder(layout.folder).manifests
        names = [blob.annotations[form.REF_NAME] for blob in manifests]
        places = [target, *(registry.image(name) for name in names[1:])]
        with step(report, "push", f"pushing to {registry.place}"):
            for count, (name, place) in enumerate(reversed(list(zip(names, places, strict=True)))):  # the desktop last
                _copy([f"oci:{layout.folder}:{name}", place], ["--preserve-digests", _tls("dest", registry)])
                report(Count(count + 1, len(names), "pushed"))
        layout.remove()
    return gathered


def fetch(engine: Engine, name: str, registry: Registry, *, tag: str, layout: Layout, report: Report) -> Source:
    """Get the desktop, and those of its images that the engine does not have; what was fetched before is not fetched again.

    Raises:
        RegistryError: it refused, or holds no such desktop.
        DamagedError, NewerError: what it holds is not to be used.
    """
    layout.start()
    (layout.folder / "index.json").unlink(missing_ok=True)
    place = registry.desktop(name, tag)
    with step(report, "fetch", f"fetching {name} from {registry.place}"):
        _get(place, layout, registry)
        source = Source.folder(layout.folder)
        first, _, record = read(source)
        found: list[Blob] = [first]
        if record.images:
            there = engine.image_ids([image.reference for image in record.locked])
            wanted = [image for image in record.locked if f"sha256:{there.get(image.reference)}" != image.id]
            for count, image in enumerate(wanted):
                if image.manifest is None:
                    raise DamagedError(f"its record does not say which image of {image.module} is meant")
                repository = image.reference.rpartition(":")[0]
                _get(f"{registry.image(repository)}@{image.manifest}", layout, registry)
                report(Count(count + 1, len(wanted), "images"))
                path = layout.path(image.manifest)
                if not path.is_file():
                    raise RegistryError(f"{registry.place} gave another image of {image.module} than the one asked for")
                found.append(Blob(form.MANIFEST, image.manifest, path.stat().st_size, {form.REF_NAME: image.reference}))
    layout.finish(found)
    return Source.folder(layout.folder)


def _get(place: str, layout: Layout, registry: Registry) -> None:
    _copy([place, f"oci:{layout.folder}"], ["--preserve-digests", _tls("src", registry)])


def _tls(side: str, registry: Registry) -> str:
    return f"--{side}-tls-verify={'false' if registry.plain else 'true'}"


def _copy(places: Sequence[str], options: Sequence[str]) -> None:
    if shutil.which("skopeo") is None:
        raise HostError("skopeo is not installed", hint="apt-get install skopeo")
    done = run.run(["skopeo", "copy", "--quiet", "--retry-times", "2", *options, *places])
    if not done.ok:
        lines = [line for line in done.stderr.splitlines() if "level=fatal" in line] or done.stderr.splitlines()
        words = re.search(r'msg="(.*)"$', lines[-1]) if lines else None
        place = next(p for p in places if p.startswith("docker://")).removeprefix("docker://")
        said = words[1].replace('\\"', '"') if words else (lines[-1] if lines else f"exit status {done.status}")
        raise RegistryError(
            f"{place}: {said}", hint="is the name right, and are you logged in (skopeo login)? Run it again to go on"
        )
