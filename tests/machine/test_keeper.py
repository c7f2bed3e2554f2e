"""A machine's own `modulux`: the very program of `service/keeper`, with the machine's first process and a disk, without the rest of a machine."""

from __future__ import annotations

import os
import shutil
import subprocess
from contextlib import closing
from pathlib import Path

import pytest
from tests.support.cli import Cli
from tests.support.keeper import NAME, PASSWORD, Keeper, kept, letter, noted_of, place, result, write

from modulux.carry import archive, record, volumes
from modulux.carry.layout import Blob
from modulux.keep.restic import Repository
from modulux.keep.shop import Source


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
