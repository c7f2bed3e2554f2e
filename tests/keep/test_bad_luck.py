"""Killed at any moment, a disk that is full, a repository that is locked, damaged, gone: nothing lost, nothing half-restored."""

from __future__ import annotations

import os
import random
import shutil
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest
from tests.support.cli import ROOT

from modulux.desktop import switch
from modulux.desktop.state import look
from modulux.errors import DamagedError, HostError, PasswordError, RepositoryError
from modulux.keep.failures import AbsentError, LockedError
from modulux.keep.forget import choose, forget
from modulux.keep.restic import OURS, Repository
from modulux.report import silent

from .folders import PASSWORD, World


def act(world: World, action: str, step: int = 0, *, within: str | None = None) -> subprocess.CompletedProcess[str]:
    """Do it in a process of its own, killed at a step; `within` is a shell command that is run first, in the same namespace."""
    argv = [sys.executable, "-m", "tests.keep.killed", str(world.folder), action, str(step)]
    if within is not None:
        argv = ["unshare", "--mount", "--propagation", "private", "sh", "-ec", within + '; exec "$@"', "sh", *argv]
    env = {**os.environ, "PYTHONPATH": f"{ROOT / 'src'}:{ROOT}"}
    return subprocess.run(argv, capture_output=True, text=True, check=False, env=env, cwd=ROOT, timeout=120)


def steps(world: World, action: str) -> range:
    done = act(world, action)
    assert done.returncode == 0, done.stderr
    return range(1, int(done.stdout) + 1)


def no_restic_is_left(world: World) -> bool:
    deadline = time.monotonic() + 10
    while time.monotonic() < deadline:
        if str(world.folder).encode() not in b"".join(commands()):
            return True
        time.sleep(0.1)
    return False


def commands() -> list[bytes]:
    found = []
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            try:
                found.append((entry / "cmdline").read_bytes())
            except OSError:
                continue
    return found


def test_killed_while_backing_up(world: World) -> None:
    world.backup()
    before = world.engine.tree("a")
    for step in steps(world, "backup"):
        (world.folder / "cache/modulux/keep/folders.a/last.json").unlink(missing_ok=True)  # so that there are two passes
        assert act(world, "backup", step).returncode == -9
        assert no_restic_is_left(world)
        assert world.engine.tree("a") == before
    world.backup()
    choice = choose(world.repository, [], {"last": 1}, [])
    forget(world.repository, choice, silent)  # dead processes have left their locks
    world.repository.do("check")
    world.restore()
    assert world.engine.tree("a") == before


@pytest.mark.slow
def test_killed_while_restoring(world: World) -> None:
    kept = world.engine.tree("a")
    world.backup()
    number, finished = 0, False
    while not finished:
        number += 1
        (world.home / "none").write_text("of today")
        (world.documents / "letter.odt").unlink()
        today = world.engine.tree("a")
        finished = act(world, "restore", number).returncode == 0
        decided = switch.finish(world.engine, look(world.engine, "a"))  # what `up` does first of all
        now = world.engine.tree("a")
        assert now in (kept, today)
        assert not decided or now == kept
        act(world, "restore")
        assert world.engine.tree("a") == kept
        assert len(world.engine.volumes("modulux.")) == 3
    assert number > 6


def test_killed_while_cloning(world: World) -> None:
    kept = world.engine.tree("a")
    number, finished = 0, False
    while not finished:
        number += 1
        finished = act(world, "clone", number).returncode == 0
        switch.finish(world.engine, look(world.engine, "b"))
        copied = world.engine.tree("b")
        assert copied in (kept, {})
        if not copied:
            assert act(world, "clone").returncode == 0
        assert world.engine.tree("b") == kept
        for volume in world.engine.volumes("modulux.b."):
            world.engine.remove("volume", [volume.name])
    assert world.engine.tree("a") == kept


@pytest.mark.skipif(shutil.which("mkfs.xfs") is None, reason="needs xfsprogs")
def test_a_clone_takes_no_room_where_blocks_can_be_shared(world: World) -> None:
    (world.documents / "large").write_bytes(os.urandom(60_000_000))
    kept, folder, volumes = world.engine.tree("a"), world.folder, world.engine.root
    disk = f"truncate -s 400M {folder}/disk && mkfs.xfs -q {folder}/disk && mount -o loop {folder}/disk /mnt"
    used = "sync -f /mnt; df --output=used --block-size=1 /mnt | tail -n 1"
    after = f"{used} >{folder}/after; cd {volumes}; diff -r modulux.a.share.Documents/_data modulux.b.share.Documents/_data"
    within = f"{disk} && cp -a {volumes}/. /mnt && mount --bind /mnt {volumes}; {used} >{folder}/before; "
    within += f"trap '{after} >{folder}/difference 2>&1; echo $? >>{folder}/difference' EXIT; set +e; " + '"$@"; exit'
    done = act(world, "clone", within=within)
    assert done.returncode == 0, done.stderr
    assert (folder / "difference").read_text() == "0\n"
    before, now = (int((folder / name).read_text()) for name in ("before", "after"))
    assert before > 60_000_000
    assert now - before < 10_000_000
    assert world.engine.tree("a") == kept


def test_a_wrong_password(world: World) -> None:
    world.backup()
    world.repository = Repository(world.repository.where, b"guessed")
    for action in (world.backup, world.restore, world.repository.exists):
        with pytest.raises(PasswordError):
            action()


def test_no_repository(world: World) -> None:
    world.repository = Repository(str(world.folder / "elsewhere"), PASSWORD)
    assert not world.repository.exists()
    with pytest.raises(AbsentError):
        world.backup()


def lock_of(world: World, *words: str) -> subprocess.Popen[bytes]:
    """A restic that holds a lock and waits for its password's second line that never comes: `words` read stdin."""
    env = {**os.environ, "RESTIC_REPOSITORY": world.repository.where, "RESTIC_PASSWORD": PASSWORD.decode()}
    process = subprocess.Popen(["restic", *words], env=env, stdin=subprocess.PIPE, stdout=subprocess.DEVNULL)
    deadline = time.monotonic() + 20
    while not list((Path(world.repository.where) / "locks").iterdir()):
        assert time.monotonic() < deadline
        time.sleep(0.05)
    return process


def test_a_lock_of_the_living_and_of_the_dead(world: World) -> None:
    world.backup()
    world.backup()
    process = lock_of(world, "backup", "--stdin")
    choice = choose(world.repository, [], {"last": 1}, [])
    try:
        with pytest.raises(LockedError):
            forget(world.repository, choice, silent)
        assert len(world.repository.snapshots(OURS)) == 2
        world.restore()
    finally:
        process.kill()
        process.communicate()
    forget(world.repository, choice, silent)
    assert len(world.repository.snapshots(OURS)) == 1
    assert list((Path(world.repository.where) / "locks").iterdir()) == []


KINDS = ("config", "keys", "snapshots", "index", "data")


@pytest.mark.parametrize("kind", KINDS)
def test_flipped_bytes(world: World, kind: str, tmp_path: Path) -> None:
    """Whatever byte is wrong: what is restored is exact, or nothing is and the error says why."""
    kept = world.engine.tree("a")
    world.backup()
    (world.home / "none").write_text("of today")
    today = world.engine.tree("a")
    repository = Path(world.repository.where)
    whole = tmp_path / "whole"
    shutil.copytree(repository, whole)
    files = sorted(p for p in ([repository / kind] if kind == "config" else (repository / kind).rglob("*")) if p.is_file())
    chance = random.Random(7)
    for file in files:
        data = bytearray(file.read_bytes())
        data[chance.randrange(len(data))] ^= 1 << chance.randrange(8)
        file.chmod(0o600)
        file.write_bytes(data)
        shutil.rmtree(world.folder / "cache", ignore_errors=True)
        try:
            world.restore()
        except (DamagedError, PasswordError, RepositoryError):
            assert world.engine.tree("a") == today
        else:
            assert world.engine.tree("a") == kept
            (world.home / "none").write_text("of today")
            today = world.engine.tree("a")
        assert not [v for v in world.engine.volumes("modulux.") if "_" in v.name]
        shutil.copyfile(whole / file.relative_to(repository), file)


def test_a_full_disk_where_snapshots_are_kept(world: World) -> None:
    world.backup()
    (world.documents / "large").write_bytes(os.urandom(30_000_000))
    before = world.engine.tree("a")
    repository = world.repository.where
    small = f"mount -t tmpfs -o size=12m none /mnt && cp -a {repository}/. /mnt && mount --bind /mnt {repository}"
    done = act(world, "backup", within=small)
    assert "FullError" in done.stderr, done.stderr
    assert "no room for more" in done.stderr
    assert world.engine.tree("a") == before
    world.backup()


def test_a_full_disk_where_volumes_lie(world: World) -> None:
    (world.documents / "large").write_bytes(os.urandom(8_000_000))
    world.backup()
    (world.documents / "large").unlink()
    before = world.engine.tree("a")
    volumes = world.engine.root
    small = f"mount -t tmpfs -o size=6m none /mnt && cp -a {volumes}/. /mnt && mount --bind /mnt {volumes}"
    listing = f"{small}; trap 'ls {volumes} >{world.folder}/left' EXIT; set +e; " + '"$@"; exit'
    done = act(world, "restore", within=listing)
    assert HostError.__name__ in done.stderr
    assert "no room for the desktop's files" in done.stderr
    assert (world.folder / "left").read_text().split() == ["modulux.a.openbox.home", "modulux.a.share.Documents"]
    assert world.engine.tree("a") == before


@pytest.mark.slow
def test_gone_half_way(world: World) -> None:
    kept = world.backup()
    (world.documents / "large").write_bytes(os.urandom(40_000_000))
    repository, away = Path(world.repository.where), world.folder / "away"

    def vanish() -> None:
        while not any(p.stat().st_size > 2_000_000 for p in (repository / "data").rglob("*") if p.is_file()):
            time.sleep(0.005)
        repository.rename(away)

    thief = threading.Thread(target=vanish)
    thief.start()
    with pytest.raises((RepositoryError, DamagedError)):
        world.backup()
    thief.join(60)
    shutil.rmtree(repository, ignore_errors=True)
    away.rename(repository)
    world.repository.do("unlock")
    world.repository.do("check")
    assert [s.short for s in world.repository.snapshots(OURS)] == [kept.snapshot[:8]]
    world.backup()
