"""Desktop → the placed modules: looked up, parameters checked, interfaces matched, in an order in which they can start."""

from __future__ import annotations

import graphlib
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from modulux.errors import ResolveError
from modulux.model.desktop import Desktop, Use
from modulux.model.module import Role, Scalar
from modulux.resolve.catalog import Catalog, Found
from modulux.resolve.files import close_to, line_of

Place = tuple[str | int, ...]
"""The keys under which a desktop file names a module: `("apps", 2)`; a single value counts as a list of one."""

KEYS = {Role.SERVICE: "services", Role.SESSION: "sessions", Role.APP: "apps"}
"""The keys of a desktop file that are not simply the role."""


@dataclass
class Placed:
    """A module in a desktop; `links` are the modules whose interfaces it takes, by interface."""

    found: Found
    params: dict[str, Scalar]
    place: Place
    links: dict[str, Placed] = field(default_factory=dict)

    @property
    def short(self) -> str:
        return self.found.name

    def __hash__(self) -> int:
        return id(self)


def uses(desktop: Desktop) -> Iterator[tuple[Role, Place, Use]]:
    """Every module that the desktop names, with its role and its place in the file, providers of the common things first."""
    yield Role.DISPLAY, ("display",), desktop.display
    many = [
        (Role.SERVICE, desktop.services),
        (Role.SESSION, desktop.sessions),
        (Role.VIEWER, desktop.viewer),
        (Role.APP, desktop.apps),
    ]
    for role, all_of_it in many:
        for number, use in enumerate(all_of_it):
            yield role, (_key(role), number), use
    for role, one in ((Role.AUDIO, desktop.audio), (Role.INPUT_METHOD, desktop.input_method), (Role.GATEWAY, desktop.gateway)):
        if one is not None:
            yield role, (_key(role),), one


def _key(role: Role) -> str:
    return KEYS.get(role, str(role))


def _line(file: str | None, *places: Place) -> int | None:
    """The line of the first of these places that the desktop's file has; what it leaves to a default has none."""
    lines = (line_of(Path(file), *place) for place in places if file is not None)
    return next((line for line in lines if line is not None), None)


def compose(desktop: Desktop, catalog: Catalog, file: str | None) -> list[Placed]:
    """The modules of the desktop, each after what it requires.

    Raises:
        ResolveError: unknown module or parameter, twice the same, an interface missing or provided twice, a cycle,
            more than one session, an arrangement that cannot be had; with the line in `file`.
    """
    placed: dict[str, Placed] = {}
    for role, place, use in uses(desktop):
        module = _place(role, place, use, catalog, file)
        if module.short in placed:
            raise ResolveError(
                f"`{module.short}` is named twice (as {placed[module.short].found.id} and {module.found.id})",
                file=file,
                line=_line(file, place),
                hint="one desktop holds each module once; `modulux run` adds apps to a running one",
            )
        placed[module.short] = module
    if len(desktop.sessions) > 1:
        names = " and ".join(s.module for s in desktop.sessions)
        raise ResolveError(
            f"{names} would both manage the windows of one screen",
            file=file,
            line=_line(file, ("sessions", 1)),
            hint="one session on a screen for now; several at once come with a later version",
        )
    _link(list(placed.values()), catalog, file)
    return _ordered(list(placed.values()), file)


def _place(role: Role, place: Place, use: Use, catalog: Catalog, file: str | None) -> Placed:
    try:
        found = catalog.module(f"{role}/{use.module}")
    except ResolveError as error:
        if error.file is None:
            error.file, error.line = file, _line(file, place)
        raise
    if use.arrange != "shared":
        raise ResolveError(
            f"`{use.module}`: `arrange: {use.arrange}` cannot be had",
            file=file,
            line=_line(file, (*place, "arrange")),
            hint="only `shared` can be had yet",
        )
    return Placed(found, _params(use, found, place, file), place)


def _params(use: Use, found: Found, place: Place, file: str | None) -> dict[str, Scalar]:
    declared = found.contract.params
    params: dict[str, Scalar] = {name: param.default for name, param in declared.items()}
    for name, value in use.params.items():
        if name not in declared:
            known = ", ".join(declared) or "none"
            raise ResolveError(
                f"`{use.module}` has no parameter `{name}`",
                file=file,
                line=_line(file, (*place, name)),
                hint=close_to(name, declared) or f"its parameters: {known}",
            )
        try:
            declared[name].check(value)
        except ValueError as error:
            raise ResolveError(
                f"`{use.module}`, parameter `{name}`: {error}",
                file=file,
                line=_line(file, (*place, name)),
                hint=f"such as `{name}: {_example(declared[name].default)}`, its default",
            ) from None
        params[name] = value
    return params


def _example(value: Scalar) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value) or '""'


def _link(placed: list[Placed], catalog: Catalog, file: str | None) -> None:
    providers: dict[str, list[Placed]] = {}
    for module in placed:
        for name in module.found.contract.provides:
            if name not in catalog.interfaces:
                raise ResolveError(
                    f"`{module.found.id}` provides `{name}`, which no interface file describes",
                    file=module.found.file,
                    hint=close_to(name, catalog.interfaces),
                )
            providers.setdefault(name, []).append(module)
    for name, those in providers.items():
        if len(those) > 1 and not catalog.interfaces[name].many:
            raise ResolveError(
                f"`{name}` is provided twice: by {' and '.join(p.found.id for p in those)}",
                file=file,
                line=_line(file, *(p.place for p in reversed(those))),
                hint="take one of them out",
            )
    for module in placed:
        contract = module.found.contract
        for name in [*contract.requires, *contract.uses]:
            others = [p for p in providers.get(name, []) if p is not module]
            if others:
                module.links[name] = others[0]
            elif name in contract.requires:
                others_would = [(_key(Role(id.partition("/")[0])),) for id in _providers(name, catalog)]
                raise ResolveError(
                    f"`{module.short}` requires `{name}`, which nothing here provides",
                    file=file,
                    line=_line(file, module.place, *others_would),
                    hint=_who(name, catalog),
                )


def _providers(name: str, catalog: Catalog) -> list[str]:
    return catalog.providers(name) if name in catalog.interfaces else []


def _who(name: str, catalog: Catalog) -> str | None:
    if name not in catalog.interfaces:
        return close_to(name, catalog.interfaces)
    those = _providers(name, catalog)
    return f"it is provided by: {', '.join(those)}" if those else "no module provides it"


def _ordered(placed: list[Placed], file: str | None) -> list[Placed]:
    graph = {module: set(module.links.values()) for module in placed}
    try:
        order = list(graphlib.TopologicalSorter(graph).static_order())
    except graphlib.CycleError as error:
        circle = " → ".join(m.short for m in error.args[1])
        line = _line(file, *(m.place for m in error.args[1]))
        raise ResolveError(f"the modules require each other in a circle: {circle}", file=file, line=line) from None
    return order
