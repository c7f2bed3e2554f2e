#!/usr/bin/python3
"""`modulux` on a machine: keeps and carries the desktops' data. Verbs, flags and exit codes are those of Modulux anywhere"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import signal
import sys
from typing import Any

sys.path.insert(0, os.path.dirname(os.path.realpath(__file__)))  # noqa: PTH120

from said import CANCELLED, NOT_FOUND, REPOSITORY, USAGE, RefusedError


def parser() -> argparse.ArgumentParser:
    """What may be said."""
    whole = argparse.ArgumentParser(prog="modulux", description="Keep and carry what this machine's desktops hold.")
    verbs = whole.add_subparsers(
        dest="verb", required=True, metavar="{backup,snapshots,restore,forget,export,import,storage,ps,password,key}"
    )
    common = argparse.ArgumentParser(add_help=False)
    common.add_argument("--json", action="store_true", help="the result as JSON on stdout")
    yes = argparse.ArgumentParser(add_help=False)
    yes.add_argument("--yes", "-y", action="store_true", help="do not ask")
    into = argparse.ArgumentParser(add_help=False)
    into.add_argument(
        "--as", dest="name", metavar="DESKTOP", help="which of this machine's desktops gets it, if it was called otherwise"
    )
    into.add_argument("--no-start", action="store_true", help="do not wait until the desktop is ready")
    store = argparse.ArgumentParser(add_help=False)
    store.add_argument(
        "--to",
        metavar="REPOSITORY",
        default=os.environ.get("MODULUX_REPOSITORY"),
        help="a folder here, or sftp:…, rest:…, s3:…",
    )
    store.add_argument("--password-file", metavar="FILE", help="of this container's; without it you are asked")
    one = verbs.add_parser("backup", parents=[common, yes, store], help="keep a desktop, as it is at one moment")
    one.add_argument("desktop")
    one.add_argument("--tag", action="append", default=[], help="a word of yours by which to find it again")
    verbs.add_parser("snapshots", parents=[common, store], help="list what is kept")
    one = verbs.add_parser("restore", parents=[common, yes, store, into], help="bring a desktop's data back")
    one.add_argument("snapshot", help="its id, a desktop's name for its latest, or `latest`")
    one.add_argument("--path", action="append", default=[], help="only this file or folder, such as ~/Documents/letter.odt")
    one = verbs.add_parser("forget", parents=[common, yes, store], help="let go of snapshots, by name or by rules")
    one.add_argument("snapshots", nargs="*", help="as `modulux snapshots` lists them")
    one.add_argument("--desktop", action="append", default=[], help="the rules judge only this desktop's")
    for rule in ("last", "hourly", "daily", "weekly", "monthly", "yearly"):
        one.add_argument(f"--keep-{rule}", type=int, default=0, metavar="N", help="keep so many of the newest, one for each")
    one.add_argument("--dry-run", action="store_true", help="only show what would go")
    one.add_argument("--no-prune", action="store_true", help="do not free the room now")
    one = verbs.add_parser(
        "export", parents=[common], help="write a desktop with its data into one file, for `modulux import` elsewhere"
    )
    one.add_argument("desktop")
    one.add_argument("--output", "-o", required=True, metavar="FILE", help="what to write; `-` is stdout")
    one.add_argument("--without-data", action="store_true", help="homes and shares stay here")
    one = verbs.add_parser(
        "import", parents=[common, yes, into], help="let a desktop of this machine have the data of such a file"
    )
    one.add_argument("file", help="`-` is stdin")
    one = verbs.add_parser("storage", parents=[common], help="where the data lies, and how large it is")
    one.add_argument("what", choices=["show"])
    verbs.add_parser("ps", parents=[common], help="the machine's desktops")
    one = verbs.add_parser(
        "password", parents=[common, yes], help="keep the password of the machine file's repository, for its schedule"
    )
    one.add_argument("--password-file", metavar="FILE", help="of this container's; without it you are asked")
    one = verbs.add_parser("key", parents=[common, yes], help="the machine's key for servers (sftp:…), and theirs for it")
    one.add_argument("server", nargs="?", help="me@server or me@server:PORT, whose keys are to be known from now on")
    for hidden in ("settle", "begin-anew"):
        verbs.add_parser(hidden)
    return whole


def obey(said: argparse.Namespace) -> None:
    """Do it, and print what came of it."""
    do = {
        "backup": backup,
        "snapshots": snapshots,
        "restore": restore,
        "forget": forget,
        "export": export,
        "import": bring,
        "storage": storage,
        "ps": ps,
        "password": password,
        "key": key,
    }
    if said.verb in {"settle", "begin-anew"}:
        import machine

        (machine.settle if said.verb == "settle" else machine.begin_anew)()
        return
    data, text = do[said.verb](said)
    if data is not None:
        sys.stdout.write((json.dumps(data, indent=2) if said.json else text) + "\n")
        sys.stdout.flush()


def _repository(said: argparse.Namespace) -> Any:
    from repository import Repository

    if not said.to:
        raise RefusedError("where to is not said", REPOSITORY, "--to FOLDER, sftp:USER@HOST:/FOLDER, rest:…, s3:…")
    if shutil.which("restic") is None:
        raise RefusedError("restic is missing", NOT_FOUND)
    return Repository(said.to, said.password_file or _password_file(said.to))


def _password_file(to: str) -> str | None:
    """Where the password of the machine file's own repository is kept, if it is."""
    file = os.environ.get("MODULUX_PASSWORD_FILE", "")
    own = to == os.environ.get("MODULUX_REPOSITORY")
    return file if own and os.path.isfile(os.path.expanduser(file)) else None  # noqa: PTH111, PTH113


def password(said: argparse.Namespace) -> tuple[Any, str]:
    from repository import Repository, keep_password

    where, file = os.environ.get("MODULUX_REPOSITORY"), os.environ.get("MODULUX_PASSWORD_FILE")
    if not where or not file:
        hint = "services: [{module: keeper, to: sftp:me@server:/desktops, schedule: daily}]"
        raise RefusedError("the machine file names no repository", USAGE, hint)
    repository = Repository(where, said.password_file)
    repository.there(said.yes)
    keep_password(repository.password, file)
    return {"repository": repository.shown, "file": file}, f"the password of {repository.shown} is kept in {file}."


def key(said: argparse.Namespace) -> tuple[Any, str]:
    from keys import know, public_key

    mine = public_key()
    theirs = know(said.server, yes=said.yes) if said.server else []
    return {"key": mine, "server": said.server, "fingerprints": theirs}, mine


def backup(said: argparse.Namespace) -> tuple[Any, str]:
    from keeping import backup as keep

    from machine import desktop

    desktop(said.desktop)
    done = keep(said.desktop, _repository(said), said.tag, yes=said.yes)
    size = f"{done['bytes'] / 1e6:,.1f} MB in {done['files']:,} files, {done['added'] / 1e6:,.1f} MB of it new"
    still = f"{done['seconds']:.1f} s, of which the desktop stood still for {done['frozen']:.2f} s"
    return done, f"{said.desktop} is kept as {done['snapshot'][:8]} in {done['repository']}.\n  {size}; {still}"


def snapshots(said: argparse.Namespace) -> tuple[Any, str]:
    every = _repository(said).snapshots()
    data = [{"id": s.id, "time": s.time, "desktop": s.desktop, "tags": list(s.tags)} for s in every]
    return data, "\n".join(
        f"{s.id[:8]}  {s.time[:16].replace('T', ' ')}  {s.desktop}" for s in every
    ) or "nothing is kept there"


def restore(said: argparse.Namespace) -> tuple[Any, str]:
    from keeping import restore as back

    done = back(said.snapshot, _repository(said), name=said.name, yes=said.yes, start=not said.no_start, paths=said.path)
    if said.path:
        return done, f"{', '.join(said.path)}: as of {done['taken'][:16]}"
    return done, f"{done['desktop']} is back as it was."


def forget(said: argparse.Namespace) -> tuple[Any, str]:
    from forget import RULES, asked, choose
    from forget import forget as let_go

    rules = asked({rule: getattr(said, f"keep_{rule}") for rule in RULES}, said.snapshots)
    repository = _repository(said)
    choice = choose(repository, said.snapshots, rules, said.desktop)
    others = 0 if said.dry_run else let_go(repository, choice, yes=said.yes, prune=not said.no_prune)
    gone, stay = [s.id for s in choice.gone], [s.id for s in choice.kept]
    data = {"forgotten": gone, "kept": stay, "others": others, "dry_run": said.dry_run}
    lines = [f"{s.id[:8]}  {s.desktop}  {s.time[:16].replace('T', ' ')}" for s in choice.gone]
    what = "would go" if said.dry_run else "are gone"
    return data, "\n".join([*lines, f"{len(gone)} snapshots {what}, {len(stay)} stay."])


def export(said: argparse.Namespace) -> tuple[Any, str]:
    from carrying import export as write
    from carrying import sink

    with sink(said.output, sys.stdout.buffer) as output:
        done = write(said.desktop, output, data=not said.without_data)
    if said.output == "-":
        sys.stderr.write(f"digest  {done['digest']}\n")
        return None, ""
    return done | {"file": said.output}, f"{said.output}: {len(done['volumes'])} volumes, no images\n  digest  {done['digest']}"


def bring(said: argparse.Namespace) -> tuple[Any, str]:
    from carrying import bring as take
    from carrying import source

    if said.file == "-" and not said.yes:
        raise RefusedError("what comes by stdin cannot be asked about", CANCELLED, "--yes")
    done = take(source(said.file, sys.stdin.buffer), name=said.name, yes=said.yes, start=not said.no_start)
    return done, f"{done['desktop']} has the data of {done['digest']}."


def storage(_: argparse.Namespace) -> tuple[Any, str]:
    from storage import shown, told

    data = shown()
    return data, told(data)


def ps(_: argparse.Namespace) -> tuple[Any, str]:
    import schedule

    from machine import Machine, desktop, desktops

    often = schedule.wanted()
    with Machine() as machine:
        status = machine.status()
    data = []
    for name in desktops():
        states = [status.get(c, ("missing", False)) for c in desktop(name).noted["containers"]]
        data.append(
            {
                "desktop": name,
                "running": sum(phase == "running" for phase, _ in states),
                "ready": all(r for _, r in states),
                "containers": len(states),
                "kept": schedule.shown(name, often),
            }
        )
    rows = []
    for d in data:
        ready = ", ready" if d["ready"] else ""
        rows.append(f"{d['desktop']}  {d['running']} of {d['containers']} containers run{ready}{schedule.told(d['kept'])}")
    return data, "\n".join(rows)


def main() -> int:
    """The exit status."""
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    try:
        obey(parser().parse_args())
    except RefusedError as error:
        sys.stderr.write(f"modulux: {error}\n" + (f"hint: {error.hint}\n" if error.hint else ""))
        return error.code
    except BrokenPipeError:
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
