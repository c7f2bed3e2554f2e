"""`modulux push`: a desktop and its modules' images into a registry."""

from __future__ import annotations

from typing import Annotated

from cyclopts import Parameter

from modulux.carry.registry import SKOPEO, Registry
from modulux.carry.registry import push as push_to
from modulux.cli.common import Common, Yes, ask
from modulux.cli.export import built, said, summary, what_of
from modulux.host.packages import ensure, missing

PLAIN = Annotated[bool, Parameter(help="without TLS; on the loopback that goes without saying")]
"""The flag by which a registry is spoken to without encryption."""

TAG = Annotated[str, Parameter(help="of the desktop")]
"""Which one of several under a name."""


def push(
    desktop: str,
    registry: str,
    *,
    tag: TAG = "latest",
    with_data: Annotated[bool, Parameter(help="homes and shares as well")] = False,
    without_images: Annotated[bool, Parameter(help="they are built where it is pulled")] = False,
    plain_http: PLAIN = False,
    yes: Yes = False,
    common: Common | None = None,
) -> None:
    """Put a desktop and its modules' images into a registry, as OCI artifacts; `pull` makes the same desktop of them elsewhere.

    A registry asks for a login: `skopeo login REGISTRY` once, or what `podman login` or `docker login` left.

    Parameters
    ----------
    desktop
        the name of a desktop that runs, or as for `up`: a ready-made one's name, or a desktop file
    registry
        where: HOST[:PORT][/PREFIX]
    """
    common = common or Common()
    place = Registry.of(registry, plain=plain_http)
    what = what_of(common, desktop, images=not without_images, data=with_data)
    ensure(missing([SKOPEO]), yes, ask)
    built(common, what, yes)
    gathered = push_to(common.driver, what, place, tag=tag, report=common.report)
    where = place.desktop(what.desktop.name, tag).removeprefix("docker://")
    data = {"desktop": what.desktop.name, "place": where, **summary(gathered)}
    common.result(data, lambda console: console.print(f"{where}: {said(gathered)}", markup=False))
