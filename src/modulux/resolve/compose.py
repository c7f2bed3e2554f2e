"""Desktop → the placed modules: looked up, parameters checked, interfaces matched, in an order in which they can start."""

from __future__ import annotations

import graphlib
from dataclasses import dataclass, field

from modulux.errors import ResolveError
from modulux.model.desktop import Desktop, Use
from modulux.model.module import Role, Scalar
from modulux.resolve.catalog import Catalog, Found
from modulux.resolve.files import close_to


@dataclass
class Placed:
    """A module in a desktop; `links` are the modules whose interfaces it takes, by interface."""

    found: Found
    params: dict[str, Scalar]
    links: dict[str, Placed] = field(default_factory=dict)

    @property
    def short(self) -> str:
        return self.found.name

    def __hash__(self) -> int:
        return id(self)


def uses(desktop: Desktop) -> list[tuple[Role, Use]]:
    """Every module that the desktop names, with its role, providers of the common things first."""
    single = [(Role.DISPLAY, desktop.display)]
    optional = [(Role.AUDIO, desktop.audio), (Role.INPUT_METHOD, desktop.input_method), (Role.GATEWAY, desktop.gateway)]
    many = [
        (Role.SERVICE, desktop.services),
        (Role.SESSION, desktop.sessions),
        (Role.VIEWER, desktop.viewer),
        (Role.APP, desktop.apps),
    ]
    return (
        single
        + [(role, use) for role, all_of_it in many for use in all_of_it]
        + [(role, use) for role, use in optional if use is not None]
    )


def compose(desktop: Desktop, catalog: Catalog, file: str | None) -> list[Placed]:
    """The modules of the desktop, each after what it requires.

    Raises:
        ResolveError: unknown module or parameter, twice the same, an interface missing or provided twice, a cycle.
    """
    placed: dict[str, Placed] = {}
    for role, use in uses(desktop):
        module = _place(role, use, catalog, file)
        if module.short in placed:
            raise ResolveError(
                f"`{module.short}` is named twice (as {placed[module.short].found.id} and {module.found.id})",
                file=file,
                hint="one desktop holds each module once; `modulux run` adds apps to a running one",
            )
        placed[module.short] = module
    _link(list(placed.values()), catalog, file)
    return _ordered(list(placed.values()), file)


def _place(role: Role, use: Use, catalog: Catalog, file: str | None) -> Placed:
    try:
        found = catalog.module(f"{role}/{use.module}")
    except ResolveError as error:
        if error.file is None:
            error.file = file
        raise
    declared = found.contract.params
    params: dict[str, Scalar] = {name: param.default for name, param in declared.items()}
    for name, value in use.params.items():
        if name not in declared:
            known = ", ".join(declared) or "none"
            raise ResolveError(
                f"`{use.module}` has no parameter `{name}`",
                file=file,
                hint=close_to(name, declared) or f"its parameters: {known}",
            )
        try:
            declared[name].check(value)
        except ValueError as error:
            raise ResolveError(f"`{use.module}`, parameter `{name}`: {error}", file=file) from None
        params[name] = value
    return Placed(found, params)


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
                hint="take one of them out",
            )
    for module in placed:
        contract = module.found.contract
        for name in [*contract.requires, *contract.uses]:
            others = [p for p in providers.get(name, []) if p is not module]
            if others:
                module.links[name] = others[0]
            elif name in contract.requires:
                raise ResolveError(
                    f"`{module.short}` requires `{name}`, which nothing here provides", file=file, hint=_who(name, catalog)
                )


def _who(name: str, catalog: Catalog) -> str | None:
    if name not in catalog.interfaces:
        return close_to(name, catalog.interfaces)
    those = catalog.providers(name)
    return f"it is provided by: {', '.join(those)}" if those else "no module provides it"


def _ordered(placed: list[Placed], file: str | None) -> list[Placed]:
    graph = {module: set(module.links.values()) for module in placed}
    try:
        order = list(graphlib.TopologicalSorter(graph).static_order())
    except graphlib.CycleError as error:
        circle = " → ".join(m.short for m in error.args[1])
        raise ResolveError(f"the modules require each other in a circle: {circle}", file=file) from None
    return order
