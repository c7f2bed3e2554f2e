"""`modulux pull`: a desktop and its modules' images from a registry."""

from __future__ import annotations

from typing import Annotated

from cyclopts import Parameter

from modulux.carry.exporting import alone
from modulux.carry.layout import Layout
from modulux.carry.registry import SKOPEO, Registry, fetch
from modulux.cli.common import Common, DesktopName, Yes, ask
from modulux.cli.import_ import TRUST, prepare_engine, take
from modulux.cli.push import PLAIN, TAG
from modulux.host.packages import ensure, missing
from modulux.paths import cache


def pull(
    name: DesktopName,
    registry: str,
    *,
    tag: TAG = "latest",
    as_: Annotated[DesktopName | None, Parameter(name="--as", help="what it is to be called here")] = None,
    trust: TRUST = False,
    plain_http: PLAIN = False,
    yes: Yes = False,
    common: Common | None = None,
) -> None:
    """Make a desktop that `push` put into a registry. `modulux up NAME` then starts it; nothing is built.

    Parameters
    ----------
    name
        the desktop's name in the registry
    registry
        where: HOST[:PORT][/PREFIX]
    """
    common = common or Common()
    place = Registry.of(registry, plain=plain_http)
    ensure(missing([SKOPEO]), yes, ask)
    prepare_engine(common, yes)
    layout = Layout(cache() / "carry" / f"pull.{name}")
    with alone(layout.folder):
        source = fetch(common.driver, name, place, tag=tag, layout=layout, report=common.report)
        take(common, source, name=as_, trust=trust)
        layout.remove()
