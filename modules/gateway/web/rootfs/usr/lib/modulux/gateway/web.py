"""Who may see what: the rules for every HTTP request and every WebSocket."""

from __future__ import annotations

import hashlib
import json
import secrets
from http.cookies import CookieError, SimpleCookie
from urllib.parse import parse_qs, urlsplit

from websockets.datastructures import Headers, MultipleValuesError

from gateway.log import say
from gateway.native import native
from gateway.pages import Answer, Pages
from gateway.screens import Screens
from gateway.settings import Settings
from gateway.store import Store
from gateway.upstream import PREFIX

WEBSOCKETS = ("/rfb", "/sound", "/clipboard", "/resize")


class Web:
    """Judges requests. Owns the links and the sessions."""

    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        self.pages = Pages(settings)
        self.screens = Screens(settings)
        self.links = Store(settings.state / "links", settings.link_lifetime)
        self.sessions = Store(settings.state / "sessions", settings.session_lifetime)
        self.hosts = settings.allowed_hosts

    def answer(self, target: str, headers: Headers) -> Answer | None:
        """The answer to GET `target`; None when it is a WebSocket that may be opened."""
        parts = urlsplit(target)
        if parts.path == "/healthz":
            return Answer(200, b"ok\n")
        host = _only(headers, "Host").lower()
        if _without_port(host) not in self.hosts:
            say("web refused", reason="host", host=host[:80])
            return Answer(421, b"This address is not one that the gateway was told to answer to (parameter `hosts`).\n")
        if parts.path == "/open":
            return self._open(parts.query, headers)
        if program := native(parts.path):
            return self._native(*program, headers)
        if not self._session(headers):
            return self.pages.forbidden
        own = parts.path.startswith(PREFIX) and _only(headers, "Upgrade").lower() == "websocket"
        return self._websocket(host, headers) if own or parts.path in WEBSOCKETS else self._page(parts.path)

    def _page(self, path: str) -> Answer:
        if path == "/":
            own = self.screens.pages()
            return Answer(303, Location=f"{PREFIX}{own[0]}/") if own and not self.screens.answering() else self.pages.index
        if path == "/session":
            return Answer(200, b"ok\n")
        if path == "/screens":
            return Answer(200, json.dumps(self.screens.listing()).encode(), "application/json")
        return self.pages.file(path) or Answer(404, b"There is nothing here.\n")

    def _open(self, query: str, headers: Headers) -> Answer:
        """Swap a one-time link for a session."""
        if "prefetch" in _only(headers, "Sec-Purpose") + _only(headers, "Purpose"):
            return Answer(503)  # a browser that looks ahead must not use the link up; it asks again when it is meant
        token = parse_qs(query).get("token", [""])[0]
        if not self.links.take(token):
            say("web refused", reason="link")
            return self.pages.forbidden
        session = secrets.token_urlsafe(32)
        self.sessions.live()  # drops those that have run out
        self.sessions.add(_hashed(session))
        say("web session opened")
        # Lax, not Strict: a link that is clicked in a mail or a chat page begins a navigation from another site, and browsers
        # then withhold a Strict cookie from the page that /open redirects to. Nothing here acts on a GET but /open, and
        # WebSockets are guarded by their Origin.
        cookie = f"{self.settings.cookie}={session}; Path=/; HttpOnly; SameSite=Lax"
        return Answer(303, Location="/", Set_Cookie=cookie)

    def _native(self, viewer: str, token: str, headers: Headers) -> Answer | None:
        """One WebSocket for a program that brings a link's token. Browsers say their Origin: they have no business here."""
        meant = _only(headers, "Upgrade").lower() == "websocket" and "Origin" not in headers and self.screens.page(viewer)
        if not meant or not self.links.take(token):
            say("web refused", reason="link")
            return self.pages.forbidden
        return None

    def _session(self, headers: Headers) -> bool:
        """Whether the request carries a live session, whose lifetime then begins anew."""
        try:
            cookies = SimpleCookie("; ".join(headers.get_all("Cookie")))
        except CookieError:
            return False
        morsel = cookies.get(self.settings.cookie)
        return morsel is not None and self.sessions.use(_hashed(morsel.value))

    def _websocket(self, host: str, headers: Headers) -> Answer | None:
        if _only(headers, "Origin").lower() not in {f"http://{host}", f"https://{host}"}:
            say("web refused", reason="origin", origin=_only(headers, "Origin")[:80])
            return Answer(403, b"A page of another origin may not open this.\n")
        return None


def _only(headers: Headers, name: str) -> str:
    """The header's value; empty when it is missing or there are two, which no browser sends."""
    try:
        return headers.get(name) or ""
    except MultipleValuesError:
        return ""


def _without_port(host: str) -> str:
    head, colon, port = host.rpartition(":")
    return head if colon and port.isdigit() else host


def _hashed(session: str) -> str:
    """Sessions are kept as hashes: who can read the directory's listing still cannot take one over."""
    return hashlib.sha256(session.encode()).hexdigest()
