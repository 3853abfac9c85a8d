"""A recorder that a kill ends at one moment of its first write; the moment is its argument."""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Callable
from unittest.mock import patch

from workers.__main__ import main

write, fsync = os.write, os.fsync
lines: set[int] = set()  # descriptors to which it wrote lines


def _die() -> None:
    os.kill(os.getpid(), signal.SIGKILL)


def _write_half(descriptor: int, data: memoryview) -> int:
    """Half of the lines and a part of one more: the kernel ends a killed process' write where a page ends."""
    end = bytes(data).index(b"\n", len(data) // 2)
    written = write(descriptor, data[: end - 100])
    _die()
    return written


def _write_all(descriptor: int, data: memoryview) -> int:
    lines.add(descriptor)
    return write(descriptor, data)


def _die_before_sync(descriptor: int) -> None:
    if descriptor in lines:
        _die()
    fsync(descriptor)


def _die_after_sync(descriptor: int) -> None:
    fsync(descriptor)
    if descriptor in lines:
        _die()


MOMENTS: dict[str, tuple[Callable[[int, memoryview], int], Callable[[int], None]]] = {
    "half written": (_write_half, fsync),
    "written": (_write_all, _die_before_sync),
    "synced": (_write_all, _die_after_sync),
}


if __name__ == "__main__":
    moment_write, moment_fsync = MOMENTS[sys.argv.pop()]
    sys.argv.append("recorder")
    with patch("os.write", moment_write), patch("os.fsync", moment_fsync):
        main()
