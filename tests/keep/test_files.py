"""What goes into a snapshot comes out of it, to the last bit; and what cannot be had whole is not had at all."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest

from modulux.desktop import switch
from modulux.engine.files import mirror
from modulux.errors import NameTakenError, NewerError, NotFoundError, UsageError
from modulux.keep import manifest as manifests
from modulux.keep import passes
from modulux.keep.clone import clone
from modulux.keep.forget import choose, forget
from modulux.keep.paths import place, restore_paths
from modulux.keep.reading import Reading
from modulux.keep.restic import OURS, WARM
from modulux.keep.restore import target_of
from modulux.keep.verify import every_byte, structure
from modulux.report import silent

from .folders import World, tree


def yes(question: str) -> None:
    return


def test_there_and_back(world: World) -> None:
    before = world.engine.tree("a")
    done = world.backup("monday")
    assert done.files > 10
    world.home.joinpath("none").write_text("ruined")
    world.documents.joinpath("letter.odt").unlink()
    world.restore()
    assert world.engine.tree("a") == before
    world.restore(name="b")
    assert world.engine.tree("b") == before
    assert {v.name for v in world.engine.volumes("modulux.")} == {
        f"modulux.{d}.{part}" for d in "ab" for part in ("openbox.home", "share.Documents", "record")
    }


def test_what_is_said_of_a_snapshot(world: World) -> None:
    done = world.backup("monday", "with.dots")
    (kept,) = world.repository.snapshots(OURS)
    assert kept.id.startswith(done.snapshot[:8])
    assert kept.desktop == "a"
    assert {"monday", "with.dots"} <= set(kept.tags)
    assert world.repository.snapshots(WARM) == []
    source = world.source("a")
    assert source.manifest.model() == world.file
    assert {(v.name, v.at, v.owner) for v in source.manifest.volumes} == {
        ("openbox.home", "/home/user", 1000),
        ("share.Documents", "/home/user/Documents", 1000),
    }
    assert all(check.passed for check in (*structure(world.shop, source), *every_byte(world.shop, source)))


def test_only_what_changed_is_stored_again(world: World) -> None:
    (world.documents / "large").write_bytes(os.urandom(4_000_000))
    first = world.backup()
    (world.home / "none").write_text("a little")
    second = world.backup()
    assert 4_000_000 < first.added < 6_000_000  # the second pass finds what the first has stored
    assert second.added < 100_000
    assert [s.short for s in world.repository.snapshots(OURS)] == [first.snapshot[:8], second.snapshot[:8]]


def test_the_second_pass_knows_what_the_first_has_read(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """Else it would read everything again while the desktop stands still."""
    made: list[Reading] = []

    class Noted(Reading):
        def __enter__(self) -> Reading:
            made.append(self)
            return super().__enter__()

    monkeypatch.setattr(passes, "Reading", Noted)
    for number in range(2):
        (world.folder / "cache/modulux/keep/folders.a/last.json").unlink(missing_ok=True)  # so that there are two passes
        (world.home / "none").write_text(f"changed {number}")
        done = world.backup()
        first, last = sorted(made, key=lambda reading: reading.summary["snapshot_id"] == done.snapshot)
        made.clear()
        assert first.summary["files_new"] + first.summary["files_changed"] > 0
        ours = len(list((world.folder / "cache/modulux/keep/folders.a/desktop").iterdir()))  # written between the two
        assert last.summary["files_new"] + last.summary["files_changed"] <= ours, last.summary
        assert last.summary["files_unmodified"] > 8


def test_folders_that_have_changed_places_since(world: World) -> None:
    """The last pass begins with where the volumes lay at the last snapshot."""
    world.backup()
    note = world.folder / "cache/modulux/keep/folders.a/last.json"
    for word in ("openbox.home", "share.Documents"):
        data = json.loads(note.read_text())
        data["volumes"][word] = str(world.folder / "gone") if word == "openbox.home" else str(world.folder)
        note.write_text(json.dumps(data))
        before = world.engine.tree("a")
        world.backup()
        world.home.joinpath("none").write_text("ruined")
        world.restore()
        assert world.engine.tree("a") == before


def test_some_files(world: World) -> None:
    world.backup()
    before = world.engine.tree("a")
    (world.documents / "letter.odt").write_text("ruined")
    (world.home / ".config/deep/er/settings").unlink()
    (world.home / ".config/deep/er").rmdir()
    (world.home / ".config/deep").rmdir()
    source = world.source()
    target = target_of(world.engine, source.manifest, None)
    words = ["~/Documents/letter.odt", "openbox:~/.config/deep", "~/two\nlines\tand [*?] \\"]
    assert restore_paths(world.shop, source, target, words, yes) == [words[0], words[2]]
    after = world.engine.tree("a")
    changed = {"", "/.config"}  # folders into which something was put
    for part, files in before.items():
        assert isinstance(files, dict)
        now = after[part]
        assert isinstance(now, dict)
        assert {n: f for n, f in files.items() if n not in changed} == {n: f for n, f in now.items() if n not in changed}
    with pytest.raises(NotFoundError, match="not in the snapshot"):
        restore_paths(world.shop, source, target, ["~/nothing"], yes)
    with pytest.raises(UsageError):
        place("/etc/passwd", source.manifest)
    with pytest.raises(UsageError):
        place("~/../../etc/passwd", source.manifest)
    assert len(world.engine.volumes("modulux.")) == 2


def test_a_name_that_is_taken(world: World) -> None:
    world.backup()
    source = world.source()
    world.engine.volume("b", "share.Documents")
    with pytest.raises(NameTakenError, match="already"):
        target_of(world.engine, source.manifest, "b")
    world.engine.make(["modulux.c.openbox.home", "{}"])  # somebody else's
    before = tree(world.engine.root / "modulux.c.openbox.home")
    with pytest.raises(NameTakenError, match="not Modulux"):
        world.restore(name="c")
    assert tree(world.engine.root / "modulux.c.openbox.home") == before


def test_a_snapshot_of_a_newer_version(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    with monkeypatch.context() as later:
        later.setattr(manifests, "FORMAT", manifests.FORMAT + 1)
        world.backup()
    before = world.engine.tree("a")
    with pytest.raises(NewerError):
        world.restore()
    assert world.engine.tree("a") == before
    assert len(world.engine.volumes("modulux.")) == 2


def test_rules_and_names_of_what_goes(world: World) -> None:
    kept = [world.backup() for _ in range(3)]
    choice = choose(world.repository, [], {"last": 1}, [])
    assert [s.short for s in choice.kept] == [kept[-1].snapshot[:8]]
    assert choose(world.repository, [], {"last": 1}, ["b"]).gone == ()
    assert len(world.repository.snapshots(OURS)) == 3  # nothing has been done yet
    forget(world.repository, choice, silent)
    assert [s.short for s in world.repository.snapshots(OURS)] == [kept[-1].snapshot[:8]]
    named = choose(world.repository, [world.repository.find("latest")], {}, [])
    forget(world.repository, named, silent, prune=False)
    with pytest.raises(NotFoundError):
        world.repository.find("latest")


def test_a_clone_is_the_same_and_shares_nothing(world: World) -> None:
    before = world.engine.tree("a")
    clone(world.engine, "a", "b", world.file, silent)
    assert world.engine.tree("b") == before
    (world.engine.volume("b", "openbox.home") / "none").write_text("of the copy alone")
    assert world.engine.tree("a") == before
    with pytest.raises(NameTakenError):
        clone(world.engine, "a", "b", world.file, silent)


def test_a_mirror_follows(world: World, tmp_path: Path) -> None:
    """Whatever was done to the source since: even what size and time do not tell, and folders that changed places."""
    target = tmp_path / "target"
    target.mkdir()
    mirror(world.engine, 0, {world.home: target})
    assert tree(target) == tree(world.home)
    for name in ("p", "q"):
        (world.home / name / "in").mkdir(parents=True)
        (world.home / name / "in/file").write_text(name)
        os.utime(world.home / name / "in/file", ns=(1, 1))
    mirror(world.engine, 0, {world.home: target})
    since = os.lstat(world.home / "p/in/file").st_ctime - 1
    (world.home / "p").rename(world.home / "t")
    (world.home / "q").rename(world.home / "p")
    (world.home / "t").rename(world.home / "q")
    (world.home / "none").rmdir() if (world.home / "none").is_dir() else (world.home / "none").unlink()
    (world.home / "none").mkdir()
    (world.home / "empty").rmdir()
    (world.home / "empty").symlink_to("none")
    (world.home / "third").hardlink_to(world.home / "one")
    (world.home / "run.sh").chmod(0o600)
    mirror(world.engine, since, {world.home: target})
    assert tree(target) == tree(world.home)


def test_what_lies_beside_goes(world: World) -> None:
    laid = switch.lay(world.engine, "a", ["openbox.home"])
    assert set(laid.values()) <= {v.name for v in world.engine.volumes("modulux.a.")}
    switch.discard(world.engine, "a")
    assert len(world.engine.volumes("modulux.")) == 2
