"""Several sessions: which screen, home and bus each module has."""

from __future__ import annotations

from pathlib import Path

from modulux.model import plan as p

from .test_resolve import plan_of


def by_short(plan: p.Plan) -> dict[str, p.Container]:
    return {c.short: c for c in plan.containers}


def source(container: p.Container, target: str) -> str | None:
    return next((m.source.removeprefix("modulux.a.") for m in container.mounts if m.target == target), None)


def test_a_guest_shares_the_screen_and_nothing_else(world: Path) -> None:
    by = by_short(plan_of(world, sessions=["xfce", "guest"], apps=["terminal", {"module": "terminal", "session": "guest"}]))
    assert set(by) == {"xvfb", "xfce", "guest", "x11vnc", "terminal", "terminal-guest", "web"}
    assert by["guest"].command == ("panel",)
    assert {c.screen for c in by.values()} == {"xfce"}
    assert source(by["guest"], "/tmp/.X11-unix") == source(by["xfce"], "/tmp/.X11-unix") == "xvfb.x11"
    assert (source(by["xfce"], "/home/user"), source(by["guest"], "/home/user")) == ("xfce.home", "guest.home")
    assert (source(by["terminal"], "/home/user"), source(by["terminal-guest"], "/home/user")) == ("xfce.home", "guest.home")
    assert {source(by[n], "/home/user/Documents") for n in ("xfce", "guest")} == {"share.Documents"}
    assert (by["xfce"].env["MODULUX_EDGE"], by["guest"].env["MODULUX_EDGE"]) == ("top", "bottom")
    assert by["guest"].env["MODULUX_SESSION"] == by["terminal-guest"].env["MODULUX_SESSION"] == "guest"


def test_the_first_session_is_the_same_with_a_guest_or_without(world: Path) -> None:
    alone = {c.short: c.hash for c in plan_of(world).containers}
    both = {c.short: c.hash for c in plan_of(world, sessions=["xfce", "guest"]).containers}
    assert {short: both[short] for short in alone} == alone


def test_a_session_of_its_own_has_a_display_and_a_viewer_of_its_own(world: Path) -> None:
    plan = plan_of(world, sessions=["xfce", {"module": "other", "arrange": "separate"}])
    by = by_short(plan)
    assert set(by) == {"xvfb", "xvfb-other", "xfce", "other", "x11vnc", "x11vnc-other", "web"}
    assert source(by["other"], "/tmp/.X11-unix") == source(by["x11vnc-other"], "/tmp/.X11-unix") == "xvfb-other.x11"
    assert by["x11vnc-other"].sockets == {"rfb": "/run/modulux/rfb/other.x11vnc-other.sock"}
    assert source(by["x11vnc"], "/run/modulux/rfb") == source(by["x11vnc-other"], "/run/modulux/rfb") == "rfb"
    assert (by["other"].ipc, by["xfce"].ipc) == ("modulux.a.xvfb-other", "modulux.a.xvfb")


def test_the_gateway_does_not_know_the_viewers(world: Path) -> None:
    one = by_short(plan_of(world))["web"].hash
    two = by_short(plan_of(world, sessions=["xfce", {"module": "other", "arrange": "separate"}]))["web"].hash
    assert one == two


def test_the_gateway_is_the_same_whoever_shows_the_screen(world: Path) -> None:
    (world / "interfaces/page.yaml").write_text(
        "summary: p\nvolume: /run/modulux/page\nshared: true\nsocket: '/run/modulux/page/{module}.sock'\nmany: true\n"
    )
    gateway = world / "gateway/web/module.yaml"
    gateway.write_text(gateway.read_text().replace("[rfb]", "[rfb | page]\nuses: [rfb, page]"))
    (world / "viewer/own").mkdir()
    (world / "viewer/own/module.yaml").write_text(
        "role: viewer\nsummary: o\nbase: base/debian\nprovides: [page]\nrequires: [x11]\ncommand: [o]\n"
    )
    hashes = {by_short(plan_of(world, viewer=viewers))["web"].hash for viewers in (["x11vnc"], ["own"], ["own", "x11vnc"])}
    assert len(hashes) == 1


def with_outer(world: Path) -> None:
    file = world / "interfaces/x11.yaml"
    file.write_text(file.read_text() + "outer: {volume: /run/outer, env: {OUTER_DISPLAY: /run/outer/X0}}\n")


def test_nested_in_a_window_of_the_first(world: Path) -> None:
    with_outer(world)
    by = by_short(plan_of(world, sessions=["xfce", {"module": "other", "arrange": "nested"}]))
    assert set(by) == {"xvfb", "xephyr-other", "xfce", "other", "x11vnc", "web"}
    window = by["xephyr-other"]
    assert source(window, "/run/outer") == "xvfb.x11"
    assert source(window, "/tmp/.X11-unix") == source(by["other"], "/tmp/.X11-unix") == "xephyr-other.x11"
    assert window.env["OUTER_DISPLAY"] == "/run/outer/X0"
    assert window.env["MODULUX_WAIT"] == "/run/outer/X0"
    assert window.ipc == by["other"].ipc == "modulux.a.xvfb"
    assert by["other"].screen == "other"


def test_an_app_without_trust_has_nothing_of_the_desktops(world: Path) -> None:
    by = by_short(plan_of(world, services=["font"], apps=[{"module": "terminal", "trust": "none"}]))
    app = by["terminal"]
    assert source(app, "/tmp/.X11-unix") == "xephyr-terminal.x11"
    assert source(app, "/home/user") == "terminal.home"
    assert source(app, "/home/user/Documents") is None
    assert (app.ipc, app.needs) == ("private", ())
    kept = {v.name for v in plan_of(world, apps=[{"module": "terminal", "trust": "none"}]).volumes if v.kept}
    assert "modulux.a.terminal.home" not in kept


def test_a_session_may_be_its_own_display(world: Path) -> None:
    by = by_short(plan_of(world, display=None, sessions=["waycomp"], apps=["terminal"]))
    assert set(by) == {"waycomp", "x11vnc", "terminal", "web"}
    assert source(by["terminal"], "/tmp/.X11-unix") == "waycomp.x11"


def test_fonts_come_from_who_is_created_first(world: Path) -> None:
    by = by_short(plan_of(world, services=["font"]))
    assert by["xfce"].after == ("modulux.a.font",)
    assert by["xfce"].needs == ("modulux.a.xvfb",)


def test_an_app_that_waits_to_be_started_is_ready_without_a_window(world: Path) -> None:
    module = world / "app/terminal/module.yaml"
    module.write_text(module.read_text() + "ready: {windows: [Term]}\n")
    now = by_short(plan_of(world, apps=["terminal"]))["terminal"]
    later = by_short(plan_of(world, apps=[{"module": "terminal", "autostart": False}]))["terminal"]
    assert (now.ready.conditions, later.ready.conditions) == (("window=Term",), ())
    assert later.env["MODULUX_AUTOSTART"] == "no"


def test_images_for_a_language_are_others(world: Path) -> None:
    plain, chinese = plan_of(world), plan_of(world, locale="zh_CN.UTF-8")
    assert not {i.reference for i in plain.images} & {i.reference for i in chinese.images}
    assert {i.locale for i in chinese.images} == {"zh_CN.UTF-8"}
    assert {i.reference for i in plan_of(world, locale="POSIX").images} == {i.reference for i in plain.images}


def test_a_session_may_fill_a_display_and_be_one_itself(world: Path) -> None:
    with_outer(world)
    (world / "session/inner").mkdir()
    (world / "session/inner/module.yaml").write_text(
        "role: session\nsummary: s\nbase: base/debian\ncommand: [c]\nprovides: [x11, home]\nrequires: [x11]\narrange: [separate]\n"
        "fixed: true\n"
    )
    by = by_short(plan_of(world, sessions=["inner"], apps=["terminal"]))
    assert set(by) == {"xvfb", "inner", "x11vnc", "terminal", "web"}
    assert source(by["inner"], "/tmp/.X11-unix") == source(by["terminal"], "/tmp/.X11-unix") == "inner.x11"
    assert source(by["x11vnc"], "/tmp/.X11-unix") == "xvfb.x11"
    assert by["inner"].env["MODULUX_WAIT"] == "/run/outer/X0"
    assert {c.ipc for short, c in by.items() if short in ("inner", "terminal", "x11vnc")} == {"modulux.a.xvfb"}
    assert by["xvfb"].env["MODULUX_FIXED"] == "session/inner"
    both = by_short(plan_of(world, sessions=["xfce", {"module": "inner", "arrange": "separate"}], apps=["terminal"]))
    assert source(both["terminal"], "/tmp/.X11-unix") == source(both["x11vnc"], "/tmp/.X11-unix") == "xvfb.x11"
    assert source(both["x11vnc-inner"], "/tmp/.X11-unix") == "xvfb-inner.x11"
    assert [short for short, c in both.items() if "MODULUX_FIXED" in c.env] == ["xvfb-inner"]


def test_a_menu_offers_what_opens_on_its_own_screen(world: Path) -> None:
    (world / "interfaces/applications.yaml").write_text(
        "summary: a\nvolume: /run/menu\nshared: true\nper: screen\nsocket: '/run/menu/{module}.sock'\nmany: true\n"
    )
    for id, extra in (("app/terminal", "provides: [applications]\n"), *((f"session/{s}", "") for s in ("guest", "other"))):
        file = world / id / "module.yaml"
        text = file.read_text() + extra
        file.write_text(text if extra else text + "uses: [applications]\n")
    sessions = ["guest", {"module": "other", "arrange": "separate"}]
    by = by_short(plan_of(world, sessions=sessions, apps=["terminal", {"module": "terminal", "session": "other"}]))
    assert source(by["guest"], "/run/menu") == source(by["terminal"], "/run/menu") == "applications"
    assert source(by["other"], "/run/menu") == source(by["terminal-other"], "/run/menu") == "applications-other"
