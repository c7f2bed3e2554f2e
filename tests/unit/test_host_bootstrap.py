"""`./modulux` in a checkout of its own: makes the environment, notices when it no longer fits, survives kills and company."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from modulux.errors import HostError
from modulux.host import bootstrap, environment

ROOT = Path(__file__).resolve().parents[2]
NOTHING = "# nothing is pinned here\n"
MAIN = "import os, sys\nprint('ran', sys.argv[1:], os.environ['PYTHONPATH'], sys.prefix, flush=True)\n"


def copy(source: Path) -> Path:
    """The real bootstrap with an empty lock, so that nothing is fetched, and a main program that says that it ran."""
    shutil.copytree(ROOT / "src/modulux/host", source / "src/modulux/host", ignore=shutil.ignore_patterns("__pycache__"))
    for name in ("__init__", "errors", "run", "paths"):
        shutil.copy(ROOT / f"src/modulux/{name}.py", source / "src/modulux")
    (source / "src/modulux/__main__.py").write_text(MAIN)
    (source / "requirements.lock").write_text(NOTHING)
    shutil.copy(ROOT / "modulux", source)
    return source


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    """A checkout without an environment."""
    return copy(tmp_path / "a checkout")


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, str]:
    """A checkout with its environment made, and what was said meanwhile. Two processes at once made it."""
    source = copy(tmp_path_factory.mktemp("made") / "a checkout")
    results = [finish(process) for process in (start(source, "ps", "--json"), start(source, "ps", "--json"))]
    for status, out, err in results:
        assert status == 0, err
        assert out == f"ran ['ps', '--json'] {source}/src {source}/.venv\n"
    return source, "".join(err for _, _, err in results)


def start(checkout: Path, *words: str, cwd: Path | None = None, **env: str) -> subprocess.Popen[str]:
    kept = {k: v for k, v in os.environ.items() if not k.startswith(("PYTHON", "MODULUX"))}
    return subprocess.Popen(
        [sys.executable, str(checkout / "modulux"), *words],
        env={**kept, **env},
        cwd=cwd,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )


def finish(process: subprocess.Popen[str]) -> tuple[int, str, str]:
    out, err = process.communicate(timeout=120)
    return process.returncode, out, err


def test_two_at_once_make_it_once(made: tuple[Path, str]) -> None:
    assert made[1].count("making Modulux's Python environment") == 1


def test_it_is_made_once_and_a_link_finds_it(made: tuple[Path, str], tmp_path: Path) -> None:
    link = tmp_path / "modulux"
    link.symlink_to(made[0] / "modulux")
    begun = time.perf_counter()
    status, out, err = finish(start(tmp_path, "ps"))
    taken = time.perf_counter() - begun
    assert (status, err) == (0, "")
    assert str(made[0] / ".venv") in out
    assert taken < 2


def test_a_module_in_the_current_folder_is_not_run(made: tuple[Path, str], tmp_path: Path) -> None:
    (tmp_path / "modulux").mkdir()
    (tmp_path / "modulux/__main__.py").write_text("print('hostile')\n")
    (tmp_path / "json.py").write_text("print('hostile')\n")
    status, out, _ = finish(start(made[0], cwd=tmp_path, PYTHONPATH=str(tmp_path)))
    assert status == 0
    assert out.startswith("ran")


def test_another_lock_or_python_does_not_fit(made: tuple[Path, str], tmp_path: Path) -> None:
    venv, lock = tmp_path / "venv", tmp_path / "lock"
    shutil.copytree(made[0] / ".venv", venv, symlinks=True)
    lock.write_text(NOTHING)
    assert bootstrap.fits(venv, lock)
    lock.write_text(NOTHING * 2)
    assert not bootstrap.fits(venv, lock)
    lock.write_text(NOTHING)
    python = venv / "bin/python"
    python.unlink()
    python.symlink_to("/bin/sh")  # as after an upgrade of the host's Python
    assert not bootstrap.fits(venv, lock)
    assert not bootstrap.fits(tmp_path / "none", lock)


@pytest.mark.parametrize("after", [0.3, 2.0])
def test_a_kill_at_any_time_is_put_right(checkout: Path, after: float) -> None:
    first = start(checkout)
    time.sleep(after)
    os.kill(first.pid, signal.SIGKILL)  # its children live on, as they do when a person kills it
    first.wait()
    status, out, err = finish(start(checkout))
    assert status == 0, err
    assert out.startswith("ran")
    assert not (checkout / ".venv" / bootstrap.BUILDING).exists()
    first.communicate(timeout=60)


def test_a_folder_that_is_not_ours_is_left_alone(checkout: Path) -> None:
    (checkout / ".venv").mkdir()
    precious = checkout / ".venv/precious"
    precious.write_text("mine")
    status, _, err = finish(start(checkout))
    assert status == 5
    assert "did not make it" in err
    assert precious.read_text() == "mine"


def test_a_checkout_that_cannot_be_written_uses_the_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("MODULUX_VENV", raising=False)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    checkout = tmp_path / "checkout"
    assert environment._place(checkout) == checkout / ".venv"
    monkeypatch.setattr("os.access", lambda path, _: not str(path).startswith(str(checkout)))
    assert environment._place(checkout).is_relative_to(tmp_path / "cache")
    monkeypatch.setattr("os.access", lambda *_: False)
    with pytest.raises(HostError, match="no folder"):
        environment._place(checkout)


def test_pip_that_fails_is_said(checkout: Path) -> None:
    (checkout / "requirements.lock").write_text("no-such-package-of-modulux==1.0 --hash=sha256:" + "0" * 64 + "\n")
    status, _, err = finish(start(checkout, PIP_NO_INDEX="1"))
    assert status == 5
    assert "pip could not install" in err
    assert "no-such-package-of-modulux" in err
    assert not (checkout / ".venv" / bootstrap.STAMP).exists()


def test_where_it_may_be(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("MODULUX_VENV", raising=False)
    monkeypatch.setenv("XDG_CACHE_HOME", "/c")
    assert bootstrap.places(Path("/a/b")) == [Path("/a/b/.venv"), Path("/c/modulux/venv/a-b")]
    monkeypatch.setenv("MODULUX_VENV", "/own")
    assert bootstrap.places(Path("/a/b")) == [Path("/own")]


@pytest.mark.parametrize(
    ("argv", "yes"),
    [(["up", "--yes"], True), (["-y", "up"], True), (["up"], False), (["exec", "x", "y", "--", "rm", "-y"], False)],
)
def test_yes_counts_before_the_dashes_only(argv: list[str], yes: bool) -> None:
    assert environment.says_yes(argv) is yes


def test_the_engine_that_is_asked_for(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("MODULUX_ENGINE", raising=False)
    monkeypatch.setenv("MODULUX_CONFIG", str(tmp_path / "config.yaml"))
    monkeypatch.setenv("PATH", str(tmp_path))
    assert environment.wanted_engine(["up"]) == "podman"
    (tmp_path / "docker").write_text("#!/bin/sh\n")
    (tmp_path / "docker").chmod(0o755)
    assert environment.wanted_engine(["up"]) == "docker"
    (tmp_path / "config.yaml").write_text("# mine\nengine: podman\n")
    assert environment.wanted_engine(["up"]) == "podman"
    monkeypatch.setenv("MODULUX_ENGINE", "docker")
    assert environment.wanted_engine(["up"]) == "docker"
    assert environment.wanted_engine(["up", "--engine", "podman"]) == "podman"
    assert environment.wanted_engine(["up", "--engine=podman"]) == "podman"


def test_only_verbs_that_build_ask_for_an_engine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MODULUX_ENGINE", "podman")
    assert environment._engine_needs(["ps"]) == []
    assert environment._engine_needs(["up", "--help"]) == []
    assert "podman" in [need.package for need in environment._engine_needs(["-v", "up"])]


def test_a_link_is_not_followed(tmp_path: Path) -> None:
    (tmp_path / "target").mkdir()
    (tmp_path / "venv").symlink_to(tmp_path / "target")
    (tmp_path / "lock").write_text(NOTHING)
    with pytest.raises(HostError):
        environment.make(tmp_path / "venv", tmp_path / "lock", lambda _: None)
    assert (tmp_path / "target").is_dir()
