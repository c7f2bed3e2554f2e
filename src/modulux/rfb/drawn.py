"""Waiting until a desktop is drawn, by the pictures that come through its viewer."""

from __future__ import annotations

import time
from collections.abc import Sequence

from modulux.errors import NotReadyError
from modulux.rfb.client import Client
from modulux.rfb.picture import Drawn, Picture
from modulux.rfb.stream import Stream


def wait_drawn(source: Stream | Client, areas: Sequence[Drawn], timeout: float) -> Picture:
    """Wait until every area is drawn, looking each time an update comes, and return that picture.

    An area that is `behind` may be covered again by then: of it one picture that came before is enough.

    Args:
        source: a client, which stays open, or a stream, which is greeted here and closed in the end.
        areas: what must be drawn; with none, any first picture will do.
        timeout: seconds.

    Raises:
        NotReadyError: an area was not drawn in time.
        RfbError: the connection broke.
    """
    deadline = time.monotonic() + timeout
    if isinstance(source, Client):
        return _wait(source, areas, deadline, timeout)
    with Client(source, timeout=timeout) as client:
        return _wait(client, areas, deadline, timeout)


def _wait(client: Client, areas: Sequence[Drawn], deadline: float, timeout: float) -> Picture:
    client.request(incremental=False)
    left = list(areas)
    while True:
        if client.wait_update(deadline) is None:
            raise NotReadyError(f"the desktop was not drawn within {timeout:g} s: {_missing(client.picture(), left)}")
        # Asked for before the picture is judged: the server gathers changes meanwhile.
        client.request()
        picture = client.picture()
        left = [area for area in left if not (area.behind and picture.is_drawn([area]))]
        if picture.is_drawn(left):
            return picture


def _missing(picture: Picture, areas: Sequence[Drawn]) -> str:
    missing = picture.undrawn(areas)
    if missing is None:
        return "no picture came"
    area = ", ".join(str(part) for part in missing.area)
    return f"area [{area}] holds {picture.colours(missing.area)} colours of {missing.colours}"
