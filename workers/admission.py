"""Which entries of the audit stream are recorded as they stand, and which are refused.

Whoever can write to Redis can put anything there. Believed is what a process of ours signed, for this
installation, at about the time at which it came, and only once. What has ended is not started again: Redis
may be put back to what it held before, the record on disk is not, and no change begins without its word.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TypeAlias

from andock.audit import AuditRecord, Event, Journal
from andock.chain.lines import Line, Link
from andock.errors import SignatureError
from andock.ledger import RETENTION
from andock.receipts import RECORDER, SEALED, place_of
from andock.signing import SIGNERS

AGREE = 3_600.0  # seconds that a record's own time may be away from the time at which it came
_OWN = frozenset({Event.HEAD, Event.MENDED})
REMEMBERED = 2 * AGREE  # seconds after which a record that comes again is refused by its time alone
ENDED_FOR = (
    RETENTION + REMEMBERED
)  # seconds that it is known which requests have ended; no worker takes older ones
_ENDS = frozenset({Event.CONCLUDED, Event.EXPIRED, Event.DENIED, Event.WITHDRAWN})
_TELLING = tuple(f'"event":"{event.value}"'.encode() for event in (*_ENDS, Event.REFUSED))
_ENDED_BY = frozenset({"worker", "janitor"})  # whose refusal of a request is its end


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
        self._ended: dict[str, float] = {}  # requests, when their end was recorded

    def recall(self, line: Line) -> AuditRecord:
        """Remember a line that lies on disk; its record."""
        record = AuditRecord.model_validate_json(line.link.record)
        self.remember(line.link, record, line.recorded_at)
        return record

    def recall_end(self, line: Line) -> None:
        """Remember the end of a request, if the line tells of one; cheaper than `recall`."""
        if any(event in line.link.record for event in _TELLING):
            self._remember_end(line.link, AuditRecord.model_validate_json(line.link.record), line.recorded_at)

    def remember(self, link: Link, record: AuditRecord, now: float) -> None:
        """This was recorded now."""
        self._records[record.id] = now
        self._entries[link.entry] = now
        self._remember_end(link, record, now)

    def _remember_end(self, link: Link, record: AuditRecord, now: float) -> None:
        refused = record.event is Event.REFUSED and link.process in _ENDED_BY
        if record.request and (record.event in _ENDS or refused):
            self._ended.setdefault(record.request, now)

    def forget(self, now: float) -> None:
        """Let go of what was recorded so long ago that its own time would give it away."""
        for known, span in (
            (self._records, REMEMBERED),
            (self._entries, REMEMBERED),
            (self._ended, ENDED_FOR),
        ):
            while known:
                oldest = next(iter(known))
                if known[oldest] >= now - span:
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
        if record.event is Event.STARTED and record.request in self._ended:
            raise SignatureError(f"request {record.request} has ended, and is started again")
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
