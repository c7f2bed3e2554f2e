"""The pieces by themselves: what is mounted, what is refused, what is written where, and how two trees are held together."""

from __future__ import annotations

import json
import os
import stat
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from modulux.errors import DamagedError, NewerError, StorageError
from modulux.storage import background, boot, configured, journal, mounts, plan, probe, service, tree
from modulux.storage.copy import argv
from modulux.storage.destination import known_from_outside
from modulux.storage.engines import docker, podman
from modulux.storage.facts import Facts, Held, Inventory, Origin, Service
from modulux.storage.find import _judged

TABLE = """\
1 0 8:1 / / rw,relatime - ext4 /dev/sda1 rw
2 1 0:5 / /proc rw - proc proc rw
3 1 8:17 / /mnt/big\\040disk rw,noexec shared:3 - xfs /dev/sdb1 rw
4 1 0:40 / /srv rw - nfs4 server:/export rw
5 1 8:1 /var/lib/docker /var/lib/docker rw shared:9 - ext4 /dev/sda1 rw
6 5 0:50 / /var/lib/docker/overlay2/a/merged rw - overlay overlay rw
7 5 8:33 / /var/lib/docker/volumes rw - ext4 /dev/sdc1 rw
8 1 8:49 / /hidden/inside rw - ext4 /dev/sdd1 rw
9 1 0:60 / /hidden rw - tmpfs none rw
10 1 0:61 /@a /pool/a rw - btrfs /dev/sde rw
11 1 0:62 /@b /pool/b rw - btrfs /dev/sde rw
"""


@pytest.fixture
def listed() -> list[mounts.Mount]:
    return mounts.mounts(TABLE)


def at(listed: list[mounts.Mount], point: str) -> mounts.Mount:
    return next(m for m in listed if str(m.point) == point)


def test_what_is_mounted(listed: list[mounts.Mount]) -> None:
    assert mounts.mount_of(Path("/mnt/big disk/docker"), listed).source == "/dev/sdb1"
    assert "/hidden/inside" not in {str(m.point) for m in listed}
    assert [str(m.point) for m in mounts.below(Path("/var/lib/docker"), listed)] == [
        "/var/lib/docker/overlay2/a/merged",
        "/var/lib/docker/volumes",
    ]
    assert mounts.on_itself(at(listed, "/var/lib/docker"), listed)
    assert not mounts.on_itself(at(listed, "/var/lib/docker/volumes"), listed)
    assert at(listed, "/pool/a").identity == at(listed, "/pool/b").identity


def test_a_mount_on_top_of_itself_counts_once() -> None:
    again = TABLE + "12 3 8:17 / /mnt/big\\040disk rw - xfs /dev/sdb1 rw\n"
    both = [m for m in mounts.mounts(again) if m.fstype == "xfs"]
    assert [mounts.on_itself(m, mounts.mounts(again)) for m in both] == [False, True]


def test_what_is_known_without_writing(listed: list[mounts.Mount], monkeypatch: pytest.MonkeyPatch) -> None:
    assert "noexec" in known_from_outside(at(listed, "/mnt/big disk"), "overlay2")[0]
    assert "network mount" in known_from_outside(at(listed, "/srv"), "overlay2")[0]
    assert known_from_outside(at(listed, "/"), "overlay2") == []
    monkeypatch.setattr("modulux.storage.destination.names_have_types", lambda _: False)
    old = mounts.Mount(1, 0, Path("/old"), "/", "8:65", "xfs", "/dev/sdf", frozenset({"rw"}))
    assert "ftype=0" in known_from_outside(old, "overlay2")[0]
    assert known_from_outside(old, "vfs") == []


def facts(root: Path, **keys: Any) -> Facts:
    return Facts(engine=keys.pop("engine", "docker"), root=root, **keys)


@pytest.mark.parametrize(
    ("target", "reason"),
    [
        ("data/in", "lies inside of"),
        ("data", "lies inside of"),
        (".", "which is to be moved, lies inside of"),
        ("no/where", "not a folder"),
    ],
)
def test_places_that_cannot_be(tmp_path: Path, target: str, reason: str) -> None:
    root = tmp_path / "data"
    root.mkdir()
    found = plan._places(facts(root), (tmp_path / target).resolve(), plan.Options(destination=tmp_path), None)
    assert reason in found[0]


def test_a_folder_on_the_command_line_goes_before_the_file(tmp_path: Path) -> None:
    origins = [Origin(where="the command line of dockerd", says="--data-root /srv")]
    told = plan._not_configurable(facts(tmp_path, origins=origins, config=tmp_path / "daemon.json"))
    assert "goes before" in told[0]
    assert plan._not_configurable(facts(tmp_path, config=tmp_path / "daemon.json")) == []
    assert "database" in plan._not_configurable(facts(tmp_path, engine="podman"))[0]


def test_engines_that_are_run_by_something_else() -> None:
    info = {"DockerRootDir": "/var/lib/docker", "Driver": "overlay2"}
    argv = ["dockerd"]
    assert docker._refusals(info, 7, argv, "docker.service") == []
    assert "Docker Desktop" in docker._refusals({**info, "OperatingSystem": "Docker Desktop"}, 7, argv, None)[0]
    assert "snap" in docker._refusals({**info, "DockerRootDir": "/var/snap/docker/common/var-lib-docker"}, 7, argv, None)[0]
    assert "snap" in docker._refusals(info, 7, ["/snap/docker/2/bin/dockerd"], None)[0]
    assert "outside" in docker._refusals(info, 0, [], None)[0]
    assert "strange.service" in docker._refusals(info, 7, argv, "strange.service")[0]
    assert "btrfs" in docker._refusals({**info, "Driver": "btrfs"}, 7, argv, None)[0]
    assert "swarm" in docker._refusals({**info, "Swarm": {"LocalNodeState": "active"}}, 7, argv, None)[0]


def test_storages_that_two_engines_share(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    one, two = facts(Path("/srv/a")), facts(Path("/srv/a/containers"), engine="podman")
    assert all("shared" in f.refused[0] for f in _judged([one, two]))
    assert not any(f.refused for f in _judged([one, facts(Path("/srv/b"), engine="podman")]))
    file = tmp_path / "storage.conf"
    file.write_text('[storage.options]\nadditionalimagestores = ["/srv/a:ref"]\n')
    monkeypatch.setattr(podman, "SYSTEM_FILES", (file,))
    assert (file, ["/srv/a"]) in list(podman.additional_stores())
    store = {"graphDriverName": "overlay"}
    assert "shared" in podman._refusals(None, store, {}, Path("/srv/a"))[0]
    assert "another machine" in podman._refusals(None, store, {"serviceIsRemote": True}, Path("/x"))[0]


def test_where_it_is_configured(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "docker.service.d").mkdir()
    (tmp_path / "docker.service").write_text("[Service]\nExecStart=/usr/sbin/dockerd -H fd://\n")
    (tmp_path / "docker.service.d/big.conf").write_text(
        "[Service]\nExecStart=\nExecStart=/usr/sbin/dockerd --data-root '/srv/big disk'\n"
    )
    (tmp_path / "default").write_text('DOCKER_OPTS="--graph /old/place"\n')
    monkeypatch.setattr(configured, "UNIT_FOLDERS", (str(tmp_path),))
    monkeypatch.setattr(configured, "OLD_FILES", (str(tmp_path / "default"),))
    found = {Path(o.where).name: o.says for o in configured.unit_origins("docker.service", docker.ROOT_FLAGS, None)}
    assert found["default"] == "--graph /old/place"
    assert found["big.conf"].startswith("--data-root /srv/big")
    assert "docker.service" not in found
    assert configured.flag(["dockerd", "--data-root=/x"], docker.ROOT_FLAGS) == "/x"


def test_configuration_files_keep_what_is_not_ours(tmp_path: Path) -> None:
    config = tmp_path / "daemon.json"
    config.write_text('{"debug": true, "graph": "/old"}')
    config.chmod(0o640)
    configured.set_daemon_json(config, Path("/new"))
    assert json.loads(config.read_text()) == {"debug": True, "data-root": "/new"}
    assert stat.S_IMODE(config.stat().st_mode) == 0o640
    configured.set_daemon_json(config, None)
    assert json.loads(config.read_text()) == {"debug": True}
    config.write_text("{not json")
    with pytest.raises(StorageError):
        configured.set_daemon_json(config, Path("/new"))
    toml = tmp_path / "config.toml"
    toml.write_text('version = 2\nroot = "/old" # here\n# a word\n[plugins]\n  root = "inner"\n')
    configured.set_containerd_root(toml, Path("/new"))
    assert configured.toml(toml) == {"version": 2, "root": "/new", "plugins": {"root": "inner"}}
    assert "# a word" in toml.read_text()
    configured.set_containerd_root(toml, None)
    assert "root" not in configured.toml(toml)


def record(tmp_path: Path, **keys: Any) -> journal.Journal:
    place = Path("/var/lib/docker")
    return journal.Journal(
        id="1", facts=facts(place, service=Service(units=keys.pop("units", []))), place=place, target=Path("/mnt/big disk/docker"), disk=Path("/mnt/big disk"),
        kept=Path("/var/lib/docker.modulux-old"), back=Path("/var/lib/docker.modulux-back"), place_inode=2, **keys,
    )  # fmt: skip


def test_what_mounts_it_at_each_start(tmp_path: Path) -> None:
    j = record(tmp_path, units=["docker.socket", "docker.service"])
    assert boot.fstab_line(j).split()[:4] == [
        "/mnt/big\\040disk/docker",
        "/var/lib/docker",
        "none",
        "bind,nofail,x-systemd.requires-mounts-for=/mnt/big\\040disk/docker",
    ]
    files = {str(path): text for path, text in boot.unit_files(j).items()}
    unit = files["/etc/systemd/system/var-lib-docker.mount"]
    assert "What=/mnt/big disk/docker\n" in unit
    assert 'RequiresMountsFor="/mnt/big disk"' in unit
    assert "ConditionPathExists=/var/lib/docker/moved-by-modulux" in unit
    assert "RequiresMountsFor=/var/lib/docker" in files["/etc/systemd/system/docker.service.d/modulux-storage.conf"]
    named = j.model_copy(update={"place": Path("/srv/my-data/.x")})
    assert boot.unit_name(named) == r"srv-my\x2ddata-.x.mount"


def test_systemd_is_told_in_order(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What is said to systemctl, by a systemctl of our own first on the path."""
    said = tmp_path / "said"
    (tmp_path / "systemctl").write_text(f'#!/bin/sh\necho "$@" >>{said}\n')
    (tmp_path / "systemctl").chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:{os.environ['PATH']}")
    units = Service(units=["docker.socket", "docker.service"])
    service.stop(units, None, list)
    assert service.start(units, None, tmp_path / "log", lambda: True)
    service.stop(units, "root", list)
    assert said.read_text().splitlines() == [
        "stop docker.socket docker.service",
        "start docker.service docker.socket",
        "--user --machine=root@.host stop docker.socket docker.service",
    ]


def test_a_daemon_that_ends_is_not_waited_for(tmp_path: Path) -> None:
    from modulux.storage.facts import Process

    dying = Service(
        process=Process(argv=["sh", "-c", "echo no >&2; exit 3"], cwd=Path("/"), environment={"PATH": os.environ["PATH"]})
    )
    assert not service.start(dying, None, tmp_path / "log", lambda: False)
    assert "no" in (tmp_path / "log").read_text()


def test_the_record(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(journal, "FOLDER", tmp_path)
    journal.keep_room("docker")
    assert journal.reserve("docker").stat().st_size == journal.RESERVE
    written = journal.save(record(tmp_path))
    written = journal.save(written, step=journal.Step.STOP)
    assert journal.load("docker") == written
    assert len(written.history) == 2
    assert stat.S_IMODE(journal.path("docker").stat().st_mode) == 0o600
    with journal.lock("docker"):
        assert journal.busy("docker")
        with pytest.raises(StorageError), journal.lock("docker", patience=0.1):
            pass
    assert not journal.busy("docker")
    journal.path("docker").write_text('{"version": 99}')
    with pytest.raises(NewerError):
        journal.load("docker")
    journal.path("docker").write_text('{"version": 1, "id"')
    with pytest.raises(DamagedError):
        journal.load("docker")


def test_what_is_lost_is_named() -> None:
    before = Inventory(images=["a x:1"], containers=[Held(id="1" * 64, name="c")], volumes=["v"], networks=["bridge"])
    assert before.lacking(before) == []
    lost = before.lacking(Inventory(volumes=["other"]))
    assert lost == ["image a x:1", "container c (111111111111)", "volume v", "network bridge"]


def test_the_probe_runs() -> None:
    if not probe.known():
        pytest.skip("no probe for this machine")
    number, _, code = probe.MACHINES[os.uname().machine]
    assert probe.archive() == probe.archive()
    memory = os.memfd_create("probe", 0)
    os.write(memory, probe._program(number, code))
    assert subprocess.run([f"/proc/self/fd/{memory}"], pass_fds=[memory], check=False).returncode == 0
    os.close(memory)


def test_rsync_is_told_all() -> None:
    words = argv(Path("/a"), Path("/b"), Path("/c"))
    assert words[0] == "rsync"
    assert words[-3:] == ["--", "/a/", "/b/"]
    assert {"-aHAXS", "--numeric-ids", "--modify-window=-1", "--link-dest=/c", "--filter=-x trusted.SGI_ACL_*"} <= set(words)
    assert not {"--inplace", "--append"} & set(words)


Change = Callable[[Path], None]


def _other_byte(copy: Path) -> None:
    data = (copy / "file").stat()
    (copy / "file").write_bytes(b"xxxxy")
    os.utime(copy / "file", ns=(data.st_atime_ns, data.st_mtime_ns))


def _not_linked(copy: Path) -> None:
    data = (copy / "hard").stat()
    content = (copy / "hard").read_bytes()
    (copy / "hard").unlink()
    (copy / "hard").write_bytes(content)
    os.utime(copy / "hard", ns=(data.st_atime_ns, data.st_mtime_ns))


def _filled(copy: Path) -> None:
    data = (copy / "sparse").stat()
    (copy / "sparse").write_bytes(bytes(5_000_000))
    os.utime(copy / "sparse", ns=(data.st_atime_ns, data.st_mtime_ns))


def _elsewhere(copy: Path) -> None:
    (copy / "link").unlink()
    (copy / "link").symlink_to("else")


CHANGES: dict[str, Change] = {
    "other bytes": _other_byte,
    "hard links": _not_linked,
    "holes": _filled,
    "mode": lambda copy: (copy / "file").chmod(0o600),
    "time": lambda copy: os.utime(copy / "file", ns=(1, 1)),
    "attributes": lambda copy: os.setxattr(copy / "file", "user.other", b"1"),
    "not copied": lambda copy: (copy / "file\n").unlink(),
    "only in the copy": lambda copy: (copy / "more").touch(),
    "leads elsewhere": _elsewhere,
}


@pytest.mark.parametrize("what", CHANGES)
def test_every_difference_is_seen(tmp_path: Path, what: str) -> None:
    one, other = tmp_path / "one", tmp_path / "other"
    (one / "deep").mkdir(parents=True)
    (one / "file").write_bytes(b"xxxxx")
    (one / "file\n").touch()
    (one / "hard").write_bytes(b"hard")
    os.link(one / "hard", one / "deep/hard")
    (one / "link").symlink_to("nowhere")
    with (one / "sparse").open("wb") as out:
        out.truncate(5_000_000)
    subprocess.run(["cp", "--archive", "--sparse=always", one, other], check=True)
    names = os.fsencode(one), os.fsencode(other)
    found = tree.Comparison(*names, every=True).run()
    assert found.same, found.differences
    assert (found.hard_links, found.sparse) == (2, 1)
    CHANGES[what](other)
    found = tree.Comparison(*names, every=True).run()
    assert any(what in line for line in found.differences), found.differences


def test_the_way_into_the_background(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(journal, "FOLDER", tmp_path)
    (tmp_path / "systemd-run").write_text('#!/bin/sh\necho "$@"\nexit 1\n')
    (tmp_path / "systemd-run").chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:{os.environ['PATH']}")
    monkeypatch.setattr(service, "systemd", lambda: True)
    from modulux.errors import HostError

    with pytest.raises(HostError):
        background.start("docker", ["true"])
    monkeypatch.setattr(service, "systemd", lambda: False)
    log = background.start("docker", ["sh", "-c", "echo heard"])
    assert service.until(lambda: log.read_text() == "heard\n", 20)
