"""Whether the audit record is whole: the first bad record, and how far what was posted proves the rest."""

from __future__ import annotations

import itertools
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import BinaryIO

from andock.audit import AuditRecord
from andock.chain.lines import GENESIS, MAC_AT, TAIL, Head, bind, list_files, read_line
from andock.errors import SignatureError
from andock.signing import SIGNERS, Verifier

_POSTED = b'"event":"head"'  # within a text the quotes would be escaped
_BY_RECORDER = b'"process":"recorder"'
_LOOKS = 10  # at a last line that may be being written just now
_LOOK = 0.05  # seconds between them


class Wrong(StrEnum):
    """What can be wrong with a record."""

    CHANGED = "changed"
    REMOVED = "removed"
    REORDERED = "reordered"
    CUT = "cut"
    FORGED = "forged"  # bound into the chain, but not signed by the process that it names


@dataclass(frozen=True, slots=True)
class Fault:
    """The first bad record."""

    seq: int
    wrong: Wrong
    where: str  # file and line
    text: str


@dataclass(frozen=True, slots=True)
class Posted:
    """The last head that the record says was posted."""

    head: Head
    at: float
    channel: str


@dataclass(frozen=True, slots=True)
class Proof:
    """What was found. Without a fault, records `first` to `head.seq` are as they were written."""

    first: int
    head: Head
    files: int
    fault: Fault | None = None
    posted: Posted | None = None
    given: Head | None = None  # the last head given by hand; it fits

    @property
    def count(self) -> int:
        """How many sound records there are."""
        return self.head.seq - self.first + 1

    @property
    def proven(self) -> int:
        """The last record that cannot have been cut off without a trace."""
        return max((head.seq for head in (self.given, self.posted and self.posted.head) if head), default=0)


@dataclass(slots=True)
class _Walk:
    """Where the check has come to."""

    first: int
    seq: int
    mac: bytes
    posted: bytes = b""  # the last line that says that a head was posted


def verify(folder: Path, key: bytes, heads: Sequence[Head] = (), verifier: Verifier | None = None) -> Proof:
    """Check every record in a folder.

    Args:
        folder: where the files lie.
        key: the audit key.
        heads: posted heads, given by hand; one may stand for files that were moved away.
        verifier: if given, each record's own signature is checked too.
    """
    files = list_files(folder)
    known = {head.seq: head.mac.encode() for head in heads}
    first = int(files[0].name.partition("-")[0]) if files else 1
    anchor = known.get(first - 1, b"") if first > 1 else GENESIS
    walk = _Walk(first, first - 1, anchor)
    fault = _find_early(files, first, anchor, known)
    if fault is None:
        fault = _find_fault(files, key, known, walk, verifier)
    if fault is None and known and max(known) > walk.seq:
        text = f"the record ends at {walk.seq}, and a head was posted for {max(known)}"
        fault = Fault(walk.seq + 1, Wrong.CUT, str(files[-1] if files else folder), text)
    return Proof(
        first=first,
        head=Head(walk.seq, walk.mac.decode()),
        files=len(files),
        fault=fault,
        posted=_read_posted(walk.posted),
        given=max(heads, key=lambda head: head.seq, default=None) if fault is None else None,
    )


def _find_early(files: Sequence[Path], first: int, anchor: bytes, known: Mapping[int, bytes]) -> Fault | None:
    """What is missing before the first file."""
    if not anchor:
        text = (
            f"records 1 to {first - 1} are not here; if they were moved away, give the head {first - 1}:HASH"
        )
        return Fault(1, Wrong.REMOVED, files[0].name, text)
    early = [seq for seq in known if seq < first - 1]
    if early:
        text = f"a head of it was given, and the record begins at {first}"
        return Fault(min(early), Wrong.REMOVED, files[0].name, text)
    return None


def _find_fault(
    files: Sequence[Path], key: bytes, known: Mapping[int, bytes], walk: _Walk, verifier: Verifier | None
) -> Fault | None:
    """Walk over all lines up to the first that is not as it was written."""
    for index, path in enumerate(files):
        with path.open("rb") as file:
            for number, raw in enumerate(file, 1):
                if raw[-1:] != b"\n" and index == len(files) - 1:
                    raw = _look_again(file, raw)  # noqa: PLW2901  the same line, when it is written
                seq = walk.seq + 1
                if raw != bind(key, walk.mac, raw[:-TAIL]) or not raw.startswith(_beginning(seq)):
                    return _explain(_Place(files[index:], number), raw, seq)
                walk.seq, walk.mac = seq, raw[MAC_AT]
                if known.get(seq, walk.mac) != walk.mac:
                    text = "is not the one whose head was posted: the record was written anew"
                    return Fault(seq, Wrong.CHANGED, f"{path.name}:{number}", text)
                if _POSTED in raw and _BY_RECORDER in raw:
                    walk.posted = raw
                if verifier is not None and not _is_signed(raw, verifier):
                    text = "bears no valid signature of the process that it names"
                    return Fault(seq, Wrong.FORGED, f"{path.name}:{number}", text)
    return None


def _beginning(seq: int) -> bytes:
    return b'{"seq":%d,' % seq


def _look_again(file: BinaryIO, raw: bytes) -> bytes:
    """An unfinished line once more: the recorder may be writing it."""
    begin = file.tell() - len(raw)
    for _ in range(_LOOKS):
        if raw.endswith(b"\n"):
            break
        time.sleep(_LOOK)
        file.seek(begin)
        raw = file.readline()
    return raw


@dataclass(frozen=True, slots=True)
class _Place:
    """A line, by the files from its own on and its number there."""

    files: Sequence[Path]
    number: int

    def __str__(self) -> str:
        return f"{self.files[0].name}:{self.number}"

    def following(self) -> Iterator[bytes]:
        """The lines behind it."""
        for index, path in enumerate(self.files):
            with path.open("rb") as file:
                yield from itertools.islice(file, 0 if index else self.number, None)


def _explain(place: _Place, raw: bytes, seq: int) -> Fault:
    """What is wrong where record `seq` should stand."""
    try:
        found = read_line(raw).seq
    except ValueError:
        if raw.endswith(b"\n"):
            return Fault(seq, Wrong.CHANGED, str(place), "is no longer of a record's shape")
        return Fault(seq, Wrong.CUT, str(place), "is cut off in its middle")
    if found == seq:
        return Fault(seq, Wrong.CHANGED, str(place), "is not what was written")
    if found < seq:
        return Fault(found, Wrong.REORDERED, str(place), f"stands behind record {seq - 1}")
    if next(place.following(), b"").startswith(_beginning(seq + 1)):
        return Fault(seq, Wrong.CHANGED, str(place), f"calls itself {found}")
    if any(line.startswith(_beginning(seq)) for line in place.following()):
        return Fault(seq, Wrong.REORDERED, str(place), f"stands behind record {found}")
    missing = "is missing" if found == seq + 1 else f"and all up to {found - 1} are missing"
    return Fault(seq, Wrong.REMOVED, str(place), missing)


def _is_signed(raw: bytes, verifier: Verifier) -> bool:
    """Whether the process that a line names signed its record."""
    link = read_line(raw).link
    try:
        verifier.open(link.seal(AuditRecord.__name__), AuditRecord, by=link.process)
    except SignatureError:
        return False
    return link.process in SIGNERS


def _read_posted(raw: bytes) -> Posted | None:
    if not raw:
        return None
    try:
        record = AuditRecord.model_validate_json(read_line(raw).link.record)
        return Posted(Head.parse(record.text), record.at, record.channel)
    except ValueError:
        return None  # a recorder that was bent wrote it: it proves nothing
