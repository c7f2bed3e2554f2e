"""The rules of the house, as tests."""

from __future__ import annotations

import ast
import os
import subprocess
import sys
from pathlib import Path

import pytest

from modulux import errors

ROOT = Path(__file__).resolve().parents[2]
SOURCES = sorted((ROOT / "src").rglob("*.py"))


@pytest.mark.parametrize(
    "words",
    [["ruff", "check", "."], ["ruff", "format", "--check", "."], ["mypy"], ["lint_imports"]],
    ids=" ".join,
)
def test_linters(words: list[str]) -> None:
    argv = (
        [str(Path(sys.executable).with_name("lint-imports"))] if words == ["lint_imports"] else [sys.executable, "-m", *words]
    )
    env = {**os.environ, "PYTHONPATH": str(ROOT / "src")}
    done = subprocess.run(argv, cwd=ROOT, env=env, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


def test_one_place_starts_processes() -> None:
    starters = {"subprocess", "pty", "multiprocessing"}
    calls = {
        "system",
        "popen",
        "fork",
        "forkpty",
        "posix_spawn",
        "posix_spawnp",
        "create_subprocess_exec",
        "create_subprocess_shell",
    }
    found = set()
    for path in SOURCES:
        for node in ast.walk(ast.parse(path.read_text())):
            names = [a.name for a in node.names] if isinstance(node, ast.Import) else []
            names += [node.module or ""] if isinstance(node, ast.ImportFrom) else []
            called = node.func.attr if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) else ""
            if {n.split(".")[0] for n in names} & starters or called in calls:
                found.add(path.relative_to(ROOT / "src/modulux").as_posix())
    assert found == {"run.py"}


def test_files_and_functions_are_short() -> None:
    long_files = {str(p): n for p in SOURCES if (n := len(p.read_text().splitlines())) > 400}
    assert not long_files
    long_functions = {
        f"{p}:{node.name}": length
        for p in SOURCES
        for node in ast.walk(ast.parse(p.read_text()))
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
        and (length := (node.end_lineno or 0) - node.lineno + 1) > 60
    }
    assert not long_functions


def test_files_of_pid_1_are_short() -> None:
    """As docs/decisions/machine.md says of them."""
    files = sorted((ROOT / "modules/init/engine/source").glob("*.c"))
    assert files
    assert not {p.name: n for p in files if (n := len(p.read_text().splitlines())) > 300}


def error_classes() -> list[type[errors.ModuluxError]]:
    return [e for e in vars(errors).values() if isinstance(e, type) and issubclass(e, errors.ModuluxError)]


def test_each_error_has_its_own_exit_code_and_stands_in_the_tree() -> None:
    codes = [e.exit_code for e in error_classes()]
    assert len(set(codes)) == len(codes)
    tree = errors.__doc__ or ""
    for error in error_classes():
        line = next(line for line in tree.splitlines() if f" {error.__name__} " in line)
        assert str(error.exit_code) in line.split()


def test_init_files_hold_exports_only() -> None:
    for path in SOURCES:
        if path.name == "__init__.py":
            kinds = {type(node) for node in ast.parse(path.read_text()).body}
            assert kinds <= {ast.Expr, ast.ImportFrom, ast.Assign}, path
