"""A record on disk, as a recorder writes it, and the ways to bend it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from andock.audit import AuditRecord, Event
from andock.chain.lines import Link, list_files
from andock.chain.writer import LARGEST, ChainWriter
from andock.signing import load_audit_key, load_signer

NOON = datetime(2026, 11, 24, 12, tzinfo=UTC).timestamp()


@dataclass
class Book:
    """The record of one folder."""

    folder: Path
    keys: Path
    now: float = NOON
    count: int = 0
    writer: ChainWriter | None = field(default=None)

    @property
    def key(self) -> bytes:
        return load_audit_key(self.keys)

    def open(self, *, confirmed: int | None = None, largest: int = LARGEST) -> ChainWriter:
        self.close()
        self.writer = ChainWriter.open(self.folder, self.key, confirmed=confirmed, largest=largest)
        return self.writer

    def close(self) -> None:
        if self.writer is not None:
            self.writer.close()
            self.writer = None

    def link(self, process: str = "worker", **fields: Any) -> Link:
        self.count += 1
        stated = {"event": Event.ASKED, "at": self.now, "text": f"the {self.count}th", **fields}
        sealed = load_signer(self.keys, process).sign(AuditRecord(**stated))
        return Link.of(sealed, f"{int(self.now * 1000)}-{self.count}", process)

    def write(self, count: int, **fields: Any) -> None:
        """Append that many records in one group."""
        writer = self.writer or self.open()
        writer.append([self.link(**fields) for _ in range(count)], self.now)

    @property
    def files(self) -> tuple[Path, ...]:
        return list_files(self.folder)

    def lines(self, number: int = 0) -> list[bytes]:
        """The lines of one file."""
        return self.files[number].read_bytes().splitlines(keepends=True)

    def bend(self, change: Callable[[list[bytes]], list[bytes]], number: int = 0) -> None:
        """Rewrite a file as somebody with a text editor could."""
        self.close()
        self.files[number].write_bytes(b"".join(change(self.lines(number))))


@pytest.fixture
def book(keys: Path, tmp_path: Path) -> Book:
    folder = tmp_path / "audit"
    folder.mkdir()
    return Book(folder, keys)
