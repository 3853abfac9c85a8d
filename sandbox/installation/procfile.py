"""The Procfile's lines as commands, and the processes that came of one of them."""

from __future__ import annotations

import contextlib
import shlex
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
STANDING_BY = "standing-by"  # in the title of a process that waits for an RQ worker's next job
INTERPRETER = ".venv/bin/python"


def read_procfile() -> dict[str, list[str]]:
    """Each line's name and command, run by this interpreter."""
    commands = {}
    for line in (ROOT / "Procfile").read_text().splitlines():
        name, _, command = line.partition(":")
        words = shlex.split(command)
        commands[name] = [sys.executable if word == INTERPRETER else word for word in words]
    return commands


def list_children(pid: int) -> tuple[int, ...]:
    """The processes that `pid` has started and that are there now, oldest first."""
    found: list[int] = []
    # Each thread of the parent has a list of its own.
    for listing in Path(f"/proc/{pid}/task").glob("*/children"):
        with contextlib.suppress(OSError):
            found += [int(child) for child in listing.read_text().split()]
    return tuple(sorted(found))


def list_horses(worker: int) -> tuple[int, ...]:
    """The processes in which an RQ worker does jobs now; the one that stands by is none."""
    return tuple(pid for pid in list_children(worker) if STANDING_BY not in read_command(pid))


def read_command(pid: int) -> tuple[str, ...]:
    """The words of a process' command line, or of its title; none when it is gone."""
    try:
        return tuple(Path(f"/proc/{pid}/cmdline").read_text(errors="replace").replace("\0", " ").split())
    except OSError:
        return ()
