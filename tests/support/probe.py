"""An app module with programs of a test's own, in a container of its own: it copies and pastes, plays and records."""

from __future__ import annotations

from pathlib import Path

_CONTRACT = """role: app
summary: programs of a test, in a container of their own
base: base/debian-13
requires: [x11]
uses: [pulse]
command: [sh, -c, "echo a probe is here; exec sleep infinity"]
"""
_RECIPE = "ARG BASE\nFROM ${BASE}\nUSER 0\nRUN /usr/lib/modulux/install xclip pulseaudio-utils\nUSER 1000:1000\n"


def tone(seconds: int) -> str:
    """Plays 440 Hz by PulseAudio's protocol, as most programs do."""
    return (
        "perl -e 'binmode STDOUT; print pack(q(s<*), map { my $s = 9000 * sin(6.283185307 * 440 * $_ / 48000); ($s, $s) }"
        f" 0 .. 48000 * {seconds})' | pacat --playback --raw --rate=48000 --channels=2 --format=s16le --latency-msec=40"
    )


TONE = tone(20)


def probe(folder: Path) -> Path:
    """Write the module `app/probe`; returns what `--modules` takes."""
    place = folder / "modules/app/probe"
    place.mkdir(parents=True)
    (place / "module.yaml").write_text(_CONTRACT)
    (place / "Containerfile").write_text(_RECIPE)
    return folder / "modules"
