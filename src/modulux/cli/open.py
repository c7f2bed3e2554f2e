"""`modulux open`: fresh ways into a running desktop."""

from __future__ import annotations

import dataclasses
import webbrowser
from typing import Annotated

from cyclopts import Parameter

from modulux.cli.common import Common, DesktopName
from modulux.cli.ways import show_ways
from modulux.desktop.link import ways
from modulux.desktop.state import existing


def open_way(
    name: DesktopName,
    *,
    browse: Annotated[bool, Parameter(help="open the link in this machine's browser")] = False,
    common: Common | None = None,
) -> None:
    """Print a fresh link for the browser and a fresh password for a VNC client.

    Parameters
    ----------
    name
        the desktop's name
    """
    common = common or Common()
    into = ways(common.driver, existing(common.driver, name), common.catalog.interfaces)
    if browse and into.browser:
        webbrowser.open(into.browser)
    common.result(dataclasses.asdict(into), lambda console: show_ways(console, name, into, common.flags))
