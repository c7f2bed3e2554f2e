"""Which displays, sessions and viewers the contracts call possible. Pure."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from modulux.errors import ResolveError
from modulux.model.desktop import Desktop, Use
from modulux.model.module import Role
from modulux.model.plan import Container, Plan
from modulux.resolve.catalog import Catalog
from modulux.resolve.plan import HostFacts, resolve

NAME = "matrix"
"""The throw-away desktop that each is started as."""

TERMINAL = "terminal"
"""The app that text is typed into."""


@dataclass(frozen=True)
class Pair:
    """A display (none where the session is one), a session, and a viewer (none where the display shows itself)."""

    display: str | None
    session: str
    viewer: str | None

    @property
    def name(self) -> str:
        return " + ".join([self.display or "(itself)", self.session, self.viewer or "(itself)"])


def pairs(catalog: Catalog) -> list[Pair]:
    """All that resolve to a picture that can be looked at: over RFB, or as Xpra shows it."""
    return list(_possible(catalog))


def _possible(catalog: Catalog) -> Iterator[Pair]:
    def names(role: Role) -> list[str]:
        return [id.partition("/")[2] for id in catalog.ids if id.startswith(f"{role}/")]

    nested = {catalog.module(f"display/{name}").contract.nested for name in names(Role.DISPLAY)}
    displays: list[str | None] = [None, *(name for name in names(Role.DISPLAY) if name not in nested)]
    # What is like another viewer is the same program told otherwise, such as one that only shows.
    viewers = [name for name in names(Role.VIEWER) if not catalog.module(f"viewer/{name}").contract.like]
    for display in displays:
        for session in names(Role.SESSION):
            for viewer in [None, *viewers]:
                pair = Pair(display, session, viewer)
                if _shows(pair, catalog):
                    yield pair


def _shows(pair: Pair, catalog: Catalog) -> bool:
    try:
        plan = resolve(desktop_of(pair, catalog), catalog, HostFacts())
    except ResolveError:
        return False
    return seen_by(plan, pair) is not None


def seen_by(plan: Plan, pair: Pair) -> Container | None:
    """The container through which the pair is seen, by RFB or by its own page."""
    shown = f"viewer/{pair.viewer}" if pair.viewer else f"display/{pair.display}" if pair.display else f"session/{pair.session}"
    return next((c for c in plan.containers if {"rfb", "page"} & set(c.sockets) and c.module == shown), None)


def desktop_of(pair: Pair, catalog: Catalog) -> Desktop:
    """The desktop that tries the pair out: with a terminal, and the services that the session requires.

    Raises:
        ResolveError: there is no such module.
    """
    session = catalog.module(f"session/{pair.session}").contract
    return Desktop(
        name=NAME,
        display=Use(module=pair.display) if pair.display else None,
        sessions=[Use(module=pair.session)],
        viewer=[Use(module=pair.viewer)] if pair.viewer else [],
        gateway=None,
        services=[Use(module=name) for name in catalog.services(session)],
        apps=[Use(module=TERMINAL)],
    )
