from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from sandbox.installation import Installation


def find_leftovers(state: Path) -> list[str]:
    """Command lines of running processes that name the state folder, or got it in their environment."""
    found = []
    for entry in Path("/proc").iterdir():
        if not entry.name.isdigit() or int(entry.name) == os.getpid():
            continue
        try:
            command = (entry / "cmdline").read_bytes()
            facts = command + (entry / "environ").read_bytes()
        except OSError:
            continue
        if str(state).encode() in facts:
            found.append(command.replace(b"\0", b" ").decode(errors="replace"))
    return found


@pytest.fixture
def leftovers() -> Callable[[Path], list[str]]:
    return find_leftovers


@pytest.fixture(scope="module")
def installation(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Installation]:
    with Installation.start(tmp_path_factory.mktemp("installation"), own_engine=True) as running:
        yield running
