"""What comes from somewhere is refused when it is cut short, changed, hostile or newer, and then nothing of it is there."""

from __future__ import annotations

import io
import os
import random
import shutil
import tarfile
from dataclasses import replace
from pathlib import Path

import pytest
from tests.carry.made import Made, Volumes, member, take, tar

from modulux.carry import archive
from modulux.carry import layout as form
from modulux.carry.layout import Blob
from modulux.errors import DamagedError, HostError, ModuluxError, NameTakenError, NewerError
from modulux.paths import own_desktop

pytestmark = pytest.mark.skipif(os.geteuid() != 0, reason="files are unpacked as UID 1000")

GOOD = tar(member("./", type=tarfile.DIRTYPE), member("./a", b"hello"), member("./b", type=tarfile.SYMTYPE, link="/etc"))


@pytest.fixture(autouse=True)
def _own_places(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path / "data"))
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))


@pytest.fixture
def engine(tmp_path: Path) -> Volumes:
    folder = tmp_path / "volumes"
    folder.mkdir()
    return Volumes(folder)


@pytest.fixture
def made(tmp_path: Path) -> Made:
    return Made(tmp_path, files=GOOD)


def nothing_is_left(engine: Volumes) -> None:
    assert engine.labels == {}
    assert not own_desktop("made").exists()
    assert not list(own_desktop("made").parent.glob(".*"))


def refused(made: Made, engine: Volumes, error: type[ModuluxError] = DamagedError, text: str | None = None) -> None:
    path = made.write()
    with pytest.raises(error, match=text):
        take(path, engine)
    nothing_is_left(engine)


def test_what_is_whole_is_taken(made: Made, engine: Volumes) -> None:
    record, asks, volumes = take(made.write(), engine)
    assert (record.desktop, asks, volumes) == ("made", [], ["modulux.made.openbox.home"])
    home = engine.folder / volumes[0]
    assert (home / "a").read_text() == "hello"
    assert (home / "a").stat().st_uid == home.stat().st_uid == 1000
    assert (home / "b").readlink() == Path("/etc")
    assert "openbox" in (own_desktop("made") / "desktop.yaml").read_text()


def test_cut_short_anywhere(made: Made, engine: Volumes, tmp_path: Path) -> None:
    whole = made.write().read_bytes()
    chance = random.Random(1)
    places = [0, 1, 511, 512, 1024, len(whole) - 1024, *(chance.randrange(len(whole) - 1024) for _ in range(30))]
    for place in places:
        cut = tmp_path / "cut"
        cut.write_bytes(whole[:place])
        with pytest.raises(DamagedError):
            take(cut, engine)
        with pytest.raises(DamagedError):
            archive.stage(io.BytesIO(whole[:place]), tmp_path / "staged")
    nothing_is_left(engine)


def test_a_changed_byte_anywhere(made: Made, engine: Volumes, tmp_path: Path) -> None:
    whole = made.write().read_bytes()
    chance = random.Random(2)
    taken = 0
    for _ in range(80):
        place = chance.randrange(len(whole))
        changed = tmp_path / "changed"
        changed.write_bytes(whole[:place] + bytes([whole[place] ^ 1 << chance.randrange(8)]) + whole[place + 1 :])
        try:
            _, _, volumes = take(changed, engine)
        except DamagedError:
            nothing_is_left(engine)
            continue
        taken += 1  # the byte was between two members: what was taken is what was made
        assert (engine.folder / volumes[0] / "a").read_text() == "hello"
        for name in volumes:
            engine.remove("volume", [name])
            os.system(f"rm -r {engine.folder / name} {own_desktop('made')}")
    assert taken < 40


def test_a_stream_goes_on_where_it_was_cut(made: Made, engine: Volumes, tmp_path: Path) -> None:
    whole = made.write().read_bytes()
    with pytest.raises(DamagedError):
        archive.stage(io.BytesIO(whole[:-6000]), tmp_path / "staged")
    (folder,) = (tmp_path / "staged").iterdir()
    before = {path: path.stat().st_ino for path in (folder / "blobs/sha256").iterdir() if path.suffix != ".part"}
    assert len(before) >= 2
    source, layout = archive.stage(io.BytesIO(whole), tmp_path / "staged")
    assert {path: path.stat().st_ino for path in before} == before
    assert take(source, engine)[2] == ["modulux.made.openbox.home"]
    assert layout.folder == folder


@pytest.mark.parametrize(
    "bad",
    [
        member("../escape", b"x"),
        member("/etc/cron.d/x", b"x"),
        member("blobs/sha256/../../../x", b"x"),
        member("blobs/sha256/" + "a" * 63, b"x"),
        member("blobs/sha256/" + "a" * 64, type=tarfile.SYMTYPE, link="/etc/passwd"),
        member("blobs/sha256/" + "a" * 64, type=tarfile.LNKTYPE, link="index.json"),
        member("blobs/sha256/" + "a" * 64, type=tarfile.BLKTYPE),
        member("blobs/sha256/" + "a" * 64, type=tarfile.FIFOTYPE),
        member("index.json", b"{}"),
        member("other", b"x", pax={"path": "x" * 5000}),
        member("extra.sh", b"x"),
    ],
    ids=["dots", "absolute", "dots-in-blob", "name", "link", "hard-link", "device", "fifo", "twice", "pax", "other"],
)
def test_members_that_no_archive_of_ours_has(made: Made, engine: Volumes, tmp_path: Path, bad: bytes) -> None:
    path = made.write()
    path.write_bytes(path.read_bytes()[:-1024] + bad + bytes(1024))
    with pytest.raises(DamagedError):
        take(path, engine)
    with pytest.raises(DamagedError):
        archive.stage(io.BytesIO(path.read_bytes()), tmp_path / "staged")
    nothing_is_left(engine)


@pytest.mark.parametrize(
    ("bad", "why"),
    [
        ([member("../x", b"x")], "leads out"),
        ([member("/etc/x", b"x")], "leads out"),
        ([member("a/../../x", b"x")], "leads out"),
        ([member("short", b"x", pax={"path": "../" + "x" * 200})], "leads out"),
        ([member("l", type=tarfile.SYMTYPE, link="/etc"), member("l/passwd", b"x")], "through a link"),
        ([member("l", type=tarfile.SYMTYPE, link=".."), member("./l/./x", b"x")], "through a link"),
        ([member("l", type=tarfile.SYMTYPE, link="/etc/passwd"), member("l", b"x")], "twice"),
        ([member("h", type=tarfile.LNKTYPE, link="/etc/shadow")], "leads out"),
        ([member("h", type=tarfile.LNKTYPE, link="../../x")], "leads out"),
        ([member("d", type=tarfile.BLKTYPE)], "device"),
        ([member("d", type=tarfile.CHRTYPE)], "device"),
        ([member("d", type=b"V")], "device"),
        ([member("a", b"x", pax={"size": "-5"})], "no number"),
        ([b"not a header".ljust(512, b"x")], "cannot be read"),
    ],
)
def test_files_that_lead_out_of_a_volume(made: Made, engine: Volumes, bad: list[bytes], why: str) -> None:
    made.files = tar(member("good", b"x"), *bad)
    refused(made, engine, text=why)


def test_more_after_the_end(made: Made, engine: Volumes) -> None:
    made.files = GOOD + member("../x", b"x")
    refused(made, engine, text="after their end")


def test_a_bomb(made: Made, engine: Volumes) -> None:
    made.files = bytes(1 << 20)
    made.blob = lambda blob: Blob(blob.media, blob.digest, blob.size, {**blob.annotations, form.UNPACKED: "1024"})
    refused(made, engine, text="more than its manifest says")
    made.files = GOOD
    made.blob = lambda blob: Blob(blob.media, blob.digest, blob.size, {**blob.annotations, form.UNPACKED: str(60 << 20)})
    refused(made, engine, text="less than its manifest says")
    made.blob = lambda blob: Blob(blob.media, blob.digest, blob.size, {**blob.annotations, form.UNPACKED: str(1 << 50)})
    refused(made, engine, text="not all there")
    made.blob = lambda blob: Blob(blob.media, blob.digest, blob.size, {form.OF_VOLUME: "openbox.home", form.UNPACKED: "many"})
    with pytest.raises(ValueError, match="many"):
        made.write()


def test_no_room(made: Made, engine: Volumes, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(archive, "SPARE", 1 << 60)
    refused(made, engine, HostError, "are needed")


def test_newer_and_of_another_kind(made: Made, engine: Volumes) -> None:
    refused(replace(made, notes={form.CARRIED: "2"}), engine, NewerError)
    refused(replace(made, record={"format": 7}), engine, NewerError)
    refused(replace(made, notes={}), engine, text="no desktop that Modulux wrote")
    refused(replace(made, record={"platform": "linux/mips"}), engine, HostError, "mips")
    refused(replace(made, record={"extra": 1}), engine, text="unknown key")
    refused(replace(made, record={"desktop": "../x"}), engine)
    refused(replace(made, record={"file": {"name": "made"}}), engine)
    refused(replace(made, record={"volumes": [{"name": "../../etc", "parts": 1, "size": 1}]}), engine)
    refused(replace(made, record={"volumes": [{"name": "other.home", "parts": 0, "size": 0}]}), engine, text="does not have")
    refused(replace(made, record={"images": True}), engine, text="is missing")


def test_a_name_that_exists(made: Made, engine: Volumes) -> None:
    path = made.write()
    take(path, engine)
    home = engine.folder / "modulux.made.openbox.home"
    (home / "a").write_text("mine")
    with pytest.raises(NameTakenError):
        take(path, engine)
    assert (home / "a").read_text() == "mine"
    assert take(path, engine, "other")[2] == ["modulux.other.openbox.home"]
    engine.remove("volume", ["modulux.made.openbox.home"])
    shutil.rmtree(home)
    file = own_desktop("made") / "desktop.yaml"
    file.write_text(file.read_text() + "screen: 1600x900\n")
    with pytest.raises(NameTakenError):  # the file was changed since
        take(path, engine)
    assert "1600x900" in file.read_text()
    engine.labels["modulux.third.x"] = {}
    with pytest.raises(NameTakenError):
        take(path, engine, "third")


def test_what_it_asks_for_is_said(made: Made, engine: Volumes) -> None:
    made.file |= {"shares": {"x": {"path": "~/x", "host": "/etc"}}, "gateway": {"module": "web", "address": "0.0.0.0"}}
    _, asks, _ = take(made.write(), engine)
    assert asks == ["the folder /etc of this machine", "to listen at 0.0.0.0"]


@pytest.mark.parametrize(
    "bad",
    [
        member("../app/x/module.yaml", b"x"),
        member("/tmp/x", b"x"),
        member("app/x", type=tarfile.BLKTYPE),
        member("app/x", type=tarfile.SYMTYPE, link="/tmp") + member("app/x/y", b"x"),
        b"x" * 512,
    ],
)
def test_modules_that_lead_out(made: Made, engine: Volumes, tmp_path: Path, bad: bytes) -> None:
    made.modules = tar(bad)
    made.record = {"locked": []}  # so that those it brings are looked at
    refused(made, engine, text="its modules")
    assert not (tmp_path / "data/modulux/app").exists()


def test_a_failure_half_way_takes_everything_back(made: Made, engine: Volumes, monkeypatch: pytest.MonkeyPatch) -> None:
    from modulux.carry import importing

    def broken(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(importing, "_settle", broken)
    path = made.write()
    with pytest.raises(OSError, match="No space"):
        take(path, engine)
    assert engine.removed == ["modulux.made.openbox.home"]
    nothing_is_left(engine)


def test_what_a_kill_left_is_gone_on_with(made: Made, engine: Volumes, monkeypatch: pytest.MonkeyPatch) -> None:
    from modulux.carry import importing

    def gone(_: object) -> None:
        raise BaseException("gone")

    path = made.write()
    with monkeypatch.context() as patch:  # as if the machine had stopped there
        patch.setattr(importing, "_settle", gone)
        patch.setattr(importing, "_undo", lambda *_: None)
        patch.setattr(shutil, "rmtree", lambda *_, **__: None)
        with pytest.raises(BaseException, match="gone"):
            take(path, engine)
    assert "modulux.made.openbox.home" in engine.labels
    _, _, volumes = take(path, engine)
    assert (engine.folder / volumes[0] / "a").read_text() == "hello"
    assert engine.removed == []
    assert (own_desktop("made") / "desktop.yaml").is_file()


def test_the_same_twice_is_the_same_bytes(made: Made, tmp_path: Path) -> None:
    one = made.write().read_bytes()
    other = Made(tmp_path / "other", files=GOOD)
    other.folder.mkdir()
    assert other.write().read_bytes() == one
