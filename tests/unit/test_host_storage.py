"""When Podman without root is told how to stack image layers, and when its own choice stands."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from modulux.host.limits import engine_workarounds
from modulux.host.storage import file_system, storage_environment

HOME = {"HOME": "/home/somebody"}
TOLD = {"STORAGE_DRIVER": "overlay"}


def put(root: Path, file: str, text: str = "") -> None:
    (root / file).parent.mkdir(parents=True, exist_ok=True)
    (root / file).write_text(text)


@pytest.fixture
def host(tmp_path: Path) -> Path:
    """A host whose homes are on ext4, and whose kernel can stack layers for users."""
    put(tmp_path, "proc/sys/kernel/osrelease", "6.1.0-40-amd64\n")
    put(tmp_path, "proc/self/mountinfo", "1 0 8:1 / / rw - xfs /dev/a rw\n2 1 8:2 / /home rw shared:1 - ext4 /dev/b rw\n")
    return tmp_path


def test_a_new_user_is_given_overlay(host: Path) -> None:
    assert storage_environment(HOME, host) == TOLD


def test_who_has_it_already_is_told_the_same(host: Path) -> None:
    (host / "home/somebody/.local/share/containers/storage/overlay-images").mkdir(parents=True)
    assert storage_environment(HOME, host) == TOLD


def _old_kernel(host: Path) -> None:
    put(host, "proc/sys/kernel/osrelease", "5.10.0-1-amd64\n")


def _network_home(host: Path) -> None:
    put(host, "proc/self/mountinfo", "1 0 8:1 / / rw - xfs /dev/a rw\n2 1 0:9 / /home rw - nfs4 server:/ rw\n")


def _images_by_vfs(host: Path) -> None:
    (host / "home/somebody/.local/share/containers/storage/vfs-images").mkdir(parents=True)


def _own_settings(host: Path) -> None:
    put(host, "home/somebody/.config/containers/storage.conf", "[storage]\n")


def _the_systems_settings(host: Path) -> None:
    put(host, "etc/containers/storage.conf", "[storage]\n")


@pytest.mark.parametrize("change", [_old_kernel, _network_home, _images_by_vfs, _own_settings, _the_systems_settings])
def test_the_engines_choice_stands(host: Path, change: Callable[[Path], None]) -> None:
    change(host)
    assert storage_environment(HOME, host) == {}


@pytest.mark.parametrize("name", ["STORAGE_DRIVER", "CONTAINERS_STORAGE_CONF"])
def test_the_persons_choice_stands(host: Path, name: str) -> None:
    assert storage_environment({**HOME, name: "vfs"}, host) == {}


def test_homes_elsewhere(host: Path) -> None:
    (host / "data/containers/storage/vfs-images").mkdir(parents=True)
    assert storage_environment({**HOME, "XDG_DATA_HOME": "/data"}, host) == {}
    put(host, "settings/containers/storage.conf")
    assert storage_environment({**HOME, "XDG_CONFIG_HOME": "/settings"}, host) == {}


def test_the_innermost_and_latest_mount_counts(host: Path) -> None:
    assert (file_system(host / "home/a", host), file_system(host / "var", host)) == ("ext4", "xfs")
    put(host, "proc/self/mountinfo", (host / "proc/self/mountinfo").read_text() + "3 2 0:3 / /home rw - tmpfs none rw\n")
    assert file_system(host / "home/a", host) == "tmpfs"


def test_podman_alone_is_told(tmp_path: Path) -> None:
    found = engine_workarounds("podman", proc=tmp_path, sys=tmp_path, hard={}, storage=TOLD)
    assert TOLD.items() <= found.environment.items()
    assert any("overlay" in note for note in found.notes)
    assert engine_workarounds("docker", proc=tmp_path, sys=tmp_path, hard={}, storage=TOLD).environment == {}
