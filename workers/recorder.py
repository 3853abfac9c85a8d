"""Records on disk what all processes say they do: verified, chained, fsynced, and only then confirmed.

It reads the audit stream from the last place that the record itself holds, so a crash loses nothing and
writes nothing twice. One at a time holds the folder; a second stands by and takes over when the first ends.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import assert_never, cast

import structlog
from redis.exceptions import RedisError

from andock.audit import AuditRecord, Event, Journal
from andock.chain.lines import Line, Link, read_recent
from andock.chain.writer import ChainWriter, Hold
from andock.messages import Notice
from andock.outbox import Outbox
from andock.receipts import RECORDER, SEALED, Answer, AuditReceipt, Receipts, place_of
from andock.rendering.record import describe_head, describe_mending
from config.sites import Audit
from workers.admission import ENDED_FOR, REMEMBERED, Admission, Admitted, Refused, came_at
from workers.heads import HeadTimes
from workers.sinks import Copy, Sinks

log = structlog.get_logger()
TURN = 0.1  # seconds between two looks of the one who stands by
IDLE = 0.5  # seconds until Redis is tried again
BLOCK = 1_000  # ms that one read waits; a client gives up on its socket after 2 s
GROUP = 500  # entries that one fsync covers at most
LOOK_BACK = 60_000  # ms that are read again when Redis was away: after a failover its clock may be behind
SEARCHED = 30 * 86_400.0  # seconds that entries stay on the stream after they were recorded
TRIM = 3_600.0  # seconds between two times that older ones are let go
CONFIRMED_AGAIN = 1_000  # records on disk that are confirmed at the start, since nobody knows who waits


@dataclass(frozen=True)
class Recorder:
    """One of the two; the other stands by."""

    journal: Journal
    folder: Path
    key: bytes
    audit: Audit

    def run(self, stop: threading.Event) -> None:
        """Record until stopped; Redis may go away and come back.

        Raises:
            ConfigError: the record on disk is damaged.
            OSError: the disk does not take it. What was not confirmed is read again by the next recorder.
        """
        hold = self._take_turn(stop)
        if hold is None:
            return
        with hold:
            sinks = Sinks(self.audit.sinks)
            try:
                self._record(stop, sinks)
            finally:
                sinks.close()

    def _take_turn(self, stop: threading.Event) -> Hold | None:
        """Stand by until nobody else records."""
        hold = Hold.take(self.folder)
        if hold is None:
            log.info("standing_by")
        while hold is None and not stop.wait(TURN):
            hold = Hold.take(self.folder)
        return hold

    def _record(self, stop: threading.Event, sinks: Sinks) -> None:
        recording: Recording | None = None
        while not stop.is_set():
            try:
                if recording is None:
                    recording = Recording(self.journal, self.folder, self.key, HeadTimes(self.audit), sinks)
                    log.info("recording", seq=recording.chain.head.seq)
                recording.take_turn()
            except RedisError as error:
                log.warning("redis_away", error=type(error).__name__)
                if recording is not None:
                    recording.look_back()
                stop.wait(IDLE)
        if recording is not None:
            recording.chain.close()


class Recording:
    """The work of the one who holds the folder. Raises redis' own errors when Redis is away."""

    def __init__(self, journal: Journal, folder: Path, key: bytes, heads: HeadTimes, sinks: Sinks) -> None:
        self._journal = journal
        self._instance = journal.ledger.instance
        self._redis = journal.ledger.redis
        self._receipts = Receipts(journal.ledger, journal.verifier)
        self._outbox = Outbox(journal.ledger)
        self._admission = Admission(journal)
        self._heads = heads
        self._sinks = sinks
        self._unsaid: list[str] = []  # ids of records that are on disk and were not confirmed
        self._copies: list[bytes] = []  # of its own records, for the search
        self._notices: list[Notice] = []
        self._trimmed = 0.0
        latest = self._receipts.latest()
        self.chain = ChainWriter.open(folder, key, confirmed=latest.seq if latest else None)
        self._place = self.chain.entry  # what was read last
        self._reach = self._place  # the furthest of all that was read
        self._said = ""  # the reach that was confirmed
        self._looks_back = True
        for line in read_recent(folder, time.time() - ENDED_FOR):
            self._admission.recall_end(line)
        lines = list(read_recent(folder, came_at(self._place) - REMEMBERED))
        self._recall(lines, latest)
        self._say_mending(lines, latest)

    def _recall(self, lines: list[Line], latest: AuditReceipt | None) -> None:
        """Know again what is on disk; confirm what a predecessor had no time to confirm."""
        confirmed = latest.seq if latest else 0
        for line in lines:
            record = self._admission.recall(line)
            self._heads.see(record)
            if line.seq > confirmed:
                self._unsaid.append(record.id)
        del self._unsaid[:-CONFIRMED_AGAIN]

    def _say_mending(self, lines: list[Line], latest: AuditReceipt | None) -> None:
        """Record that the record was cut or is shorter than what was confirmed."""
        found = [self.chain.mended] if self.chain.mended else []
        if latest is not None:
            seq = self.chain.head.seq
            macs = {line.seq: line.mac for line in lines}
            if latest.seq > seq:
                found.append(f"it ends at record {seq}, and {latest.seq} were confirmed to be on disk")
            elif macs.get(latest.seq, latest.mac) != latest.mac:
                found.append(f"record {latest.seq} is not the one that was confirmed to be on disk")
        for text in found:
            log.error("record_mended", found=text)
            self._write_own(Event.MENDED, text)
            self._notices += self._notice(
                f"mended{self.chain.head.seq}", describe_mending(self._instance, text)
            )

    def look_back(self) -> None:
        """Redis was away: what it has when it is back may not be what it had."""
        self._looks_back = True

    def take_turn(self) -> None:
        """Record what is there, or wait for something for a second."""
        entries = self._read()
        now = time.time()
        judged = [self._judge(entry.decode(), fields, now) for entry, fields in entries]
        self._commit([one for one in judged if one is not None], now)
        self._admission.forget(min(now, came_at(self._place)))
        self._confirm()
        self._say_own()
        self._post_head()
        self._trim()

    def _read(self) -> list[Answer]:
        if self._looks_back:
            seconds, micro = self._redis.time()
            begin = min(place_of(self._place)[0], seconds * 1000 + micro // 1000)
            self._place = f"{max(0, begin - LOOK_BACK)}-0"
            self._looks_back = False
        answer = cast(
            "list[tuple[bytes, list[Answer]]]",
            self._redis.xread({self._journal.stream: self._place}, count=GROUP, block=BLOCK),
        )
        return answer[0][1] if answer else []

    def _judge(self, entry: str, fields: Mapping[bytes, bytes], now: float) -> Admitted | Refused | None:
        self._place = entry
        self._reach = max(self._reach, entry, key=place_of)
        judged = self._admission.judge(entry, fields, now)
        if isinstance(judged, Refused):
            log.warning("entry_refused", entry=entry, why=judged.record.text)
        return judged

    def _commit(self, judged: list[Admitted | Refused], now: float) -> None:
        """Put them on disk, all with one fsync."""
        lines = self.chain.append([one.link for one in judged], now)
        for one in judged:
            self._heads.see(one.record)
            match one:
                case Admitted(record=record):
                    self._unsaid.append(record.id)
                case Refused(sealed=sealed):
                    self._copies.append(sealed)
                case _:
                    assert_never(one)
        self._sinks.send(Copy(line, one.record, now) for line, one in zip(lines, judged, strict=True))

    def _confirm(self) -> None:
        """Say what is on disk."""
        if not self._unsaid and self._reach == self._said:
            return
        head = self.chain.head
        receipt = AuditReceipt(
            instance=self._instance,
            entry=self._reach,
            seq=head.seq,
            mac=head.mac,
            records=tuple(self._unsaid),
            at=time.time(),
        )
        self._receipts.publish(receipt, self._journal.signer)
        self._unsaid.clear()
        self._said = self._reach

    # --- what the recorder says itself ------------------------------------------------------------------

    def _write_own(self, event: Event, text: str, channel: str = "") -> None:
        """Put a record of its own on disk at once: it does not go by way of Redis, which may be bent."""
        now = time.time()
        record = AuditRecord(event=event, at=now, text=text, channel=channel)
        sealed = self._journal.seal(record)
        link = Link.of(sealed, self.chain.entry, RECORDER)
        lines = self.chain.append([link], now)
        self._admission.remember(link, record, now)
        self._heads.see(record)
        self._copies.append(sealed)
        self._sinks.send(Copy(line, record, now) for line in lines)

    def _say_own(self) -> None:
        """Put its own records on the stream too, where they are searched; tell the channel what is amiss."""
        while self._copies:
            self._redis.xadd(self._journal.stream, {SEALED: self._copies[0]})
            del self._copies[0]
        while self._notices:
            self._outbox.tell(self._notices[0], self._journal.signer)
            del self._notices[0]

    def _post_head(self) -> None:
        now, head = time.time(), self.chain.head
        if not head.seq or not self._heads.due(now):
            return
        text = describe_head(self._instance, str(head), now)
        for notice in self._notice(f"head{head.seq}x{head.mac[:12]}", text):
            self._outbox.tell(notice, self._journal.signer)  # said first: recorded is what was said
        self._write_own(Event.HEAD, str(head), self._heads.audit.channel)

    def _notice(self, name: str, text: str) -> list[Notice]:
        """Words for the channel, if there is one."""
        channel = self._heads.audit.channel
        if not channel:
            return []
        return [Notice(id=name, instance=self._instance, channel=channel, text=text, at=time.time())]

    def _trim(self) -> None:
        """Let go of entries that are long on disk."""
        now = time.time()
        if now < self._trimmed + TRIM:
            return
        oldest = min(now - SEARCHED, came_at(self.chain.entry))
        if oldest > 0:
            self._redis.xtrim(self._journal.stream, minid=f"{int(oldest * 1000)}-0", approximate=True)
        self._trimmed = now
