"""The audit stream as one person may search it: what is genuine, and nothing of others' private requests."""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from fnmatch import fnmatchcase
from typing import cast

from pydantic import ValidationError

from andock.audit import AuditRecord
from andock.errors import SignatureError
from andock.ledger import Ledger
from andock.messages import Request
from andock.ports.records import AuditFindings, AuditQuery, AuditRow
from andock.receipts import SEALED, Answer, Receipts, place_of
from andock.signing import SIGNERS, Verifier

PAGE = 500  # entries that are read at once
PATIENCE = 1.2  # seconds that a search may take; the bot answers within three
EARLIER = 3_600  # seconds by which a record's own time may be before its place's


@dataclass(frozen=True, slots=True)
class _Candidate:
    """An entry that fits, if it is genuine."""

    place: tuple[int, int]
    sealed: bytes
    record: AuditRecord


@dataclass(frozen=True)
class AuditTrail:
    """Searches for one person; `user` is their key, team and user."""

    ledger: Ledger
    verifier: Verifier
    user: str
    patience: float = PATIENCE

    def search(self, query: AuditQuery) -> AuditFindings:
        """The newest records that fit, as far as time allows to look back."""
        deadline = time.monotonic() + self.patience
        receipt = Receipts(self.ledger, self.verifier).latest()
        on_disk = place_of(receipt.entry) if receipt is not None else (0, 0)
        found: dict[str, _Candidate] = {}  # by record: one that was put there again counts once
        back_to = None
        for page in self._pages(query):
            fitting = [
                one for fields in page if (one := _read(fields)) is not None and _fits(one.record, query)
            ]
            for one in self._visible([one for one in fitting if self._is_genuine(one)]):
                found[one.record.id] = one
            if len(found) >= query.limit:
                break
            if time.monotonic() > deadline:
                back_to = datetime.fromtimestamp(place_of(page[-1][0].decode())[0] / 1000, UTC)
                break
        newest = sorted(found.values(), key=lambda one: one.record.at, reverse=True)[: query.limit]
        return AuditFindings(tuple(_row(one.record, one.place <= on_disk) for one in newest), back_to)

    def _pages(self, query: AuditQuery) -> Iterator[list[Answer]]:
        """The stream, newest first."""
        since = query.since.timestamp() if query.since is not None else 0.0
        begin = max(0, int(since - EARLIER) * 1000)
        end = "+"
        while True:
            read = self.ledger.redis.xrevrange(self.ledger.audit, max=end, min=begin, count=PAGE)
            page = cast("list[Answer]", read)
            if page:
                yield page
            if len(page) < PAGE:
                return
            end = f"({page[-1][0].decode()}"

    def _is_genuine(self, one: _Candidate) -> bool:
        try:
            record = self.verifier.open(one.sealed, AuditRecord, by=SIGNERS)
        except SignatureError:
            return False
        return record.instance == self.ledger.instance

    def _visible(self, found: list[_Candidate]) -> list[_Candidate]:
        """Those that this person may see: `request list` shows no more.

        A request that the ledger does not hold may have been private, so only its own people see it.
        """
        requests = tuple({one.record.request for one in found if one.record.request})
        seen = {entry.id: self._may_see(entry.sealed) for entry in self.ledger.read_many(requests)}
        return [
            one
            for one in found
            if not one.record.request or seen.get(one.record.request, one.record.actor == self.user)
        ]

    def _may_see(self, sealed: bytes) -> bool:
        try:
            request = self.verifier.open(sealed, Request, by="bot")
        except SignatureError:
            return False
        return not request.reply.private or request.actor.key == self.user


def _read(entry: Answer) -> _Candidate | None:
    """What the entry says, believed only after its signature was checked."""
    place, fields = entry
    sealed = fields.get(SEALED.encode(), b"")
    try:
        record = AuditRecord.model_validate_json(sealed.split(b".", 3)[3])
    except (ValidationError, IndexError):
        return None
    return _Candidate(place_of(place.decode()), sealed, record)


def _fits(record: AuditRecord, query: AuditQuery) -> bool:
    """Whether the record is one that is looked for."""
    if query.event is not None and record.event is not query.event:
        return False
    if query.since is not None and record.at < query.since.timestamp():
        return False
    if query.operation and not fnmatchcase(record.operation, query.operation.lower()):
        return False
    by = query.by.lower().removeprefix("@")
    if by and by not in {name.lower() for name in _names_of(record)}:
        return False
    if query.target and not any(_is_named(target, query.target) for target in record.targets):
        return False
    return all(word.lower() in _text(record) for word in query.words)


def _names_of(record: AuditRecord) -> tuple[str, ...]:
    """What whoever did it, or the person in whose name a hook asked for it, may be called."""
    keys = (record.actor, record.author)
    return (record.name, *keys, *(key.rpartition("/")[2] for key in keys))


def _is_named(target: str, glob: str) -> bool:
    """Whether a target, `kind:site/id name`, is called so: by name, by id or by all of it."""
    key, _, name = target.partition(" ")
    return any(fnmatchcase(part, glob) for part in (name, key.rpartition("/")[2], key, target))


def _text(record: AuditRecord) -> str:
    """Everything of a record that words are looked for in."""
    parts = (
        record.event.value, record.request, record.operation, record.command, record.actor, record.name,
        record.channel, record.rule, *record.approvers, *record.targets, record.result, record.text,
    )  # fmt: skip
    return "\n".join(parts).lower()


def _row(record: AuditRecord, on_disk: bool) -> AuditRow:
    return AuditRow(
        at=datetime.fromtimestamp(record.at, UTC),
        event=record.event.value,
        actor=record.name or record.actor,
        operation=record.operation,
        command=record.command,
        request=record.request,
        rule=record.rule,
        result=record.result,
        text=record.text,
        on_disk=on_disk,
        environments=record.environments,
        seconds=record.seconds,
    )
