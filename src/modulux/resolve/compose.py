"""Desktop → the placed modules: looked up, parameters checked, interfaces matched, in an order in which they can start."""

from __future__ import annotations

import dataclasses
import graphlib
from dataclasses import dataclass, field

from modulux.errors import ResolveError
from modulux.model.desktop import Desktop, Use
from modulux.model.module import Role, Scalar
from modulux.resolve.catalog import Catalog, Found
from modulux.resolve.files import close_to
from modulux.resolve.screens import Layout, Place, Wanted, key_of, line

COMMON = (Role.SERVICE, Role.AUDIO, Role.INPUT_METHOD, Role.GATEWAY)
"""Roles that may stand for the desktop as a whole."""


@dataclass(eq=False)
class Placed:
    """A module in a desktop; `links` are the modules whose interfaces it takes, by interface."""

    found: Found
    params: dict[str, Scalar]
    wanted: Wanted
    short: str
    edge: str = ""
    links: dict[str, Placed] = field(default_factory=dict)

    @property
    def place(self) -> Place:
        return self.wanted.place

    @property
    def session(self) -> str:
        return self.wanted.session

    @property
    def screen(self) -> str:
        return self.wanted.screen

    @property
    def common(self) -> bool:
        """Whether it is there for every session and screen."""
        return self.wanted.role in COMMON and self.found.contract.per in ("desktop", "machine")


def compose(desktop: Desktop, catalog: Catalog, file: str | None) -> list[Placed]:
    """The modules of the desktop, each after what it requires.

    Raises:
        ResolveError: unknown module or parameter, twice the same, an interface missing or provided twice, a cycle,
            an arrangement that cannot be had; with the line in `file`.
    """
    layout = Layout(desktop, catalog, file)
    placed: dict[str, Placed] = {}
    for wanted in layout.wanted():
        module = _place(wanted, layout, placed)
        placed[module.short] = module
    modules = list(placed.values())
    _give_edges(modules, file)
    _Linker(modules, catalog, file).link()
    return _ordered(modules, catalog, file)


def _place(wanted: Wanted, layout: Layout, placed: dict[str, Placed]) -> Placed:
    use, main = wanted.use, layout.main
    found = layout.found(wanted.role, wanted.place, use.module)
    if wanted.guest and found.contract.guest is not None:
        found = _as_guest(found)
    short = use.module
    several = wanted.role not in (Role.SESSION, Role.APP)  # one for each screen or session, so named after it from the start
    if wanted.session != main and wanted.role is not Role.SESSION and (several or short in placed):
        short = f"{short}-{wanted.session}"
    if short in placed:
        raise ResolveError(
            f"`{short}` is named twice (as {placed[short].found.id} and {found.id})",
            file=layout.file,
            line=line(layout.file, wanted.place),
            hint="one session holds each module once; `modulux run` adds apps to a running desktop",
        )
    return Placed(found, _params(use, found, wanted.place, layout.file), wanted, short)


def _as_guest(found: Found) -> Found:
    contract, guest = found.contract, found.contract.guest
    assert guest is not None
    changed = {
        "provides": [name for name in contract.provides if name != "window-manager"],
        "requires": contract.requires if guest.requires is None else guest.requires,
        "command": guest.command,
        "ready": guest.ready,
    }
    return dataclasses.replace(found, contract=contract.model_copy(update=changed))


def _params(use: Use, found: Found, place: Place, file: str | None) -> dict[str, Scalar]:
    declared = found.contract.params
    params: dict[str, Scalar] = {name: param.default for name, param in declared.items()}
    for name, value in use.params.items():
        if name not in declared:
            known = ", ".join(declared) or "none"
            raise ResolveError(
                f"`{use.module}` has no parameter `{name}`",
                file=file,
                line=line(file, (*place, name)),
                hint=close_to(name, declared) or f"its parameters: {known}",
            )
        try:
            declared[name].check(value)
        except ValueError as error:
            raise ResolveError(
                f"`{use.module}`, parameter `{name}`: {error}",
                file=file,
                line=line(file, (*place, name)),
                hint=declared[name].summary
                if declared[name].pattern
                else f"such as `{name}: {_example(declared[name].default)}`, its default",
            ) from None
        params[name] = declared[name].taken(value)
    _refuse_unset(use, found, params, place, file)
    _need_each_other(use, found, params, place, file)
    return params


def _refuse_unset(use: Use, found: Found, params: dict[str, Scalar], place: Place, file: str | None) -> None:
    for name, param in found.contract.params.items():
        if param.required and params[name] == param.default:
            raise ResolveError(
                f"`{use.module}` needs its parameter `{name}`",
                file=file,
                line=line(file, place),
                hint=f"`{name}`: {param.summary}",
            )


def _need_each_other(use: Use, found: Found, params: dict[str, Scalar], place: Place, file: str | None) -> None:
    """A parameter that was set says something only beside those that it needs.

    Raises:
        ResolveError: one of them was left as it is by default.
    """
    declared = found.contract.params
    for name, value in params.items():
        lacking = [other for other in declared[name].needs if params[other] == declared[other].default]
        if value != declared[name].default and lacking:
            raise ResolveError(
                f"`{use.module}`, parameter `{name}`: says nothing without `{lacking[0]}`",
                file=file,
                line=line(file, (*place, name)),
                hint=f"`{lacking[0]}`: {declared[lacking[0]].summary}",
            )


def _example(value: Scalar) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value) or '""'


def _give_edges(placed: list[Placed], file: str | None) -> None:
    """Each session's bar gets an edge of the screen that no other has."""
    taken: dict[str, dict[str, str]] = {}
    for module in placed:
        edges = module.found.contract.edges
        if module.wanted.role is not Role.SESSION or not edges:
            continue
        there = taken.setdefault(module.screen, {})
        free = next((edge for edge in edges if edge not in there), None)
        if free is None:
            raise ResolveError(
                f"no edge of the screen is left for the bar of `{module.short}`",
                file=file,
                line=line(file, module.place),
                hint=f"{', '.join(f'{who} has the {edge}' for edge, who in there.items())}; "
                "another order, or `arrange: nested` or `separate`, makes room",
            )
        there[free] = module.short
        module.edge = free


class _Linker:
    """Matches what modules provide with what they require."""

    def __init__(self, placed: list[Placed], catalog: Catalog, file: str | None) -> None:
        self.placed = placed
        self.catalog = catalog
        self.file = file
        self.providers: dict[str, list[Placed]] = {}
        self.filled = {m.screen: m for m in placed if m.wanted.role is Role.SESSION and m.wanted.outer == m.screen}

    def link(self) -> None:
        for module in self.placed:
            for name in module.found.contract.provides:
                self._known(module, name)
                self.providers.setdefault(name, []).append(module)
        self._no_doubles()
        for module in self.placed:
            contract = module.found.contract
            for choice in contract.requires:
                names = choice.split(" | ")
                if not [name for name in names if self._take(module, name)]:
                    raise self._missing(module, names)
            for name in contract.uses:
                self._take(module, name)
            if contract.network == "internet":
                self._take(module, "network")

    def _known(self, module: Placed, name: str) -> None:
        if name not in self.catalog.interfaces:
            raise ResolveError(
                f"`{module.found.id}` provides `{name}`, which no interface file describes",
                file=module.found.file,
                hint=close_to(name, self.catalog.interfaces),
            )

    def _no_doubles(self) -> None:
        for name, those in self.providers.items():
            if self.catalog.interfaces[name].many:
                continue
            by_scope: dict[str, list[Placed]] = {}
            for provider in those:
                inner = self.filled.get(provider.screen) if provider.wanted.role is Role.DISPLAY else None
                if inner is not None and name in inner.found.contract.provides:
                    continue
                by_scope.setdefault("" if provider.common else provider.session, []).append(provider)
            common = by_scope.pop("", [])
            doubled = next((same for own in [*by_scope.values(), []] if len(same := own + common) > 1), None)
            if doubled:
                raise ResolveError(
                    f"`{name}` is provided twice: by {' and '.join(p.found.id for p in doubled)}",
                    file=self.file,
                    line=line(self.file, *(p.place for p in reversed(doubled))),
                    hint="take one of them out",
                )

    def _take(self, module: Placed, name: str) -> bool:
        """Link the module to whoever provides `name` to it; whether somebody does."""
        others = [p for p in self.providers.get(name, []) if p is not module and not self._hidden(p, module)]
        if module.wanted.outer is not None and name in module.found.contract.provides:
            others = [p for p in others if p.screen == module.wanted.outer]
        elif not (name in self.catalog.interfaces and self.catalog.interfaces[name].shared):
            others = self._near(module, others)
        if module.wanted.alone and name not in {"x11", "x11-screen", "wayland", "fonts", "network"}:
            others = []
        if others:
            module.links[name] = others[0]
        return bool(others)

    def _hidden(self, provider: Placed, module: Placed) -> bool:
        """Whether a session that is a display itself stands between them: it and the viewers see what it covers."""
        screen = provider.screen
        covered = provider.wanted.role is Role.DISPLAY and screen in self.filled and screen == module.screen
        return covered and module.wanted.role is not Role.VIEWER and module is not self.filled[screen]

    @staticmethod
    def _near(module: Placed, others: list[Placed]) -> list[Placed]:
        """Providers for this module, those of its own session first; another session's home and bus are not for it."""
        own = [p for p in others if p.session == module.session and not p.common]
        screen = [p for p in others if p.screen == module.screen and p.wanted.role is not Role.SESSION and not p.common]
        first = [p for p in others if p.session == module.screen and not p.common and module.wanted.guest]
        return own + screen + first + [p for p in others if p.common]

    def _missing(self, module: Placed, names: list[str]) -> ResolveError:
        name = names[0]
        others_would = [(key_of(Role(id.partition("/")[0])),) for id in self._would(name)]
        return ResolveError(
            f"`{module.short}` requires `{' or '.join(names)}`, which nothing here provides",
            file=self.file,
            line=line(self.file, module.place, *others_would),
            hint=self._who(name),
        )

    def _would(self, name: str) -> list[str]:
        return self.catalog.providers(name) if name in self.catalog.interfaces else []

    def _who(self, name: str) -> str | None:
        if name not in self.catalog.interfaces:
            return close_to(name, self.catalog.interfaces)
        those = self._would(name)
        return f"it is provided by: {', '.join(those)}" if those else "no module provides it"


def _ordered(placed: list[Placed], catalog: Catalog, file: str | None) -> list[Placed]:
    """After what each needs: whose volume or socket it takes. What is only said, or found at run time, needs no order."""

    def before(module: Placed) -> set[Placed]:
        interfaces = catalog.interfaces
        return {
            p
            for name, p in module.links.items()
            if not interfaces[name].shared and (interfaces[name].volume or interfaces[name].ipc)
        }

    graph = {module: before(module) for module in placed}
    try:
        return list(graphlib.TopologicalSorter(graph).static_order())
    except graphlib.CycleError as error:
        circle = " → ".join(m.short for m in error.args[1])
        at = line(file, *(m.place for m in error.args[1]))
        raise ResolveError(f"the modules require each other in a circle: {circle}", file=file, line=at) from None
