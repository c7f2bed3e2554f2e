"""The command line without an engine: help, errors and their exit codes, settings, completion."""

from __future__ import annotations

import builtins
import json
import os
import signal
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.support.cli import Cli

from modulux import run
from modulux.cli import common
from modulux.cli import main as main_module
from modulux.cli.host import must_answer
from modulux.desktop.up import up
from modulux.engine.docker import Docker
from modulux.engine.podman import Podman
from modulux.errors import CancelledError, EngineError, HostError
from modulux.paths import shipped
from modulux.report import Event, Note
from modulux.resolve.catalog import Catalog
from modulux.resolve.plan import HostFacts, resolve

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
        (["module", "new", "engine/linux"], 2, "not `role/name`", "roles:"),
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


def program(folder: Path, name: str, script: str) -> Path:
    """A program of this name that does as the shell script says."""
    folder.mkdir(exist_ok=True)
    path = folder / name
    path.write_text(f"#!/bin/sh\n{script}\n")
    path.chmod(0o755)
    return path


def with_engine(cli: Cli, folder: Path, script: str) -> Cli:
    """The command line with a Podman that does as the script says."""
    program(folder, "podman", script)
    return Cli("podman", {**cli.env, "PATH": f"{folder}:{os.environ['PATH']}"})


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_an_interrupt_is_told_and_ends_with_130(cli: Cli, tmp_path: Path, number: signal.Signals) -> None:
    began = tmp_path / "began"
    process = with_engine(cli, tmp_path / "bin", f"touch {began}; exec sleep 60").start("ps")
    while not began.exists():
        assert process.poll() is None
        time.sleep(0.02)
    process.send_signal(number)
    _, told = process.communicate(timeout=20)
    assert process.returncode == 130
    assert "modulux: interrupted" in told
    assert "Traceback" not in told


def test_debug_behind_two_dashes_is_the_commands(cli: Cli, tmp_path: Path) -> None:
    mine = with_engine(cli, tmp_path / "bin", "echo '[]'")
    assert "+ podman" not in mine.run("exec", "none", "app", "--", "ls", "--debug", status=9).stderr
    assert "+ podman" in mine.run("exec", "none", "app", "--debug", "--", "ls", status=1).stderr


def test_an_error_of_the_system_has_no_traceback(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    def fails(_: object) -> None:
        raise PermissionError(13, "Permission denied", "/some/file")

    monkeypatch.setattr(main_module, "command_line", fails)
    before = {n: signal.getsignal(n) for n in (signal.SIGTERM, signal.SIGHUP)}
    try:
        with pytest.raises(SystemExit) as ended:
            main_module.main(["ps"])
        with pytest.raises(PermissionError):
            main_module.main(["ps", "--debug"])
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
    assert ended.value.code == 5
    assert "modulux: /some/file: Permission denied" in capsys.readouterr().err


def test_the_end_of_the_input_is_a_no(monkeypatch: pytest.MonkeyPatch) -> None:
    def ends(*_: object) -> str:
        raise EOFError

    monkeypatch.setattr(sys.stdin, "isatty", lambda: True)
    monkeypatch.setattr(builtins, "input", ends)
    assert not common.ask("Really?")
    with pytest.raises(CancelledError):
        common.confirm("Really?", yes=False)


@pytest.mark.parametrize(
    ("verb", "says"),
    [
        ("up", "`xfce` without"),
        ("exec", "`modulux exec xfce terminal -- ls -l`"),
        ("doctor", "Ends with 5"),
        ("module check", "Ends with 1"),
        ("completion", "completions/modulux"),
    ],
)
def test_a_verbs_own_help_is_whole(cli: Cli, verb: str, says: str) -> None:
    assert says.replace("`", "") in cli.run(*verb.split(), "--help").stdout


@pytest.mark.parametrize("words", [["down"], ["exec", "xfce"], ["module", "check"], ["up", "--colour"]])
def test_a_usage_error_points_to_the_verbs_own_help(cli: Cli, words: list[str]) -> None:
    verb = "module check" if words[0] == "module" else words[0]
    assert f"hint: modulux {verb} --help" in cli.run(*words, status=2).stderr


def test_in_a_pipe_a_row_is_a_line(cli: Cli) -> None:
    lines = cli.run("plan").stdout.splitlines()
    assert len(lines) == 2 + len(cli.json("plan")["containers"])
    assert lines[0].endswith(" 1 network")
    rows = cli.json("modules")
    assert len(cli.run("modules").stdout.splitlines()) == 1 + len(rows)


def test_a_docker_without_its_daemon_is_the_hosts_error(tmp_path: Path) -> None:
    must_answer(Docker(program=str(program(tmp_path / "good", "docker", "echo 28.2.2"))))
    silent = program(tmp_path / "bad", "docker", "echo 28.2.2; echo 'Cannot connect to the Docker daemon' >&2; exit 1")
    with pytest.raises(HostError, match="Cannot connect") as told:
        must_answer(Docker(program=str(silent)))
    assert "systemctl start docker" in str(told.value.hint)
    assert told.value.exit_code == 5


@pytest.mark.parametrize("gone", [False, True])
def test_the_undo_is_not_interrupted_and_tells_when_it_fails(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, gone: bool
) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    broken, undone = tmp_path / "broken", tmp_path / "undone"
    end = "echo 'Error: no engine' >&2; exit 125" if gone else f"touch {undone}"
    undo = f"if [ -e {broken} ]; then kill -INT $PPID; kill -TERM $PPID; kill -HUP $PPID; sleep 0.2; {end}; fi"
    failing = f"touch {broken}; echo 'Error: no space' >&2; exit 125"
    engine = Podman(
        program=str(
            program(
                tmp_path / "bin",
                "podman",
                f"case \"$*\" in *' create '*) {failing};; 'ps --all'*) {undo}; echo '[]';; *) echo '[]';; esac",
            )
        )
    )
    path = common.find_desktop("xfce")
    plan = resolve(common.read_desktop(path), Catalog([shipped("modules")]), HostFacts("UTC", str(tmp_path)), str(path))
    interrupts: list[int] = []
    events: list[Event] = []
    numbers = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
    before = {n: signal.signal(n, lambda number, _: interrupts.append(number)) for n in numbers}
    try:
        with pytest.raises(EngineError, match="no space"):
            up(engine, plan, events.append, lambda: None)
        assert signal.getsignal(signal.SIGINT) not in (signal.SIG_IGN, before[signal.SIGINT])
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
    assert broken.exists()
    assert interrupts == []
    assert undone.exists() is not gone
    notes = [e.text for e in events if isinstance(e, Note)]
    assert any("could not clean up" in n and "`modulux down xfce` does" in n for n in notes) is gone


@pytest.mark.parametrize(
    ("words", "says", "hint"),
    [
        (["modules", "--modules", "/nowhere"], "--modules /nowhere: no such folder", "role/name"),
        (["modules", "ap"], "no role `ap`", "app"),
        (["modules", "engine"], "no role `engine`", "session"),
        (["screenshot", "xfce", "-o", "x.gif"], "x.gif: the picture is a PNG file", "-o x.png"),
        (["screenshot", "xfce", "-o", "-", "--json"], "both want stdout", "-o FILE.png"),
        (["bench", "--plot", "/nowhere/a.svg"], "no such folder", "mkdir"),
    ],
)
def test_what_does_not_fit_is_refused_at_once(cli: Cli, words: list[str], says: str, hint: str) -> None:
    told = cli.run(*words, status=2).stderr
    assert says in told
    assert hint in told.partition("hint:")[2]


def test_nothing_is_asked_about_data_that_is_not_there(cli: Cli, tmp_path: Path) -> None:
    told = with_engine(cli, tmp_path / "bin", "echo '[]'").run("down", "none", "--volumes", status=9).stderr
    assert "no desktop `none`" in told
    assert "Remove" not in told


def test_following_as_json_gives_an_object_a_line(cli: Cli, tmp_path: Path) -> None:
    labels = {"io.modulux.owner": "modulux", "io.modulux.desktop": "some"}
    shorts = ("xvfb", "xfce")
    rows = [
        {"Id": s, "Names": [f"modulux.some.{s}"], "State": "running", "Labels": labels, "Image": "i", "StartedAt": n}
        for n, s in enumerate(shorts)
    ]
    (tmp_path / "ps.json").write_text(json.dumps(rows))
    script = f"case \"$1\" in ps) cat {tmp_path}/ps.json;; logs) echo one; echo '\"two\" [b]';; *) echo '[]';; esac"
    mine = with_engine(cli, tmp_path / "bin", script)
    lines = [json.loads(line) for line in mine.run("logs", "some", "-f", "--json").stdout.splitlines()]
    expected = [{"module": s, "line": line} for s in shorts for line in ("one", '"two" [b]')]
    assert sorted(lines, key=str) == sorted(expected, key=str)
    assert mine.json("logs", "some") == expected


@pytest.mark.parametrize("module", ["app/Mine", "app/../../x", "app/a--b", "app/a b", "app/-a", f"app/{'a' * 41}", "app/a\n"])
def test_a_new_module_has_a_name_that_can_be_used(cli: Cli, tmp_path: Path, module: str) -> None:
    done = cli.run("module", "new", module, "--in", str(tmp_path / "own"), status=2)
    assert "cannot be a module's name" in done.stderr
    assert "single hyphens" in done.stderr.partition("hint:")[2]
    assert not (tmp_path / "own").exists()


@pytest.mark.parametrize("verb", ["plan", "up"])
def test_a_shared_folder_that_is_not_there(cli: Cli, tmp_path: Path, verb: str) -> None:
    path = tmp_path / "mine.yaml"
    path.write_text(f"name: a\ndisplay: xvfb\nsessions: [xfce]\nshares:\n  Mine: {{path: ~/Mine, host: {tmp_path}/none}}\n")
    done = cli.run(verb, str(path), status=3)
    assert f"{path}:5: `shares.Mine`: there is no folder {tmp_path}/none" in done.stderr
    assert "make it" in done.stderr.partition("hint:")[2]


@pytest.fixture
def interruptible() -> Iterator[None]:
    """As in a terminal: a background job is started with some of the signals ignored."""
    before = {n: signal.signal(n, signal.SIG_DFL) for n in run.INTERRUPTS}
    yield
    for number, handler in before.items():
        signal.signal(number, handler)


@pytest.mark.usefixtures("interruptible")
def test_only_the_first_interrupt_counts_and_the_terminal_reaches_no_child() -> None:
    before = {n: signal.getsignal(n) for n in run.INTERRUPTS}
    seen = 0
    with run.one_interrupt():
        try:
            os.kill(os.getpid(), signal.SIGHUP)
            time.sleep(5)
        except KeyboardInterrupt:
            seen += 1
            for number in run.INTERRUPTS:
                os.kill(os.getpid(), number)
            time.sleep(0.05)
            child = run.run(["sh", "-c", "cut -d' ' -f5 /proc/$$/stat"]).stdout.strip()
            assert child != str(os.getpgrp())
    assert seen == 1
    assert {n: signal.getsignal(n) for n in run.INTERRUPTS} == before
    assert run.run(["sh", "-c", "cut -d' ' -f5 /proc/$$/stat"]).stdout.strip() == str(os.getpgrp())


def test_who_has_done_all_is_not_interrupted() -> None:
    before = {number: signal.getsignal(number) for number in run.INTERRUPTS}
    try:
        run.past_interrupts()
        for number in run.INTERRUPTS:
            os.kill(os.getpid(), number)
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
