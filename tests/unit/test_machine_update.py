"""One module of a machine that runs: what may change, who is started again, what is sent, and what the machine makes of it."""

from __future__ import annotations

import hashlib
from pathlib import Path

import pytest

from modulux.errors import EngineError, HostError, NotFoundError, NotReadyError, ResolveError
from modulux.machine import update as u
from modulux.machine.sealed import Sealed
from modulux.machine.starts import Start

PLAN = """version\tv1
host\tpc
layers\td.x\ttop:base
layers\td.session\tsession:base
layers\td.app\tapp:base
ipc\td.x\t64
volume\t/run/machine/volumes/x\td.x\t/tmp/.X11-unix
volume\t/state/volumes/home\td.session\t/home/user
run\td.x\talways
run\td.session\talways\t/run/machine/volumes/x/X0
run\td.app\ton-failure
after\td.session\td.x
after\td.app\td.session
ready\td.x\t/run/machine/volumes/x/X0
"""
SAID = """system\tv1\tkept\tengine
room\t1000000
file\t{known}
container\td.x\tshipped\tready\t{own}\t-\t-
container\td.session\tkept\tready\t{own}\tsession/openbox\tmodulux/session/openbox:1
container\td.app\tfailed\t-\t-\t-\t-
"""
HAS = ["/run/machine/volumes/x"]
DATA = b'{"hostname": "pc"}'


def digest(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


def there(**words: str) -> u.There:
    told = {"known": "0" * 64, "own": digest(DATA)} | words
    return u.read(SAID.format(**told).splitlines(), PLAN.splitlines())


def lines(*more: str, name: str = "d.x") -> list[list[str]]:
    own = [line.split("\t") for line in PLAN.splitlines() if line.split("\t")[1] == name]
    return [*own, *(line.split(" ") for line in more)]


def test_what_a_machine_says_is_read() -> None:
    found = there()
    assert (found.version, found.keeps, found.room, found.files) == ("v1", True, 1000000, frozenset(["0" * 64]))
    assert found.layers == {"top", "session", "app", "base"}
    assert found.containers["d.session"].to_json() == {
        "container": "d.session",
        "update": "kept",
        "ready": True,
        "module": "session/openbox",
        "image": "modulux/session/openbox:1",
    }
    with pytest.raises(EngineError, match="does not say what of it is updated"):
        u.read(["unknown: updates"])


def test_what_is_that_of_today_is_left_alone() -> None:
    assert u.same(there(), "d.x", lines(), DATA)
    assert not u.same(there(), "d.x", lines(), DATA + b" ")
    assert not u.same(there(), "d.x", [["layers", "d.x", "newer:base"], *lines()[1:]], DATA)
    assert not u.same(there(), "d.session", lines(name="d.session"), DATA), "it is an update already, of which less is known"


def test_an_update_that_is_kept_already_is_not_sent_again(tmp_path: Path) -> None:
    new = made(tmp_path)
    image = "modulux/session/openbox:1"
    assert u.kept_already(there(known=new.layers[0].sum), "d.session", image, DATA, new.layers)
    assert not u.kept_already(there(), "d.session", image, DATA, new.layers)
    assert not u.kept_already(there(known=new.layers[0].sum), "d.session", image + "2", DATA, new.layers)
    assert not u.kept_already(there(known=new.layers[0].sum), "d.x", image, DATA, new.layers)


def test_words_of_the_module_may_change_and_what_was_given_to_it_at_the_start_may_not() -> None:
    u.refuse_more(there(), "d.x", [["layers", "d.x", "newer"], *lines("ask d.x /bin/well")[1:]], HAS)
    with pytest.raises(ResolveError, match="not only another module: device /dev/snd") as caught:
        u.refuse_more(there(), "d.x", lines("device d.x /dev/snd"), HAS)
    assert "machine upgrade" in str(caught.value.hint)
    with pytest.raises(ResolveError, match="not only another module: sticks"):
        u.refuse_more(there(), "d.x", lines("sticks d.x /run/machine/volumes/media"), HAS)
    with pytest.raises(ResolveError, match="a volume that the machine has not: new"):
        u.refuse_more(there(), "d.x", lines(), ["/state/volumes/new"])
    with pytest.raises(ResolveError, match=r"no container `d\.other`"):
        u.refuse_more(there(), "d.other", [], HAS)


def test_a_file_that_says_another_init_is_refused() -> None:
    u.refuse_other_init(there(), "engine")
    with pytest.raises(ResolveError, match="runs with `init: engine`, and its file says `systemd`"):
        u.refuse_other_init(there(), "systemd")


def test_who_depends_on_it_is_started_again_however_far() -> None:
    assert u.again(there(), "d.x") == ("d.session", "d.app")
    assert u.again(there(), "d.app") == ()


def made(tmp_path: Path) -> u.Update:
    path = tmp_path / "newer.erofs"
    path.write_bytes(b"layer" * 1000)
    sealed = (Sealed("newer", path, digest(path.read_bytes()), f"1:{'a' * 64}"),)
    own = [["module", "display/x", "modulux/display/x:2"], ["within", "60"], ["layers", "d.x", "newer:base"], *lines()[1:]]
    return u.Update("d.x", u.record("d.x", "v1", own, Start(DATA), sealed), (DATA,), sealed, ("d.session",), 60)


def test_a_record_says_what_pid_1_needs_and_ends_with_its_own_sum(tmp_path: Path) -> None:
    text = made(tmp_path).record
    body, _, sum = text.rpartition("sum\t")
    assert sum == digest(body.encode()) + "\n"
    assert text.startswith("update\td.x\tv1\n")
    assert f"layer\tnewer\t{digest(b'layer' * 1000)}\t1:{'a' * 64}\n" in text
    assert f"config\t{digest(DATA)}\n" in text
    assert "layers\td.x\tnewer:base\n" in text
    assert "ipc" not in text, "that was made when the machine was started"


def test_only_what_is_missing_is_sent_and_there_is_room_for_it(tmp_path: Path) -> None:
    new = made(tmp_path)
    assert next(size for _, size in new.missing(there())) == 5000
    assert 5000 not in [size for _, size in new.missing(there(known=new.layers[0].sum))]
    u.check_room(new, there())
    small = u.read([f"system\tv1\tkept\tengine\nroom\t{4000}"][0].splitlines())
    with pytest.raises(HostError, match=r"has 0\.0 MB, and the machine's state has room"):
        u.check_room(new, small)


@pytest.mark.parametrize(
    ("word", "found"), [("d.x", "d.x"), ("x", "d.x"), ("session/openbox", "d.session"), ("openbox", "d.session")]
)
def test_a_module_is_named_by_its_container_or_its_id(word: str, found: str) -> None:
    assert u.chosen(word, [("d.x", "display/xorg"), ("d.session", "session/openbox")]) == found


def test_what_is_not_one_module_is_refused() -> None:
    with pytest.raises(NotFoundError, match="no module `y`"):
        u.chosen("y", [("d.x", "display/xorg")])
    with pytest.raises(NotFoundError, match="several containers are `display/xorg`") as caught:
        u.chosen("display/xorg", [("d.x", "display/xorg"), ("e.x", "display/xorg")])
    assert "d.x, e.x" in str(caught.value.hint)


@pytest.mark.parametrize(("timeout", "accelerator", "seconds"), [(30, "tcg", 120), (30, "kvm", 60), (90, "kvm", 90)])
def test_an_emulated_processor_gets_more_time(timeout: float, accelerator: str, seconds: float) -> None:
    assert u.patience(timeout, accelerator) == seconds


def test_the_verdict_is_the_machines(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    answers = iter(["trial\t-", "trial\tready", "failed\t-", "failed\tready"])

    def asked(_control: Path, *words: str) -> list[str]:
        return (
            []
            if words[0] == "try"
            else f"system\tv1\tkept\tengine\nroom\t1\ncontainer\td.x\t{next(answers)}\t-\t-\t-".splitlines()
        )

    monkeypatch.setattr(u, "ask", asked)
    with pytest.raises(NotReadyError, match="runs as before"):
        u.trial(tmp_path, made(tmp_path), lambda _: None, pause=lambda _: None)
    answers = iter(["kept\tready"])
    u.trial(tmp_path, made(tmp_path), lambda _: None, pause=lambda _: None)
