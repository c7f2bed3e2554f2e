"""Updates of single modules: tried, kept, taken back by themselves, and what the power, a full disk and wrong bytes do to them."""

from __future__ import annotations

import contextlib
import hashlib
import shutil
import time
from pathlib import Path

import pytest
from tests.support.pid1 import World
from tests.support.updates import config, control, layer, update

from modulux.errors import EngineError
from modulux.machine.control import ask, reached
from modulux.machine.update import Update, bring, check_room, look, take_back, trial
from modulux.machine.upgrade import send_to

pytestmark = pytest.mark.skipif(
    not shutil.which("mkfs.erofs") or "erofs" not in Path("/proc/filesystems").read_text(), reason="needs erofs and mkfs.erofs"
)

SOCKET = "/run/machine/volumes/one/door"


def silent(_event: object) -> None:
    """Nobody listens."""


def root(here: World, name: str = "one") -> Path:
    return here.inside / f"run/machine/bundles/{name}/rootfs"


def who(here: World, name: str = "one") -> str:
    """Whose layer is the topmost; nothing while another root is put there."""
    with contextlib.suppress(OSError):
        return (root(here, name) / "who").read_text()
    return ""


def begin(here: World, disk: Path, version: str = "v1", words: str = "") -> None:
    """A machine whose container `two` leans on `one`, and `three` on nobody."""
    here.node = disk.name
    here.words = f"modulux.store=none modulux.state={disk} modulux.try=3 {words}"
    lines = [f"version {version}", "layers one top:base", "layers two base", "layers three base"]
    lines += ["run one always", f"run two always {SOCKET}", "run three always", "after two one", f"ready one {SOCKET}"]
    here.plan(*lines)
    (here.folder / "etc/machine/version").write_text(f"{version}\n")
    for name in ("one", "two", "three"):
        (here.folder / f"etc/machine/bundles/{name}.json").parent.mkdir(parents=True, exist_ok=True)
        (here.folder / f"etc/machine/bundles/{name}.json").write_text(f'{{"shipped": "{name}"}}')
    here.container("one", listens=[SOCKET])
    here.start()


def up(here: World, said: int = 0) -> None:
    here.wait(lambda: {"ready one", "ready two", "ready three"} <= set(here.console()[said:]))


@pytest.fixture
def shipped(here: World, disk: Path, tmp_path: Path) -> World:
    store = here.folder / "store/layers"
    layer(tmp_path, store / "base.erofs", who="base", below="base")
    layer(tmp_path, store / "top.erofs", who="top")
    begin(here, disk)
    up(here)
    return here


@pytest.fixture
def newer(tmp_path: Path) -> Path:
    return layer(tmp_path, tmp_path / "new/newer.erofs", who="newer")


def send(here: World, new: Update, tmp_path: Path) -> None:
    bring(control(here), new, tmp_path, silent)


def bring_record(here: World, new: Update, tmp_path: Path) -> str:
    """An update's record, sent again; its sum."""
    (tmp_path / "record").write_text(new.record)
    send_to(control(here), tmp_path / "record", lambda digest, size: ("bring", digest, str(size)))
    return hashlib.sha256((tmp_path / "record").read_bytes()).hexdigest()


def starts(here: World) -> list[int]:
    return [int(here.status()[name][2]) for name in ("one", "two", "three")]


def files(here: World) -> list[str]:
    return sorted(p.name for p in (here.inside / "state/updates/files").glob("*"))


def records(here: World, version: str = "v1") -> list[str]:
    return sorted(p.name for p in (here.inside / "state/updates" / version).iterdir())


def restarted(here: World, disk: Path, version: str = "v1", words: str = "") -> int:
    """The machine started again; how many lines it had said before."""
    said = len(here.console())
    begin(here, disk, version, words)
    up(here, said)
    return said


def test_an_update_is_kept_over_a_new_start_and_taken_back(shipped: World, disk: Path, newer: Path, tmp_path: Path) -> None:
    new = update(shipped, "one", ["newer", "base"], newer)
    assert new.again == ("two",)
    send(shipped, new, tmp_path)
    assert new.missing(look(control(shipped)))[-1][0]  # the record is no file any more, but a record
    trial(control(shipped), new, silent)
    assert (who(shipped), config(shipped, "one")) == ("newer", {"for": "one", "layers": ["newer", "base"]})
    assert starts(shipped) == [2, 2, 1], "what does not depend on it runs on"
    assert records(shipped) == ["one.kept"]
    found = look(control(shipped)).containers["one"]
    assert (found.update, found.module, found.image) == ("kept", "session/one", "modulux/one:new")
    shipped.power_off()

    restarted(shipped, disk)
    assert who(shipped) == "newer"
    assert "one is started as its update has it" in shipped.console()
    take_back(control(shipped), "one", silent)
    assert (who(shipped), config(shipped, "one")) == ("top", {"shipped": "one"})
    shipped.wait(lambda: not records(shipped) and not files(shipped))
    assert "/newer" not in Path(f"/proc/{shipped.pid}/mountinfo").read_text()
    with pytest.raises(EngineError, match="it has no update"):
        take_back(control(shipped), "one", silent)
    shipped.power_off()
    assert shipped.console()[-1] == "off"


@pytest.mark.parametrize("how", ["dies", "is never ready"])
def test_one_that_does_not_get_ready_is_taken_back_by_itself(shipped: World, newer: Path, tmp_path: Path, how: str) -> None:
    lines = {"dies": {"lives": 0.05, "code": 1}, "is never ready": {}}[how]
    new = update(shipped, "one", ["newer", "base"], newer, within=2 if how == "is never ready" else 60)
    send(shipped, new, tmp_path)
    shipped.container("one", **lines)
    ask(control(shipped), "try", "one")
    shipped.hears("the former one is taken", 20)
    shipped.container("one", listens=[SOCKET])
    shipped.wait(lambda: look(control(shipped)).containers["one"].ready and shipped.status()["two"][1] == "ready")
    assert look(control(shipped)).containers["one"].update == "failed"
    assert (who(shipped), config(shipped, "one")) == ("top", {"shipped": "one"})
    shipped.wait(lambda: not records(shipped) and not files(shipped))


def test_a_failed_one_leaves_the_update_that_was_kept_before(shipped: World, newer: Path, tmp_path: Path) -> None:
    good = update(shipped, "one", ["newer", "base"], newer)
    send(shipped, good, tmp_path)
    trial(control(shipped), good, silent)
    worse = update(shipped, "one", ["worse", "base"], layer(tmp_path, tmp_path / "new/worse.erofs", who="worse"), within=2)
    send(shipped, worse, tmp_path)
    shipped.container("one")
    shipped.ask("try", "one")
    shipped.hears("is not ready in its time", 20)
    shipped.container("one", listens=[SOCKET])
    shipped.wait(lambda: shipped.status()["one"][1] == "ready")
    assert who(shipped) == "newer"
    assert records(shipped) == ["one.kept"]


def test_the_power_goes_before_it_is_tried_and_while_it_is(shipped: World, disk: Path, newer: Path, tmp_path: Path) -> None:
    for tried in (False, True):
        new = update(shipped, "one", ["newer", "base"], newer, within=60)
        send(shipped, new, tmp_path)
        if tried:
            shipped.container("one")
            shipped.ask("try", "one")
            shipped.wait(lambda: who(shipped) == "newer")
        shipped.kill()
        said = restarted(shipped, disk)
        assert "the power went while an update of one was on trial: the former one is taken" in shipped.console()[said:]
        assert who(shipped) == "top"
        shipped.wait(lambda: not records(shipped) and not files(shipped))


def test_a_half_sent_one_goes_on_where_it_was_and_is_nothing_after_a_new_start(
    shipped: World, disk: Path, newer: Path, tmp_path: Path
) -> None:
    new = update(shipped, "one", ["newer", "base"], newer)
    name, size = new.layers[0].sum, newer.stat().st_size
    half = shipped.inside / f"state/updates/files/{name}.part"
    with reached(control(shipped)) as line:
        line.sendall(f"bring\t{name}\t{size}\n".encode())
        assert line.recv(100) == b"at\t0\n"
        line.sendall(newer.read_bytes()[: size // 2])
        shipped.wait(lambda: files(shipped) == [f"{name}.part"] and half.stat().st_size == size // 2)
    assert send_to(control(shipped), newer, lambda digest, size: ("bring", digest, str(size))) == size - size // 2
    assert send_to(control(shipped), newer, lambda digest, size: ("bring", digest, str(size))) == 0
    with pytest.raises(EngineError, match="not for this container"):
        ask(control(shipped), "propose", "one", name)
    shipped.power_off()
    restarted(shipped, disk)
    shipped.wait(lambda: not files(shipped))
    assert who(shipped) == "top"


def test_what_is_not_what_was_sent_is_not_taken(shipped: World, newer: Path, tmp_path: Path) -> None:
    new = update(shipped, "one", ["newer", "base"], newer)
    (shipped.inside / "state/updates/files").mkdir(parents=True)
    (shipped.inside / f"state/updates/files/{new.layers[0].sum}.part").write_bytes(b"x" * 100)
    with pytest.raises(EngineError, match="not what was sent"):
        send(shipped, new, tmp_path)
    assert files(shipped) == []
    send(shipped, new, tmp_path)
    (shipped.inside / f"state/updates/files/{new.layers[0].sum}").unlink()
    with pytest.raises(EngineError, match="not all files"):
        ask(control(shipped), "propose", "one", bring_record(shipped, new, tmp_path))


@pytest.mark.parametrize("what", ["layer", "config", "record"])
def test_a_kept_one_that_is_damaged_is_said_and_the_systems_own_is_taken(
    shipped: World, disk: Path, newer: Path, tmp_path: Path, what: str
) -> None:
    new = update(shipped, "one", ["newer", "base"], newer)
    send(shipped, new, tmp_path)
    trial(control(shipped), new, silent)
    folder = shipped.inside / "state/updates"
    config_sum = new.record.partition("config\t")[2][:64]
    file = {
        "layer": folder / "files" / new.layers[0].sum,
        "config": folder / "files" / config_sum,
        "record": folder / "v1/one.kept",
    }[what]
    data = bytearray(file.read_bytes())
    data[len(data) // 2] ^= 1
    shipped.ask("stop", "one")
    file.write_bytes(data)
    shipped.power_off()
    said = restarted(shipped, disk)
    assert any("cannot be started as its update has it" in line for line in shipped.console()[said:])
    assert (who(shipped), config(shipped, "one")) == ("top", {"shipped": "one"})
    assert look(control(shipped)).containers["one"].update == "back"


def test_a_kept_one_that_is_not_ready_any_more_is_put_aside_until_the_next_start(
    shipped: World, disk: Path, newer: Path, tmp_path: Path
) -> None:
    new = update(shipped, "one", ["newer", "base"], newer)
    send(shipped, new, tmp_path)
    trial(control(shipped), new, silent)
    shipped.power_off()
    said = len(shipped.console())
    begin(shipped, disk)
    shipped.container("one")
    shipped.hears("one, as its update has it, is not ready: until the next start the system's own is taken", 30)
    shipped.container("one", listens=[SOCKET])
    shipped.wait(lambda: who(shipped) == "top" and "started one" in shipped.console()[said:])
    assert records(shipped) == ["one.kept"]


def test_updates_are_of_one_system_and_go_when_it_cannot_be_started(
    shipped: World, disk: Path, newer: Path, tmp_path: Path
) -> None:
    new = update(shipped, "one", ["newer", "base"], newer)
    send(shipped, new, tmp_path)
    trial(control(shipped), new, silent)
    shipped.power_off()
    restarted(shipped, disk, "v2", "modulux.slot=b")
    assert who(shipped) == "top"
    time.sleep(0.5)
    assert records(shipped) == ["one.kept"], "the other slot's system can still be started"
    with pytest.raises(EngineError, match="not for this container of this system"):
        send(shipped, new, tmp_path)
    shipped.power_off()
    restarted(shipped, disk, "v3")
    shipped.wait(lambda: not (shipped.inside / "state/updates/v1").exists() and not files(shipped))


def test_there_is_no_room(shipped: World, tmp_path: Path) -> None:
    big = tmp_path / "new/big.erofs"
    big.parent.mkdir()
    with big.open("wb") as file:
        file.truncate(80 << 20)
    new = update(shipped, "one", ["big", "base"], big)
    with pytest.raises(Exception, match=r"has room for \d+"):
        check_room(new, look(control(shipped)))
    with pytest.raises(EngineError, match="has no room"):
        send(shipped, new, tmp_path)
    shipped.ask("try", "one")
    assert starts(shipped) == [1, 1, 1]
    with pytest.raises(EngineError, match="nothing was proposed"):
        ask(control(shipped), "try", "one")


def test_an_update_of_other_words_asks_by_those(shipped: World, newer: Path, tmp_path: Path) -> None:
    new = update(shipped, "three", ["newer", "base"], newer, lines=("run three on-failure", "ask three /bin/well"), within=30)
    shipped.container("three", exec=[1, 1, 0])
    send(shipped, new, tmp_path)
    trial(control(shipped), new, silent)
    asked = [n.words for n in shipped.noted("exec") if n.name == "three"]
    assert len(asked) == 3
    assert asked[0][-1] == "/bin/well"
    worse = update(shipped, "three", ["base"], lines=("run three always", "ask three /bin/ill"), within=1)
    send(shipped, worse, tmp_path)
    shipped.container("three", exec=[1])
    shipped.ask("try", "three")
    shipped.hears("update of three is not ready in its time", 20)
    shipped.container("three", exec=[0])
    shipped.wait(lambda: shipped.status()["three"][1] == "ready")
    assert who(shipped, "three") == "newer"
    assert [n.words[-1] for n in shipped.noted("exec") if n.name == "three"][-1] == "/bin/well"


def test_one_at_a_time(shipped: World, newer: Path, tmp_path: Path) -> None:
    send(shipped, update(shipped, "one", ["newer", "base"], newer, within=60), tmp_path)
    send(shipped, update(shipped, "three", ["newer", "base"], newer), tmp_path)
    shipped.container("one")
    shipped.ask("try", "one")
    for words in (("try", "three"), ("undo", "one")):
        with pytest.raises(EngineError, match="another update is under way"):
            ask(control(shipped), *words)
    assert look(control(shipped)).containers["one"].update == "trial"
    shipped.power_off()
    assert shipped.console()[-1] == "off"
