"""One line of the audit record, how it is bound to the line before it, and the files it lies in.

A line is one JSON object: number, place on the stream, when it was recorded, where it comes from, the record
byte for byte as its process signed it, and at the end a MAC (HMAC-SHA256) over the last line's MAC and all of
this line before its own.
"""

from __future__ import annotations

import hmac
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from andock.errors import ConfigError

GENESIS = b"0" * 64  # what stands for the MAC before the first line
FOLDER = "audit"  # in the state folder
_MAC = b',"mac":"'
_END = b'"}\n'
TAIL = len(_MAC) + 64 + len(_END)
MAC_AT = slice(-64 - len(_END), -len(_END))  # where the MAC stands in a line
_LINE = re.compile(
    rb'\{"seq":(\d{1,15}),"entry":"(\d{1,20}-\d{1,20})","recorded_at":(\d{1,12}\.\d{3}),"process":"([a-z]+)",'
    rb'"key":"([0-9a-f]+)","signature":"([\w=-]+)","record":(\{.*\}),"mac":"([0-9a-f]{64})"\}\n'
)
_FILE = re.compile(r"\d{12}-\d{4}-\d\d-\d\d\.jsonl")
_HEAD = re.compile(r"(\d{1,15}):([0-9a-f]{64})")


@dataclass(frozen=True, slots=True)
class Head:
    """How long the record is, and the MAC that stands for all of it."""

    seq: int
    mac: str

    def __str__(self) -> str:
        return f"{self.seq}:{self.mac}"

    @classmethod
    def parse(cls, text: str) -> Head:
        """The head that `str` wrote.

        Raises:
            ValueError: it is none.
        """
        match = _HEAD.fullmatch(text.strip())
        if match is None:
            raise ValueError("is no head; write it as SEQ:HASH, as it stands in the channel")
        return cls(int(match[1]), match[2])


@dataclass(frozen=True, slots=True)
class Link:
    """A record that is to become a line, with its origin."""

    entry: str  # its place on the stream
    process: str
    key_id: str
    signature: str
    record: bytes  # JSON, as it was signed

    @classmethod
    def of(cls, sealed: bytes, entry: str, process: str) -> Link:
        """What a process sealed, apart from its kind."""
        key_id, signature, _, record = sealed.split(b".", 3)
        return cls(entry, process, key_id.decode(), signature.decode(), record)

    def seal(self, kind: str) -> bytes:
        """What the process sealed, whose kind the line does not hold."""
        return b".".join((self.key_id.encode(), self.signature.encode(), kind.encode(), self.record))


@dataclass(frozen=True, slots=True)
class Line:
    """One line as it was read."""

    seq: int
    recorded_at: float
    link: Link
    mac: str


def bind(key: bytes, before: bytes, body: bytes) -> bytes:
    """The whole line: `body` and a MAC, in hexadecimal digits, over it and the MAC of the line before."""
    mac = hmac.digest(key, before + body, "sha256").hex().encode()
    return body + _MAC + mac + _END


def write_body(seq: int, link: Link, now: float) -> bytes:
    """All of a line before its MAC.

    Raises:
        ValueError: the record is not one line of JSON, so that it could pass for two.
    """
    if b"\n" in link.record or not (link.record.startswith(b"{") and link.record.endswith(b"}")):
        raise ValueError("is not one line of JSON")
    head = (
        f'{{"seq":{seq},"entry":"{link.entry}","recorded_at":{now:.3f},"process":"{link.process}",'
        f'"key":"{link.key_id}","signature":"{link.signature}","record":'
    )
    return head.encode() + link.record


def read_line(raw: bytes) -> Line:
    """A line's parts; says nothing about its MAC.

    Raises:
        ValueError: it is not of a line's shape.
    """
    match = _LINE.fullmatch(raw)
    if match is None:
        raise ValueError("is not of a line's shape")
    seq, entry, at, process, key_id, signature, record, mac = match.groups()
    link = Link(entry.decode(), process.decode(), key_id.decode(), signature.decode(), record)
    return Line(int(seq), float(at), link, mac.decode())


def list_files(folder: Path) -> tuple[Path, ...]:
    """The record's files, the oldest first. Their names begin with the number of their first line."""
    return tuple(sorted(path for path in folder.glob("*.jsonl") if _FILE.fullmatch(path.name)))


def read_lines(paths: tuple[Path, ...]) -> Iterator[Line]:
    """All lines of these files, one after the other; an unfinished last one is left out.

    Raises:
        ConfigError: one is not of a line's shape; names it.
    """
    for path in paths:
        with path.open("rb") as file:
            for number, raw in enumerate(file, 1):
                if not raw.endswith(b"\n"):
                    break
                try:
                    yield read_line(raw)
                except ValueError as error:
                    raise ConfigError(
                        f"{error}.", where=f"{path}:{number}", fix="see what `andock audit verify` says."
                    ) from error


def read_recent(folder: Path, since: float) -> Iterator[Line]:
    """The lines that were recorded from `since` (seconds since the epoch) on; raises as `read_lines`."""
    files = list_files(folder)
    begin = len(files)
    while begin > 0:
        begin -= 1
        first = next(read_lines(files[begin : begin + 1]), None)
        if first is not None and first.recorded_at < since:
            break
    return (line for line in read_lines(files[begin:]) if line.recorded_at >= since)
