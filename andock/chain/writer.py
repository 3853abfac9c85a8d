"""Appends to the audit record: many lines, one fsync; a new file each day; what a crash left is mended."""

from __future__ import annotations

import contextlib
import fcntl
import os
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from types import TracebackType
from typing import Self

from andock.chain.lines import (
    GENESIS,
    MAC_AT,
    TAIL,
    Head,
    Line,
    Link,
    bind,
    list_files,
    read_line,
    write_body,
)
from andock.errors import ConfigError

LARGEST = 16 * 2**20  # bytes after which a new file begins
_FIX = "keep the files as evidence, then restore them, or move the folder aside and let a new record begin."


class Hold:
    """The right to write to the record of one folder; one process at a time has it, until it ends."""

    def __init__(self, descriptor: int) -> None:
        self._descriptor = descriptor

    @classmethod
    def take(cls, folder: Path) -> Hold | None:
        """The right, or None while another process has it."""
        if not folder.is_dir():
            folder.mkdir(parents=True, exist_ok=True, mode=0o700)
            _sync_folder(folder.parent)
        descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            os.close(descriptor)
            return None
        return cls(descriptor)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None
    ) -> None:
        os.close(self._descriptor)


@dataclass(frozen=True)
class _End:
    """Where the record ends."""

    head: Head
    entry: str
    path: Path | None  # the file that the last line is in
    mended: str


class ChainWriter:
    """Appends lines. Whoever has one holds the folder; what it returned is on disk."""

    def __init__(self, folder: Path, key: bytes, end: _End, largest: int) -> None:
        self._folder = folder
        self._key = key
        self._largest = largest
        self._head = end.head
        self._path = end.path
        self._descriptor = -1
        self.entry = end.entry  # the last line's place on the stream
        self.mended = end.mended  # what was cut off at the start, for people; empty if nothing
        if end.path is not None:
            self._descriptor = os.open(end.path, os.O_WRONLY | os.O_APPEND | os.O_CLOEXEC)
            os.fsync(self._descriptor)  # lines that a killed process wrote and did not wait for
        _sync_folder(folder)

    @classmethod
    def open(cls, folder: Path, key: bytes, *, confirmed: int | None, largest: int = LARGEST) -> ChainWriter:
        """Go on where the record ends. A last line that a crash left unfinished is cut off.

        Args:
            folder: where the files lie.
            key: the audit key.
            confirmed: the last record that was said to be on disk; None if that is not known.
            largest: bytes after which a new file begins.

        Raises:
            ConfigError: what was confirmed is damaged, or the key is not this record's.
        """
        return cls(folder, key, _find_end(folder, key, confirmed), largest)

    @property
    def head(self) -> Head:
        """The last line on disk."""
        return self._head

    def append(self, links: Sequence[Link], now: float) -> tuple[bytes, ...]:
        """Write a line for each and wait until all are on disk; the lines.

        Raises:
            OSError: the disk did not take them. None of them counts then, and this writer must not be used.
        """
        seq, mac = self._head.seq, self._head.mac.encode()
        lines = []
        for link in links:
            seq += 1
            line = bind(self._key, mac, write_body(seq, link, now))
            mac = line[MAC_AT]
            lines.append(line)
        if lines:
            self._turn_over(now)
            self._write(b"".join(lines))
            self._head = Head(seq, mac.decode())
            self.entry = links[-1].entry
        return tuple(lines)

    def close(self) -> None:
        """Let go of the file."""
        if self._descriptor >= 0:
            os.close(self._descriptor)
            self._descriptor = -1

    def _turn_over(self, now: float) -> None:
        """Begin a new file when the day is over or the file is full."""
        day = datetime.fromtimestamp(now, UTC).date().isoformat()
        if self._path is not None:
            same_day = self._path.stem.endswith(day)
            if same_day and os.fstat(self._descriptor).st_size < self._largest:
                return
        self.close()
        self._path = self._folder / f"{self._head.seq + 1:012d}-{day}.jsonl"
        flags = os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC
        self._descriptor = os.open(self._path, flags, 0o600)
        _sync_folder(self._folder)

    def _write(self, data: bytes) -> None:
        size = os.fstat(self._descriptor).st_size
        left = memoryview(data)
        try:
            while left:
                left = left[os.write(self._descriptor, left) :]
            os.fsync(self._descriptor)
        except OSError:
            # after a failed fsync the kernel forgets what it could not write: it must not be believed later
            with contextlib.suppress(OSError):
                os.ftruncate(self._descriptor, size)
            raise


def _sync_folder(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _find_end(folder: Path, key: bytes, confirmed: int | None) -> _End:
    """Where the record ends, after cutting off what a crash left behind it."""
    files = list(list_files(folder))
    mended = ""
    while files:
        path = files.pop()
        before = _read_last(files[-1]) if files else None
        last, size = _read_sound(path, key, before, confirmed)
        spare = path.stat().st_size - size
        if spare:
            os.truncate(path, size)
            seq = last.seq if last is not None else _number(path) - 1
            mended = (
                f"{spare} bytes behind record {seq}, which a crash left and nobody confirmed, were cut off"
            )
        if last is not None:
            return _End(Head(last.seq, last.mac), last.link.entry, path, mended)
        path.unlink()
    return _End(Head(0, GENESIS.decode()), "0-0", None, mended)


def _read_sound(
    path: Path, key: bytes, before: Line | None, confirmed: int | None
) -> tuple[Line | None, int]:
    """The last sound line of the last file, if it has one, and the bytes up to its end.

    Raises:
        ConfigError: what follows it is no mere leftover of a crash.
    """
    seq = before.seq if before is not None else _number(path) - 1
    mac = before.mac.encode() if before is not None else None if seq else GENESIS
    last, size = None, 0
    with path.open("rb") as file:
        for raw in file:
            seq += 1
            try:
                line = read_line(raw)
            except ValueError:
                is_last = not raw.endswith(b"\n")
                if (confirmed is None and is_last) or (confirmed is not None and seq > confirmed):
                    break
                raise ConfigError(f"record {seq} is damaged.", where=str(path), fix=_FIX) from None
            # without the file before, which was moved away, the first line is taken as it is
            if line.seq != seq or (mac is not None and raw != bind(key, mac, raw[:-TAIL])):
                raise ConfigError(
                    f"record {seq} was changed, or audit.key is another than it was bound with.",
                    where=str(path),
                    fix=_FIX,
                )
            last, mac, size = line, raw[MAC_AT], size + len(raw)
    return last, size


def _read_last(path: Path) -> Line:
    """The last line of a file that another follows."""
    raw = path.read_bytes()
    try:
        return read_line(raw[raw.rfind(b"\n", 0, -1) + 1 :])
    except ValueError as error:
        raise ConfigError("its last record is damaged.", where=str(path), fix=_FIX) from error


def _number(path: Path) -> int:
    """The number of the first line in a file, by the file's name."""
    return int(path.name.partition("-")[0])
