"""Desktop + modules → plan."""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from modulux.errors import ResolveError
from modulux.model import plan as p
from modulux.model.desktop import Desktop
from modulux.resolve.catalog import Catalog
from modulux.resolve.files import load
from modulux.resolve.plan import HostFacts, resolve


def plan_of(world: Path, **keys: object) -> p.Plan:
    desktop = Desktop.model_validate({"name": "a", "display": "xvfb", "sessions": ["xfce"], **keys})
    return resolve(desktop, Catalog([world]), HostFacts(timezone="Asia/Shanghai"), "desktop.yaml")


def test_who_meets_whom(world: Path) -> None:
    plan = plan_of(world, apps=["terminal"])
    by = {c.short: c for c in plan.containers}
    assert set(by) == {"xvfb", "xfce", "x11vnc", "terminal", "web"}
    assert by["xvfb"].ipc == "shareable"
    assert {by[n].ipc for n in ("xfce", "x11vnc", "terminal")} == {"modulux.a.xvfb"}
    assert by["web"].ipc == "private"
    assert by["xfce"].needs == ("modulux.a.xvfb",)
    x11 = {c.short: m for c in plan.containers for m in c.mounts if m.target == "/tmp/.X11-unix"}
    assert {s for s, m in x11.items() if m.read_only} == {"xfce", "x11vnc", "terminal"}
    assert not x11["xvfb"].read_only
    assert len({m.source for m in x11.values()}) == 1
    assert by["terminal"].env["DISPLAY"] == ":0"
    assert by["terminal"].env["MODULUX_WAIT"] == "/tmp/.X11-unix/X0"
    assert by["xvfb"].command == ("Xvfb", "1280x800")
    assert by["xvfb"].env["TZ"] == "Asia/Shanghai"


def test_providers_come_before_their_clients(world: Path) -> None:
    order = [c.short for c in plan_of(world).containers]
    assert order.index("xvfb") < min(order.index("x11vnc"), order.index("xfce"))


def test_two_providers_of_a_home_have_two_and_one_share(world: Path) -> None:
    (world / "service/second").mkdir()
    (world / "service/second/module.yaml").write_text(
        "role: service\nsummary: s\nbase: base/debian\nprovides: [home]\ncommand: [s]\n"
    )
    plan = plan_of(world, services=["second"], apps=["terminal"])
    homes = {c.short: m.source for c in plan.containers for m in c.mounts if m.target == "/home/user"}
    assert homes == {"xfce": "modulux.a.xfce.home", "second": "modulux.a.second.home", "terminal": "modulux.a.xfce.home"}
    documents = {c.short: m.source for c in plan.containers for m in c.mounts if m.target == "/home/user/Documents"}
    assert set(documents) == set(homes)
    assert len(set(documents.values())) == 1


def test_who_joins_the_display_shares_its_memory(world: Path) -> None:
    plan = plan_of(world, apps=["browser"])
    assert next(c.shm for c in plan.containers if c.short == "xvfb") == 512 * 1024**2


def test_networks(world: Path) -> None:
    plan = plan_of(world)
    assert {c.short: c.networks for c in plan.containers if c.networks} == {"web": ("modulux.a.internet",)}
    web = next(c for c in plan.containers if c.short == "web")
    assert [(q.address, q.host_port, q.port) for q in web.publish] == [("127.0.0.1", 0, 6080)]


def test_the_gateways_port_and_address(world: Path) -> None:
    plan = plan_of(world, gateway={"module": "web", "port": 7000, "address": "0.0.0.0"})
    web = next(c for c in plan.containers if c.short == "web")
    assert [(q.address, q.host_port) for q in web.publish] == [("0.0.0.0", 7000)]


@pytest.mark.parametrize(
    ("keys", "says", "hint"),
    [
        ({"apps": ["terminl"]}, "unknown module `app/terminl`", "terminal"),
        ({"sessions": ["nothing"]}, "unknown module `session/nothing`", "xfce"),
        ({"audio": "pipewire"}, "unknown module `audio/pipewire`", "no module has the role"),
        ({"apps": ["terminal", "terminal"]}, "named twice", "once"),
        ({"apps": ["needy"]}, "requires `ping`, which nothing here provides", "app/ping"),
        ({"services": ["x11too"]}, "`x11` is provided twice: by display/xvfb and service/x11too", "take one"),
        ({"apps": ["ping", "pong"]}, "in a circle", None),
        ({"viewer": {"module": "x11vnc", "wait": "soon"}}, "not of type integer", None),
        ({"viewer": {"module": "x11vnc", "wiat": 3}}, "no parameter `wiat`", "wait"),
        ({"viewer": []}, "requires `rfb`", "viewer/x11vnc"),
        ({"sessions": ["xfce", {"module": "other", "arrange": "shared"}]}, "`other` cannot be shared", "nested or separate"),
        ({"sessions": [{"module": "xfce", "arrange": "nested"}]}, "first session, so it cannot be nested", "of the second"),
        ({"sessions": ["other", {"module": "xfce", "arrange": "nested"}], "display": "xother"}, "nests no display", "xvfb"),
        ({"sessions": ["xfce"], "display": None}, "`xfce` needs a `display:`", "xvfb"),
        ({"sessions": ["waycomp"]}, "`x11` is provided twice", "take one"),
        ({"apps": [{"module": "terminal", "session": "other"}]}, "session `other`, which is not here", "xfce"),
        ({"sessions": ["xfce", "guest", "guest"]}, "named twice", "once"),
        ({"screen": "5000x800"}, "no screen of 5000x800", "4096x4096"),
    ],
)
def test_what_does_not_go_together(world: Path, keys: dict[str, object], says: str, hint: str | None) -> None:
    with pytest.raises(ResolveError) as caught:
        plan_of(world, **keys)
    assert says in str(caught.value)
    if hint:
        assert hint in str(caught.value.hint)


LEAST = "name: a\ndisplay: xvfb\nsessions:\n  - xfce\n"


@pytest.mark.parametrize(
    ("text", "line", "says"),
    [
        ("name: a\nsessions: [xfce]\ndisplay: none\n", 3, "unknown module `display/none`"),
        (LEAST + "apps:\n  - terminal\n  - nothing\n", 7, "unknown module `app/nothing`"),
        (LEAST + "gateway: nothing\n", 5, "unknown module `gateway/nothing`"),
        (LEAST + "input-method:\n  module: nothing\n", 5, "unknown module `input-method/nothing`"),
        (LEAST + "viewer:\n  - module: x11vnc\n    wiat: 3\n", 7, "no parameter `wiat`"),
        (LEAST + "viewer:\n  module: x11vnc\n  wait: soon\n", 7, "'soon' is not of type integer"),
        (LEAST + "apps:\n  - terminal\n  - terminal\n", 7, "named twice"),
        (LEAST + "apps: needy\n", 5, "requires `ping`"),
        (LEAST + "apps:\n  - ping\n  - pong\n", None, "in a circle"),
        (LEAST + "viewer: []\n", 5, "requires `rfb`"),
        (LEAST + "services:\n  - x11too\n", 6, "`x11` is provided twice"),
        (LEAST + "  - {module: other,\n     arrange: shared}\n", 6, "cannot be shared"),
        (LEAST + "apps:\n  - {module: terminal,\n     session: other}\n", 7, "which is not here"),
    ],
)
def test_what_does_not_go_together_has_a_line(
    world: Path, write: Callable[[str], Path], text: str, line: int, says: str
) -> None:
    path = write(text)
    with pytest.raises(ResolveError) as caught:
        resolve(load(path, Desktop), Catalog([world]), HostFacts(), str(path))
    assert says in str(caught.value)
    assert caught.value.file == str(path)
    assert caught.value.line == line if line else caught.value.line in (6, 7)


def test_a_parameter_of_the_wrong_type_has_a_hint(world: Path) -> None:
    with pytest.raises(ResolveError) as caught:
        plan_of(world, viewer={"module": "x11vnc", "wait": "soon"})
    assert "`wait: 5`" in str(caught.value.hint)


def test_aliases_in_a_parameter_cannot_blow_up(world: Path, write: Callable[[str], Path]) -> None:
    bomb = "[&a0 [x, x, x, x, x, x, x, x, x, x]"
    bomb += "".join(f", &a{n} [{', '.join([f'*a{n - 1}'] * 10)}]" for n in range(1, 9)) + "]"
    path = write(LEAST + f"viewer: {{module: x11vnc, wait: {bomb}}}\n")
    begun = time.monotonic()
    with pytest.raises(ResolveError, match="not of type integer"):
        resolve(load(path, Desktop), Catalog([world]), HostFacts(), str(path))
    assert time.monotonic() - begun < 1


def test_words_in_braces(world: Path) -> None:
    file = world / "app/terminal/module.yaml"
    least = "role: app\nsummary: a\nbase: base/debian\n"
    file.write_text(least + "command: ['{foo}', '${desktop}', '{}', '{screen.width}']\n")
    by = {c.short: c for c in plan_of(world, apps=["terminal"]).containers}
    assert by["terminal"].command == ("{foo}", "$a", "{}", "1280")
    file.write_text(least + "command: ['{screen.depth}']\n")
    with pytest.raises(ResolveError, match=r"unknown word \{screen.depth\}") as caught:
        plan_of(world, apps=["terminal"])
    assert caught.value.file == str(file)


def test_a_base_built_on_itself(world: Path) -> None:
    (world / "base/loop").mkdir()
    (world / "base/loop/module.yaml").write_text("role: base\nsummary: l\nbase: base/loop\n")
    with pytest.raises(ResolveError, match="built on itself"):
        Catalog([world]).tag("base/loop")


def test_hashes_follow_what_counts(world: Path) -> None:
    first, again = plan_of(world, apps=["terminal"]), plan_of(world, apps=["terminal"])
    assert [c.hash for c in first.containers] == [c.hash for c in again.containers]
    without = {c.short: c.hash for c in plan_of(world).containers}
    assert all(without[c.short] == c.hash for c in first.containers if c.short in without)
    other = {c.short: c.hash for c in plan_of(world, viewer={"module": "x11vnc", "wait": 9}).containers}
    assert {s for s in other if other[s] != without[s]} == {"x11vnc"}


def test_the_plan_is_json_and_labelled(world: Path) -> None:
    plan = plan_of(world)
    assert json.loads(json.dumps(plan.to_json()))["desktop"] == "a"
    labels = [c.labels for c in plan.containers] + [v.labels for v in plan.volumes] + [n.labels for n in plan.networks]
    assert all(each[p.OWNER] == "modulux" and each[p.DESKTOP] == "a" for each in labels)


def test_limits_of_the_desktop_only_lower(world: Path) -> None:
    plan = plan_of(world, limits={"memory": "100m", "pids": 10_000})
    assert {c.memory for c in plan.containers} == {100 * 1024**2}
    assert max(c.pids for c in plan.containers) == 512


@settings(deadline=None)  # a busy machine
@given(
    apps=st.lists(st.sampled_from(["terminal", "browser", "needy", "ping"]), max_size=5),
    sessions=st.lists(st.sampled_from(["xfce", "other", "guest", "waycomp"]), min_size=1, max_size=3),
    viewer=st.lists(st.sampled_from(["x11vnc"]), max_size=2),
)
def test_any_combination_resolves_or_is_refused(
    apps: list[str], sessions: list[str], viewer: list[str], tmp_path_factory: pytest.TempPathFactory
) -> None:
    from tests.unit.conftest import INTERFACES, MODULES

    root = tmp_path_factory.getbasetemp() / "combinations"
    for name, text in INTERFACES.items():
        (root / "interfaces").mkdir(parents=True, exist_ok=True)
        (root / "interfaces" / f"{name}.yaml").write_text(text)
    for id, text in MODULES.items():
        (root / id).mkdir(parents=True, exist_ok=True)
        (root / id / "module.yaml").write_text(text)
    try:
        plan = plan_of(root, apps=apps, sessions=sessions, viewer=viewer)
    except ResolveError:
        return
    names = [c.name for c in plan.containers]
    assert len(names) == len(set(names))
    for c in plan.containers:
        assert all(names.index(n) < names.index(c.name) for n in c.needs)
        assert {m.source for m in c.mounts} <= {v.name for v in plan.volumes}
        assert set(c.networks) <= {n.name for n in plan.networks}
