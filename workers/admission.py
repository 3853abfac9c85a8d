"""Which entries of the audit stream are recorded as they stand, and which are refused.

Whoever can write to Redis can put anything there. Believed is what a process of ours signed, for this
installation, at about the time at which it came, and only once.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TypeAlias

from andock.audit import AuditRecord, Event, Journal
from andock.chain.lines import Line, Link
from andock.errors import SignatureError
from andock.receipts import RECORDER, SEALED, place_of
from andock.signing import SIGNERS

AGREE = 3_600.0  # seconds that a record's own time may be away from the time at which it came
_OWN = frozenset({Event.HEAD, Event.MENDED})
REMEMBERED = 2 * AGREE  # seconds after which a record that comes again is refused by its time alone


@dataclass(frozen=True, slots=True)
class Admitted:
    """An entry that is recorded as it stands."""

    link: Link
    record: AuditRecord


@dataclass(frozen=True, slots=True)
class Refused:
    """The recorder's own record of an entry that is not."""

    link: Link
    record: AuditRecord
    sealed: bytes


Judged: TypeAlias = Admitted | Refused


class Admission:
    """Judges entries; remembers what was recorded as long as it could come again."""

    def __init__(self, journal: Journal) -> None:
        self._journal = journal
        self._verifier = journal.verifier
        self._records: dict[str, float] = {}  # by id, when they were recorded; the oldest first
        self._entries: dict[str, float] = {}  # by place on the stream

    def recall(self, line: Line) -> AuditRecord:
        """Remember a line that lies on disk; its record."""
        record = AuditRecord.model_validate_json(line.link.record)
        self.remember(line.link, record, line.recorded_at)
        return record

    def remember(self, link: Link, record: AuditRecord, now: float) -> None:
        """This was recorded now."""
        self._records[record.id] = now
        self._entries[link.entry] = now

    def forget(self, now: float) -> None:
        """Let go of what was recorded so long ago that its own time would give it away."""
        for known in (self._records, self._entries):
            while known:
                oldest = next(iter(known))
                if known[oldest] >= now - REMEMBERED:
                    break
                del known[oldest]

    def judge(self, entry: str, fields: Mapping[bytes, bytes], now: float) -> Judged | None:
        """What becomes of an entry; None when it was recorded already."""
        if entry in self._entries:
            return None
        sealed = fields.get(SEALED.encode(), b"")
        try:
            judged: Judged | None = self._admit(entry, sealed, now)
        except SignatureError as error:
            judged = self._refuse(entry, sealed, error.sentence, now)
        if judged is not None:
            self.remember(judged.link, judged.record, now)
        return judged

    def _admit(self, entry: str, sealed: bytes, now: float) -> Admitted | None:
        record = self._verifier.open(sealed, AuditRecord, by=SIGNERS)
        link = Link.of(sealed, entry, self._verifier.process_of(sealed.split(b".", 1)[0].decode()))
        if record.instance != self._journal.ledger.instance:
            raise SignatureError("it is another installation's")
        if record.event in _OWN and link.process != RECORDER:
            raise SignatureError(f"only the recorder says `{record.event.value}`")
        if record.id in self._records:
            if link.process == RECORDER:
                return None  # its copy of what it wrote to disk itself, there for the search
            raise SignatureError(f"record {record.id} came again")
        came = min(came_at(entry), now)  # a forged place may lie in the future
        if not abs(record.at - came) <= AGREE:
            raise SignatureError(
                f"record {record.id} is of another time: {record.at:.0f}, and it came {came:.0f}"
            )
        if b"\n" in link.record:
            raise SignatureError("it is more than one line")
        return Admitted(link, record)

    def _refuse(self, entry: str, sealed: bytes, why: str, now: float) -> Refused:
        digest = hashlib.sha256(sealed).hexdigest()
        text = f"not recorded: {why} (entry {entry}, {len(sealed)} bytes, SHA-256 {digest})"
        record = AuditRecord(event=Event.REFUSED, at=now, text=text)
        own = self._journal.seal(record)
        return Refused(Link.of(own, entry, RECORDER), record, own)


def came_at(entry: str) -> float:
    """When an entry was put on its stream, by Redis' clock, seconds since the epoch."""
    return place_of(entry)[0] / 1000
