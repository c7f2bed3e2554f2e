"""The command line without an engine: help, errors and their exit codes, settings, completion."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from tests.support.cli import Cli

VERBS = [
    "up",
    "down",
    "ps",
    "plan",
    "build",
    "modules",
    "module",
    "logs",
    "exec",
    "run",
    "screenshot",
    "open",
    "doctor",
    "bench",
    "show-config",
    "completion",
]  # fmt: skip


@pytest.fixture
def cli(tmp_path: Path) -> Cli:
    """A command line whose settings and caches are the test's own."""
    return Cli(None, {"MODULUX_CONFIG": str(tmp_path / "config.yaml"), "XDG_CACHE_HOME": str(tmp_path / "cache")})


def test_help_names_every_verb_and_what_it_does(cli: Cli) -> None:
    lines = cli.run("--help").stdout.splitlines()
    for verb in VERBS:
        line = next(line for line in lines if line.startswith(f"│ {verb} "))
        assert len(line.strip("│ ").split()) > 3, line
    assert cli.run().stdout == cli.run("--help").stdout


@pytest.mark.parametrize("verb", [*(v for v in VERBS if v != "module"), "module new", "module check"])
def test_every_verb_explains_itself(cli: Cli, verb: str) -> None:
    text = cli.run(*verb.split(), "--help").stdout
    assert text.startswith("Usage: modulux ")
    for flag in ("--json", "--engine", "--modules", "--verbose -v", "--debug"):
        assert flag in text
    if verb in {"up", "down", "build", "run", "bench", "module check"}:
        assert "--yes -y" in text


@pytest.mark.parametrize(
    ("words", "status", "says", "hint"),
    [
        (["upp"], 2, "upp", "modulux --help"),
        (["up", "--colour"], 2, "--colour", "--help"),
        (["up", "xfec"], 3, "no desktop `xfec`", "xfce"),
        (["up", "none.yaml"], 3, "none.yaml: no such file", None),
        (["plan", "xfce", "--engine", "lxc", "--commands"], 3, "lxc", None),
        (["module", "new", "app"], 2, "not `role/name`", "roles:"),
        (["module", "new", "kernel/linux"], 2, "not `role/name`", "roles:"),
        (["module", "new", "display/mine"], 2, "no skeleton for the role display", "copy"),
        (["module", "check", "/nowhere"], 3, "no module.yaml", "module new"),
        (["modules", "--modules"], 2, "--modules", None),
    ],
)
def test_errors(cli: Cli, words: list[str], status: int, says: str, hint: str | None) -> None:
    done = cli.run(*words, status=status)
    assert done.stdout == ""
    assert says in done.stderr
    assert "Traceback" not in done.stderr
    if hint:
        assert hint in done.stderr.partition("hint:")[2]


def test_a_bad_file_names_file_line_and_hint(cli: Cli, tmp_path: Path) -> None:
    path = tmp_path / "mine.yaml"
    path.write_text("name: mine\ndisplay: xvfb\nsesions: [xfce]\n")
    done = cli.run("up", str(path), "--yes", status=3)
    assert f"{path}:3: unknown key `sesions`" in done.stderr
    assert "did you mean `sessions`?" in done.stderr


def test_debug_shows_the_traceback(cli: Cli) -> None:
    assert "Traceback" in cli.run("up", "none.yaml", "--debug", status=1).stderr


def test_plan_as_table_json_and_commands(cli: Cli) -> None:
    assert "session/xfce" in cli.run("plan").stdout
    plan = json.loads(cli.run("plan", "--json").stdout)
    assert {c["role"] for c in plan["containers"]} == {"display", "viewer", "session", "gateway", "app"}
    commands = cli.run("plan", "--commands", "--engine", "docker").stdout.splitlines()
    runs = [line for line in commands if " run " in line]
    assert len(runs) == len(plan["containers"])
    assert all(line.startswith("docker ") for line in commands)


def test_settings_and_where_they_come_from(cli: Cli, tmp_path: Path) -> None:
    (tmp_path / "config.yaml").write_text("engine: docker\nmirror: http://mirror.example/debian\n")

    def settings(*words: str, **env: str) -> dict[str, tuple[object, str]]:
        rows = Cli(None, {**cli.env, **env}).json("show-config", *words)["settings"]
        return {row["key"]: (row["value"], row["from"]) for row in rows}

    assert settings()["engine"] == ("docker", str(tmp_path / "config.yaml"))
    assert settings(MODULUX_ENGINE="podman")["engine"] == ("podman", "MODULUX_ENGINE")
    assert settings("--engine", "docker", MODULUX_ENGINE="podman")["engine"] == ("docker", "flag")
    assert settings()["apt-proxy"] == (None, "default")
    (tmp_path / "config.yaml").write_text("engin: docker\n")
    assert "config.yaml:1: unknown key `engin`" in cli.run("show-config", status=3).stderr


def test_a_folder_of_ones_own_modules(cli: Cli, tmp_path: Path) -> None:
    cli.run("module", "new", "app/mine", "--in", str(tmp_path / "own"))
    rows = cli.json("modules", "app", "--modules", str(tmp_path / "own"))
    assert "app/mine" in {row["module"] for row in rows}
    assert "exists already" in cli.run("module", "new", "app/mine", "--in", str(tmp_path / "own"), status=10).stderr


@pytest.mark.parametrize("role", ["app", "session", "service", "base"])
def test_skeletons_fit_the_contract(cli: Cli, tmp_path: Path, role: str) -> None:
    cli.run("module", "new", f"{role}/mine", "--in", str(tmp_path))
    rows = cli.json("modules", role, "--modules", str(tmp_path))
    assert next(r for r in rows if r["module"] == f"{role}/mine")["folder"] == str(tmp_path / role / "mine")


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_completion(cli: Cli, shell: str) -> None:
    script = cli.run("completion", shell).stdout
    assert all(verb in script for verb in VERBS)


@pytest.mark.parametrize("name", ["", "../x", "a b", "xfce\n", "a" * 41])
@pytest.mark.parametrize("words", ["down", "ps", "open", "logs", "run % x", "exec % x -- ls", "screenshot % -o x.png"])
def test_what_is_no_name_is_refused_before_anything(cli: Cli, name: str, words: str) -> None:
    argv = [name if word == "%" else word for word in (words if "%" in words else f"{words} %").split()]
    done = cli.run(*argv, "--engine", "none-such", status=2) if argv[0] != "exec" else cli.run(*argv, status=2)
    assert "is no desktop's name" in done.stderr
    assert "modulux ps" in done.stderr.partition("hint:")[2]
