"""A machine's own `modulux`: the very program of `service/keeper`, with the machine's first process and a disk, without the rest of a machine."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

import pytest
from tests.machine.test_init_keeping import group
from tests.machine.test_init_state import boot
from tests.support.cli import Cli
from tests.support.keeper import PASSWORD, Keeper, keeper, kept, why_not
from tests.support.pid1 import World
from tests.unit.test_machine_compose import CATALOG, desktop

from modulux.carry import archive, record, volumes
from modulux.carry.layout import Blob
from modulux.keep.restic import Repository
from modulux.keep.shop import Source
from modulux.machine.compose import plan_machine
from modulux.machine.custody import note_desktops
from modulux.model.machine import Machine

NAME = "openbox"


class NoEngine:
    """Has no images, so no packages are listed."""

    def image_ids(self, _: object) -> dict[str, str]:
        return {}


@pytest.fixture
def there(here: World, disk: Path, tmp_path: Path) -> Keeper:
    if reason := why_not():
        pytest.skip(reason)
    machine = Machine.model_validate({"name": "m", "desktops": [NAME], "services": ["keeper"], "login": {"password": "none"}})
    plan = plan_machine(machine, CATALOG, desktop)
    note_desktops(machine, plan, CATALOG, NoEngine(), here.folder / "etc/machine/desktops")  # type: ignore[arg-type]
    noted = json.loads((here.folder / f"etc/machine/desktops/{NAME}/desktop.json").read_text())
    assert noted["beside"] == ["modulux.m.login"], "it has the Documents"
    own = [*noted["containers"], *noted["beside"]]
    its = next(c for c in plan.containers if c.custody)
    for name in own:
        group(here, name)
    lines = [f"volume /state/volumes/{volume} {own[0]} /home/user" for volume in its.custody]
    home = tmp_path / "home-of-it"
    home.mkdir()
    boot(here, disk, "custody keeper", *lines, *[f"run {name} always" for name in own])
    here.hears("desktop ready", 30)
    return keeper(here, its, home)


def noted_of(there: Keeper) -> dict[str, Any]:
    return dict(json.loads((there.here.folder / f"etc/machine/desktops/{NAME}/desktop.json").read_text()))


def place(there: Keeper, part: str = "openbox.home") -> Path:
    return there.here.inside / f"state/volumes/modulux.{NAME}.{part}"


def write(there: Keeper, text: str) -> None:
    (place(there) / "letter").write_text(text)
    for path in (place(there), *place(there).rglob("*")):
        os.chown(path, 1000, 1000, follow_symlinks=False)


def letter(there: Keeper) -> str:
    return (place(there) / "letter").read_text()


def result(done: subprocess.CompletedProcess[bytes]) -> Any:
    return json.loads(done.stdout)


def test_a_snapshot_is_one_that_is_known_anywhere_and_comes_back_whole(there: Keeper) -> None:
    write(there, "old")
    (place(there) / "link").symlink_to("letter")
    os.lchown(place(there) / "link", 1000, 1000)
    first = result(there.run("backup", NAME, "--tag", "first", "--yes", *kept()))
    assert first["frozen"] > 0
    frozen = there.here.machine / "groups" / f"modulux.{NAME}.openbox" / "cgroup.freeze"
    assert frozen.read_text() == "0", "it goes on"
    assert {f"modulux.{NAME}.openbox", "modulux.m.login"} <= set(noted_of(there)["writers"])

    with_password = Repository(str(there.home / "repository"), PASSWORD.encode())
    source = Source(with_password, with_password.find(NAME))
    assert source.stored.id.startswith(first["snapshot"])  # older ones of restic tell the beginning alone
    assert source.stored.tags == ("modulux", f"desktop:{NAME}", "first")
    assert source.manifest.model().name == NAME
    assert "openbox.home" in source.parts
    assert source.images == []
    assert with_password.read(source.stored.id, "/volumes/openbox.home/letter") == "old"
    assert with_password.snapshots("modulux-warm") == []

    write(there, "new")
    (place(there) / "later").write_text("")
    assert [s["desktop"] for s in result(there.run("snapshots", *kept()))] == [NAME]
    there.run("restore", NAME, "--yes", *kept())
    assert letter(there) == "old"
    assert (place(there) / "link").readlink() == Path("letter")
    assert not (place(there) / "later").exists()
    facts = place(there).stat()
    assert (facts.st_uid, facts.st_gid) == (1000, 1000)
    console = there.here.console()
    assert console.index(f"stopped modulux.{NAME}.openbox") < console.index(
        "what was laid beside the volumes has taken their place"
    )
    assert there.here.status()[f"modulux.{NAME}.openbox"][:2] == ["running", "ready"]
    assert sorted(p.name for p in (there.here.inside / "state/volumes/.keeping").iterdir()) == ["lock"]


def test_single_files_come_back_while_the_desktop_runs(there: Keeper) -> None:
    write(there, "old")
    home = place(there)
    (home / "deep/er").mkdir(parents=True)
    (home / "deep/er/two [x] *").write_text("old")
    (home / "gone/with").mkdir(parents=True)
    (home / "gone/with/it").write_text("old")
    (home / "gone/with/more").write_text("old")
    (home / "odd").symlink_to("letter")
    (place(there, "share.Documents") / "essay").write_text("old")
    write(there, "old")
    for path in place(there, "share.Documents").rglob("*"):
        os.chown(path, 1000, 1000)
    there.run("backup", NAME, "--yes", *kept())
    (home / "deep/er/two [x] *").write_text("new")
    (home / "deep/later").write_text("new")
    write(there, "new")
    (place(there, "share.Documents") / "essay").write_text("new")
    shutil.rmtree(home / "gone")
    starts = [words[3:] for words in there.here.status().values()]

    many = ["--path", "~/deep/er", "--path", "openbox:/home/user/deep/er/two [x] *", "--path", "~/gone/with/it", "--path"]
    words = ["restore", NAME, *many, "~/Documents/essay", *kept()]
    assert b"Nobody is there" in there.run(*words, status=12).stderr
    assert (home / "deep/er/two [x] *").read_text() == "new"
    done = result(there.run(*words, "--yes"))
    assert done["replaced"] == ["~/deep/er", "~/Documents/essay"]
    assert (home / "deep/er/two [x] *").read_text() == "old"
    assert (home / "deep/later").read_text() == "new", "it lies beside what came back"
    assert sorted(p.name for p in (home / "gone/with").iterdir()) == ["it"]
    assert (place(there, "share.Documents") / "essay").read_text() == "old"
    assert letter(there) == "new"
    assert {p.stat().st_uid for p in home.rglob("*") if not p.is_symlink()} == {1000}
    there.run("restore", NAME, "--path", "~/odd", "--yes", *kept())
    assert (home / "odd").readlink() == Path("letter")
    assert [words[3:] for words in there.here.status().values()] == starts, "nobody was started anew"
    assert sorted(p.name for p in (there.here.inside / "state/volumes/.keeping").iterdir()) == ["lock"]


def test_a_path_that_cannot_come_back_is_refused_before_anything_changes(there: Keeper) -> None:
    write(there, "old")
    (place(there) / "deep").mkdir()
    (place(there) / "deep/letter").write_text("old")
    write(there, "old")
    there.run("backup", NAME, "--yes", *kept())
    write(there, "new")
    shutil.rmtree(place(there) / "deep")
    (place(there) / "deep").symlink_to("/etc")
    for path, why, status in (
        ("~/nothing", b"`~/nothing` is not in the snapshot", 9),
        ("letter", b"is no path in a home", 2),
        ("~/../x", b"is no path in a home", 2),
        ("/etc/passwd", b"lies in nothing that is kept", 2),
        ("~", b"lies in nothing that is kept", 2),
        ("~/deep/letter", b"`deep` above it is a link now", 2),
    ):
        assert why in there.run("restore", NAME, "--path", "~/letter", "--path", path, "--yes", *kept(), status=status).stderr
    nowhere = ["--to", "/home/user/nowhere", "--password-file", "/home/user/password"]
    for words in (["restore", NAME, "--path", "~/letter", "--yes"], ["forget", "--keep-last", "1", "--yes"]):
        assert b"/home/user/nowhere: " in there.run(*words, *nowhere, status=13).stderr
    assert not (there.home / "nowhere").exists()
    assert letter(there) == "new"


def test_snapshots_go_by_name_and_by_rules_and_their_room_with_them(there: Keeper) -> None:
    ids = []
    for text in ("one", "two", "three"):
        (place(there) / "large").write_bytes(os.urandom(300_000))
        write(there, text)
        ids.append(result(there.run("backup", NAME, "--yes", *kept()))["snapshot"][:8])
    repository = Repository(str(there.home / "repository"), PASSWORD.encode())

    def left() -> list[str]:
        return [s.id[:8] for s in repository.snapshots("modulux")]

    def size() -> int:
        return sum(p.stat().st_size for p in (there.home / "repository/data").rglob("*") if p.is_file())

    before = size()
    shown = result(there.run("forget", "--keep-last", "1", "--dry-run", *kept()))
    assert [id[:8] for id in shown["forgotten"]] == ids[:2]
    assert b"2 snapshots would go, 1 stay. Go on?" in there.run("forget", "--keep-last", "1", *kept(), status=12).stderr
    assert b"forget which?" in there.run("forget", *kept(), status=2).stderr
    assert b"forget which?" in there.run("forget", "--keep-last", "-1", *kept(), status=2).stderr
    assert b"no snapshot `01234567`" in there.run("forget", "01234567", "--yes", *kept(), status=9).stderr
    assert b"invalid int value" in there.run("forget", "--keep-daily", "many", *kept(), status=2).stderr
    assert result(there.run("forget", "--keep-last", "1", "--desktop", "other", "--yes", *kept()))["forgotten"] == []
    assert left() == ids
    there.run("forget", ids[0], "--no-prune", "--yes", *kept())
    assert left() == ids[1:]
    assert size() >= before
    assert [id[:8] for id in result(there.run("forget", "--keep-last", "1", "--yes", *kept()))["kept"]] == ids[2:]
    assert left() == ids[2:]
    assert size() < before - 500_000
    write(there, "new")
    there.run("restore", ids[2], "--yes", *kept())
    assert letter(there) == "three"


@pytest.fixture
def regular(there: Keeper) -> Keeper:
    """The same with a schedule in its machine file."""
    use = {"module": "keeper", "to": "/home/user/repository", "schedule": "daily", "keep-last": 1}
    machine = Machine.model_validate({"name": "m", "desktops": [NAME], "services": [use], "login": {"password": "none"}})
    (its,) = [c for c in plan_machine(machine, CATALOG, desktop).containers if c.custody]
    there.container = its
    return there


RECORD = ".local/share/modulux/schedule.json"
LOOKS = "import sys; sys.path.insert(0, '/home/user/.program'); import schedule; schedule.CALM, schedule.LOOK = 0, 0.1; schedule.keep_on()"


@contextmanager
def looking(there: Keeper, log: Path) -> Iterator[None]:
    """What looks at the clock, with less patience; what it says goes to `log`."""
    with log.open("ab") as sink:
        argv = there.inside("/usr/bin/python3", "-c", LOOKS)
        process = subprocess.Popen(argv, stdin=subprocess.DEVNULL, stderr=sink, env=there.environment())
        try:
            yield
        finally:
            process.terminate()
            process.wait()


def noted_times(there: Keeper) -> dict[str, Any]:
    file = there.home / RECORD
    return dict(json.loads(file.read_text())[NAME]) if file.exists() else {}


def note(there: Keeper, **changes: Any) -> None:
    (there.home / RECORD).write_text(json.dumps({NAME: noted_times(there) | changes}))


def test_a_schedule_keeps_the_desktops_and_tells_why_when_it_cannot(regular: Keeper, tmp_path: Path) -> None:
    there, log = regular, tmp_path / "log"
    write(there, "old")

    def says(words: str) -> bool:
        return words in log.read_text()

    with looking(there, log):
        there.here.wait(lambda: noted_times(there), 60)
        assert says("schedule: daily, to /home/user/repository")
        assert noted_times(there)["kept"] is False, "it begins with the next time"
        note(there, since=noted_times(there)["since"] - 2 * 86400)  # as if the machine had been off
        there.here.wait(lambda: noted_times(there)["failures"] == 1, 60)
        assert says(f"{NAME} was NOT KEPT: there is no password in ~/.config/modulux/password")
        (found,) = result(there.run("ps", "--json"))
        assert found["kept"]["kept"] is None
        assert "there is no password" in found["kept"]["why"]
        assert b"kept daily, not yet; on 20" in there.run("ps").stdout

        assert b"Make one?" in there.run("password", given=f"{PASSWORD}\nn\n".encode(), status=12).stderr
        assert not (there.home / ".config").exists()
        there.run("password", "--yes", given=f"{PASSWORD}\n".encode())
        assert b"wrong password" in there.run("password", given=b"wrong\n", status=14).stderr
        kept_at = there.home / ".config/modulux/password"
        assert (kept_at.read_text(), kept_at.stat().st_mode & 0o777) == (f"{PASSWORD}\n", 0o600)
        assert there.run("snapshots", "--json").stdout == b"[]\n", "neither --to nor a password needs to be said any more"
        note(there, tried=0)  # as if it were later
        there.here.wait(lambda: noted_times(there)["kept"], 120)
        assert noted_times(there)["failures"] == 0
        assert says(f"schedule: {NAME} is kept")
        (first,) = result(there.run("snapshots", "--json"))
        write(there, "later")
        note(there, since=noted_times(there)["since"] + 10 * 365 * 86400)  # the clock was wrong then
        there.here.wait(lambda: result(there.run("snapshots", "--json"))[-1]["id"] != first["id"], 120)
        there.here.wait(lambda: len(result(there.run("snapshots", "--json"))) == 1, 120)  # the rule has been followed
    assert b"kept daily, last 20" in there.run("ps").stdout


def test_without_a_schedule_nothing_is_looked_at_and_no_password_kept(there: Keeper, tmp_path: Path) -> None:
    with looking(there, tmp_path / "log"):
        pass
    assert "kept" in result(there.run("ps", "--json"))[0]
    assert b"names no repository" in there.run("password", status=2).stderr
    assert (tmp_path / "log").read_text() == ""


def test_what_is_wrong_is_told_as_anywhere_and_changes_nothing(there: Keeper) -> None:
    write(there, "old")
    there.run("backup", NAME, "--yes", *kept())
    write(there, "new")
    (there.home / "wrong").write_text("wrong\n")
    assert b"no desktop `nobody`" in there.run("backup", "nobody", *kept(), status=9).stderr
    wrong = ["--to", "/home/user/repository", "--password-file", "/home/user/wrong"]
    assert b"wrong password" in there.run("restore", NAME, "--yes", *wrong, status=14).stderr
    assert b"no snapshot" in there.run("restore", "0123456789", "--yes", *kept(), status=9).stderr
    assert b"nothing was done" in there.run("restore", NAME, *kept(), given=b"n\n", status=12).stderr
    assert b"Nobody is there" in there.run("restore", NAME, *kept(), status=12).stderr
    asked = there.run("snapshots", "--to", "/home/user/repository", given=f"{PASSWORD}\n".encode())
    assert asked.stderr.endswith(b"\x05")
    assert letter(there) == "new"


def test_an_export_is_one_that_is_imported_anywhere_and_here(there: Keeper, tmp_path: Path) -> None:
    write(there, "old")
    (place(there) / "large").write_bytes(os.urandom(200_000))
    write(there, "old")
    done = there.run("export", NAME, "-o", "-")
    file = tmp_path / "openbox.modulux"
    file.write_bytes(done.stdout)
    source = archive.look(file)
    first, manifest, said = record.read(source)
    assert first.digest.encode() in done.stderr
    assert said.composition.name == NAME
    assert {image.module for image in said.locked} >= {"display/xvfb", "session/openbox"}
    for blob in archive.blobs(source):
        source.check(blob)
    layers = [Blob.of(layer) for layer in manifest["layers"]]
    for volume in said.volumes:
        assert volumes.judge(volumes.blobs_of(volume, layers), source) > 0

    write(there, "new")
    damaged = bytearray(done.stdout)
    damaged[len(damaged) // 2] ^= 1
    there.run("import", "-", "--yes", given=bytes(damaged), status=15)
    there.run("import", "-", "--yes", given=done.stdout[: len(damaged) // 2], status=15)
    assert b"--yes" in there.run("import", "-", given=done.stdout, status=12).stderr
    assert letter(there) == "new"
    assert result(there.run("import", "-", "--yes", "--json", given=done.stdout))["digest"] == first.digest
    assert letter(there) == "old"
    there.run("export", NAME, "-o", "/home/user/file")
    assert b"there already" in there.run("export", NAME, "-o", "/home/user/file", status=2).stderr


def test_who_is_killed_leaves_the_old_and_what_was_decided_is_completed(there: Keeper) -> None:
    (place(there) / "large").write_bytes(os.urandom(200_000))
    write(there, "old")
    data = there.run("export", NAME, "-o", "-").stdout
    write(there, "new")
    importing = subprocess.Popen(
        there.argv("import", "-", "--yes"), stdin=subprocess.PIPE, stderr=subprocess.DEVNULL, env=there.environment()
    )
    assert importing.stdin
    with closing(importing.stdin):
        importing.stdin.write(data[:-2000])
        importing.stdin.flush()
        staging = there.here.inside / "state/volumes/.keeping"
        there.here.wait(lambda: any(staging.glob("import/*")))
        importing.kill()
        importing.wait()
    assert letter(there) == "new"
    laid = staging / "laid" / f"modulux.{NAME}.openbox.home"
    laid.mkdir(parents=True)
    (laid / "letter").write_text("decided")
    there.run("settle")
    assert letter(there) == "decided"
    assert sorted(p.name for p in staging.iterdir()) == ["lock"]
    there.here.wait(lambda: there.here.status()[f"modulux.{NAME}.openbox"][0] == "running")
    placing = staging / "placing"
    placing.mkdir()
    (placing / "file").write_text("placed")
    number = (placing / "file").stat().st_ino
    (placing / "file").rename(placing / str(number))
    (placing / f"{number}.to").symlink_to(f"modulux.{NAME}.openbox.home/letter")
    for path in (placing, *placing.iterdir()):
        os.chown(path, 1000, 1000, follow_symlinks=False)
    there.run("settle")
    assert letter(there) == "placed"
    assert sorted(p.name for p in staging.iterdir()) == ["lock"]


def test_it_says_where_the_data_lies_and_who_runs(there: Keeper) -> None:
    write(there, "x" * 100_000)
    shown = result(there.run("storage", "show", "--json"))
    assert shown["disk"]["size"] > shown["disk"]["free"] > 0
    assert shown["desktops"][NAME]["openbox.home"] >= 100_000
    (found,) = result(there.run("ps", "--json"))
    assert found["running"] == found["containers"] > 2
    assert found["ready"]


@pytest.mark.slow
def test_what_left_the_machine_is_a_desktop_under_podman(there: Keeper, tmp_path: Path) -> None:
    """An export by `import`, a snapshot by `restore`: with the file in the home, and drawn, for `up` waits until it is. And back."""
    cli = Cli("podman", env={"XDG_DATA_HOME": str(tmp_path / "data")})
    write(there, "old")
    there.run("backup", NAME, "--yes", *kept())
    write(there, "carried")
    (tmp_path / "file").write_bytes(there.run("export", NAME, "-o", "-").stdout)
    repository = ["--to", str(there.home / "repository"), "--password-file", str(there.home / "password")]
    for name, text, *words in (
        ("t-carried", "carried", "import", str(tmp_path / "file"), "--trust"),
        ("t-restored", "old", "restore", NAME, *repository),
    ):
        try:
            cli.run(*words, "--as", name, "--yes")
            cli.run("up", name, "--yes")
            assert cli.inside(name, "openbox", "cat ~/letter; stat -c ' %u' ~/letter").split() == [text, "1000"]
            cli.inside(name, "openbox", f"echo {name} > ~/letter")
            if name == "t-carried":
                cli.run("export", name, "-o", str(tmp_path / "with-images"), "--yes")
                there.run("import", "-", "--as", NAME, "--yes", given=(tmp_path / "with-images").read_bytes())
            else:
                cli.run("backup", name, *repository)
                for path in (there.home / "repository").rglob("*"):
                    os.chown(path, 1000, 1000)  # it was this host's root who wrote
                there.run("restore", name, "--as", NAME, "--yes", *kept())
            assert letter(there).strip() == name
        finally:
            cli.run("down", name, "--volumes", "--yes", status=None)
