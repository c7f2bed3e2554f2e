"""Desktop → which modules stand on which screen: the first session's, and one for each session that is nested or separate."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from modulux.errors import ResolveError
from modulux.model.desktop import Desktop, Use
from modulux.model.module import Module, Role
from modulux.resolve.catalog import Catalog, Found
from modulux.resolve.files import line_of

Place = tuple[str | int, ...]
"""The keys under which a desktop file names a module: `("apps", 2)`; a single value counts as a list of one."""

KEYS = {Role.SERVICE: "services", Role.SESSION: "sessions", Role.APP: "apps"}
"""The keys of a desktop file that are not simply the role."""

DISPLAYS = ("x11", "wayland")
"""Interfaces that make a module a display: a session that provides one, and requires none, needs no display beside it."""


def key_of(role: Role) -> str:
    """The key of a desktop file under which modules of this role stand."""
    return KEYS.get(role, str(role))


def line(file: str | None, *places: Place) -> int | None:
    """The line of the first of these places that the desktop's file has; what it leaves to a default has none."""
    lines = (line_of(Path(file), *place) for place in places if file is not None)
    return next((found for found in lines if found is not None), None)


@dataclass(frozen=True)
class Wanted:
    """A module and where it stands.

    Attributes:
        session: whose home and bus it has; of an untrusted app its own name, which nobody shares.
        screen: the first session on its screen.
        outer: of a nested display, the screen on which it is a window. Of a session that fills the display it stands on and
            is one itself (a Wayland compositor), its own screen.
        guest: a session on another's screen.
        alone: an untrusted app: nothing of the desktop's but its screen and the fonts.
    """

    role: Role
    place: Place
    use: Use
    session: str
    screen: str
    outer: str | None = None
    guest: bool = False
    alone: bool = False


@dataclass
class Screen:
    """A display with what stands on it."""

    name: str
    display: Use | None
    place: Place
    nested: str | None
    outer: str | None = None
    viewers: list[tuple[Place, Use]] = field(default_factory=list)
    sessions: list[tuple[Place, Use]] = field(default_factory=list)


def _is_display(contract: Module) -> bool:
    return any(name in DISPLAYS for name in contract.provides)


class Layout:
    """Lays a desktop out.

    Raises:
        ResolveError: an arrangement that a session or display cannot have, an app of a session that is not there, no display.
    """

    def __init__(self, desktop: Desktop, catalog: Catalog, file: str | None) -> None:
        self.desktop = desktop
        self.catalog = catalog
        self.file = file
        self.main = desktop.sessions[0].module
        self.screens: list[Screen] = []
        self.home: dict[str, Screen] = {}  # by session
        for number, use in enumerate(desktop.sessions):
            self._session(("sessions", number), use, first=number == 0)
        self.alone = [self._alone(("apps", n), use) for n, use in enumerate(desktop.apps) if use.trust == "none"]

    def found(self, role: Role, place: Place, name: str) -> Found:
        """The module; an error says where the desktop names it."""
        try:
            return self.catalog.module(f"{role}/{name}")
        except ResolveError as error:
            if error.file is None:
                error.file, error.line = self.file, line(self.file, place)
            raise

    def wanted(self) -> Iterator[Wanted]:
        """Every module, the providers of common things first."""
        for screen in self.screens:
            if screen.display is not None:
                yield Wanted(Role.DISPLAY, screen.place, screen.display, screen.name, screen.name, screen.outer)
        yield from self._common(Role.SERVICE, [(("services", n), use) for n, use in enumerate(self.desktop.services)])
        for screen in self.screens:
            for number, (place, use) in enumerate(screen.sessions):
                outer = screen.name if number == 0 and self._fills(place, use) else None
                yield Wanted(Role.SESSION, place, use, use.module, screen.name, outer, guest=number > 0)
        for screen in self.screens:
            for place, use in screen.viewers:
                yield Wanted(Role.VIEWER, place, use, screen.name, screen.name)
        yield from self._apps()
        for role, one in ((Role.AUDIO, self.desktop.audio), (Role.INPUT_METHOD, self.desktop.input_method)):
            yield from self._common(role, [((key_of(role),), one)] if one is not None else [])
        if self.desktop.gateway is not None:
            yield Wanted(Role.GATEWAY, ("gateway",), self.desktop.gateway, self.main, self.main)

    def _apps(self) -> Iterator[Wanted]:
        for number, use in enumerate(self.desktop.apps):
            place: Place = ("apps", number)
            if use.trust == "none":
                yield Wanted(Role.APP, place, use, use.module, use.module, alone=True)
                continue
            session = use.session or self.main
            if session not in self.home:
                raise self._error(
                    f"`{use.module}` belongs to the session `{session}`, which is not here",
                    (*place, "session"),
                    f"the sessions are: {', '.join(self.home)}",
                )
            yield Wanted(Role.APP, place, use, session, self.home[session].name)

    def _common(self, role: Role, uses: list[tuple[Place, Use]]) -> Iterator[Wanted]:
        """Services and the like: one for the desktop, or for each screen or session, as the contract says."""
        for place, use in uses:
            per = self.found(role, place, use.module).contract.per
            if per == "session":
                where = [(session, screen.name) for session, screen in self.home.items()]
            elif per == "screen":
                where = [(screen.name, screen.name) for screen in self.screens if screen.sessions]
            else:
                where = [(self.main, self.main)]
            for session, screen_name in where:
                yield Wanted(role, place, use, session, screen_name)

    def _session(self, place: Place, use: Use, *, first: bool) -> None:
        contract = self.found(Role.SESSION, place, use.module).contract
        own_display = _is_display(contract) and not self._fills(place, use)
        if first:
            if use.arrange is not None and use.arrange != "shared":
                raise self._error(
                    f"`{use.module}` is the first session, so it cannot be {use.arrange}",
                    (*place, "arrange"),
                    "say it of the second",
                )
            screen = self._own(use, place, own_display)
        else:
            arrange = use.arrange or contract.arrange[0]
            if arrange not in contract.arrange:
                instead = f"it can be {' or '.join(contract.arrange)}" if contract.arrange else "name it first"
                raise self._error(
                    f"`{use.module}` cannot be {arrange} as a second session",
                    (*place, "arrange"),
                    f"{instead}; or name `{use.module}` first and share its screen with the other",
                )
            if arrange == "shared":
                screen = self.screens[0]
            elif arrange == "nested":
                screen = self._nested(use.module, self.screens[0], use.module, (*place, "arrange"))
            else:
                screen = self._own(use, place, own_display)
        screen.sessions.append((place, use))
        self.home[use.module] = screen

    def _fills(self, place: Place, use: Use) -> bool:
        """Whether the session is a display that needs another to be shown on."""
        contract = self.found(Role.SESSION, place, use.module).contract
        return _is_display(contract) and any(name in DISPLAYS for name in contract.requires)

    def _own(self, use: Use, place: Place, own_display: bool) -> Screen:
        """A whole screen: the desktop's display, or the session itself, with its viewers."""
        display = self.desktop.display
        if own_display:
            shows = self.found(Role.SESSION, place, use.module)
            display = display if not self.screens else None
        elif display is None:
            raise self._error(f"`{use.module}` needs a `display:`", place, f"there are: {', '.join(self._displays())}")
        else:
            shows = self.found(Role.DISPLAY, ("display",), display.module)
        self._fits(shows)
        named = self.desktop.viewer
        viewers: list[tuple[Place, Use]] = [(("viewer", n), v) for n, v in enumerate(named or [])]
        if named is None and shows.contract.viewer is not None:
            viewers = [(("viewer",), Use(module=shows.contract.viewer))]
        screen = Screen(use.module, display, ("display",), shows.contract.nested, None, viewers)
        self.screens.append(screen)
        return screen

    def _nested(self, name: str, outer: Screen, module: str, place: Place) -> Screen:
        if outer.nested is None:
            shown = outer.display.module if outer.display else outer.name
            raise self._error(
                f"`{module}` cannot be a window on `{shown}`, which nests no display",
                place,
                "`arrange: separate` gives it a screen of its own" if module in self.home else "take a display such as xvfb",
            )
        title = {"title": name, "wm": True} if module not in {use.module for use in self.desktop.sessions} else {"title": name}
        known = self.found(Role.DISPLAY, place, outer.nested).contract.params
        params = {key: value for key, value in title.items() if key in known}
        display = Use.model_validate({"module": outer.nested, **params})
        screen = Screen(name, display, place, None, outer.name)
        self.screens.append(screen)
        return screen

    def _alone(self, place: Place, use: Use) -> Screen:
        return self._nested(use.module, self.screens[0], use.module, (*place, "trust"))

    def _fits(self, shows: Found) -> None:
        largest, screen = shows.contract.largest_screen, self.desktop.screen
        if largest is not None and (screen.width > largest.width or screen.height > largest.height):
            raise self._error(f"`{shows.name}` has no screen of {screen}", ("screen",), f"its largest is {largest}")

    def _displays(self) -> list[str]:
        return [id.partition("/")[2] for id in self.catalog.ids if id.startswith("display/")]

    def _error(self, message: str, place: Place, hint: str) -> ResolveError:
        return ResolveError(message, file=self.file, line=line(self.file, place), hint=hint)
