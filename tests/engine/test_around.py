"""What programs ask the session's bus for: it is there, or the bus says at once that it is not."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from tests.support.cli import Cli

pytestmark = [pytest.mark.engine, pytest.mark.one_engine]

PING = "dbus-send --session --print-reply --reply-timeout=8000 --dest={} / org.freedesktop.DBus.Peer.Ping 2>&1; true"
NOTIFY = (
    "dbus-send --session --print-reply --dest=org.freedesktop.Notifications /org/freedesktop/Notifications"
    " org.freedesktop.Notifications.Notify string:test uint32:0 string: string:title string:text array:string:"
    " dict:string:variant: int32:3000"
)
ABSENT = (
    "org.freedesktop.portal.Desktop",
    "org.a11y.Bus",
    "org.freedesktop.PolicyKit1.AuthenticationAgent",
    "org.freedesktop.secrets",
)
SHOWN_BY = [
    pytest.param("lxqt", "[]"),
    pytest.param("gnome", "[login1]", marks=pytest.mark.slow),
    pytest.param("plasma", "[]", marks=pytest.mark.slow),
]


def test_what_is_absent_is_absent_at_once(cli: Cli, xfce: str) -> None:
    for name in (*ABSENT, "org.freedesktop.Notifications"):
        assert "ServiceUnknown" in cli.inside(xfce, "terminal", PING.format(name)), name


@pytest.mark.parametrize(("session", "services"), SHOWN_BY)
def test_an_application_elsewhere_notifies(cli: Cli, desktop_file: Callable[..., Path], session: str, services: str) -> None:
    file = desktop_file("t-around", sessions=f"[{session}]", services=services, apps="[terminal]", gateway="null")
    cli.run("up", str(file), "--yes", timeout=1200)
    assert "uint32 1" in cli.inside("t-around", "terminal", NOTIFY)
    for name in ABSENT:
        assert "ServiceUnknown" in cli.inside("t-around", "terminal", PING.format(name)), name
