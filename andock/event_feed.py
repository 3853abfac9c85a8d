"""Tells the events of one vCenter in a channel: each once, those that come together in one message."""

from __future__ import annotations

import hashlib
import time
from collections.abc import Iterable, Sequence
from typing import Literal, cast

import structlog

from andock.errors import SignatureError
from andock.ledger import Ledger
from andock.messages import Notice, Request
from andock.mutes import Mutes, is_muted
from andock.operation import Value
from andock.outbox import Outbox
from andock.rendering.notices import events_told
from andock.seals import genuine_plan
from andock.sight import Sight
from andock.signing import Signer, Verifier
from andock.site_events import SiteEvent

log = structlog.get_logger()
KEPT = 90 * 86_400  # seconds that it is remembered how far events were told
LOOKED_AT = 200  # of the newest requests, for what Andock itself was asked to do
OURS = (-10, 900)  # seconds after a request in which a guest goes down because of it; clocks may differ
GUEST_GOES_DOWN = frozenset({"vm shutdown", "vm restart"})


class Cursor(Value):
    """How far one vCenter's events were told. Signed by the watcher."""

    kept = frozenset({"instance", "site"})
    version: Literal[1] = 1
    instance: str
    site: str
    key: int  # of the newest event that was looked at
    at: float  # its time, or that of the first look, by vCenter's clock

    @property
    def notice(self) -> str:
        """The id of the message that tells what comes after it."""
        told = f"{self.instance} {self.site} {self.key} {self.at}"
        return f"event{hashlib.sha256(told.encode()).hexdigest()[:32]}"


def news_after(cursor: Cursor, page: Sequence[SiteEvent]) -> list[SiteEvent]:
    """Those of the newest events that come after the cursor, the oldest first.

    A page ends with the event that the cursor stands on, or with a newer one. Where it does not, the vCenter
    was put back to an older state and counts anew, and only its clock tells.
    """
    counts_anew = bool(page) and max(event.key for event in page) < cursor.key
    new = [event for event in page if (event.at > cursor.at if counts_anew else event.key > cursor.key)]
    return sorted(new, key=lambda event: event.key)


class EventFeed:
    """How far it is, is kept in Redis, so a watcher that comes after another one repeats nothing.

    One message tells what comes after one cursor: whoever dies before the cursor moves on, or tells beside
    another watcher, edits that message instead of saying it again. Raises redis' own errors when Redis is
    away.
    """

    def __init__(
        self, ledger: Ledger, signer: Signer, verifier: Verifier, *, site: str, channel: str
    ) -> None:
        self._ledger = ledger
        self._signer = signer
        self._verifier = verifier
        self._outbox = Outbox(ledger)
        self._mutes = Mutes(ledger, verifier)
        self._kept = ledger.key("events", site)
        self._site = site
        self._channel = channel

    @property
    def sight(self) -> Sight:
        """Where it is said that they cannot be seen."""
        return Sight(self._ledger, self._signer, site=self._site, what="events", channel=self._channel)

    def since(self) -> float | None:
        """The time of the newest event that was looked at; None before the first look."""
        cursor = self._read()
        return None if cursor is None else cursor.at

    def take(self, page: Sequence[SiteEvent], now: float, *, cut: bool = False) -> None:
        """The newest events, others' than Andock's own; tell those that are new.

        Args:
            page: of this vCenter, in any order.
            now: by vCenter's clock; what was before the very first look is never told.
            cut: older ones than those may be new too, and are not in the page.
        """
        cursor = self._read()
        if cursor is None:
            key = max((event.key for event in page if event.at <= now), default=0)
            cursor = self._keep(key, now)
        new = news_after(cursor, page)
        if not new:
            return
        told = self._wanted(new)
        if told:
            text = events_told(self._site, told, cut=cut and len(new) == len(page))
            self._outbox.edit(
                Notice(
                    id=cursor.notice,
                    instance=self._ledger.instance,
                    channel=self._channel,
                    text=text,
                    at=time.time(),
                ),
                self._signer,
            )
        self._keep(new[-1].key, new[-1].at)

    def _wanted(self, new: Iterable[SiteEvent]) -> list[SiteEvent]:
        """Without those that are muted, and without what a person had done by Andock."""
        mutes = self._mutes.standing()
        wanted = [event for event in new if not is_muted(event, mutes)]
        if not any(_has_no_author(event) for event in wanted):
            return wanted
        asked = self._asked_down()
        return [event for event in wanted if not (_has_no_author(event) and _follows(event, asked))]

    def _asked_down(self) -> set[tuple[str, float]]:
        """Which VMs people lately had shut down by their guests, and when that was asked."""
        asked: set[tuple[str, float]] = set()
        for entry in self._ledger.recent(actor=None, limit=LOOKED_AT):
            try:
                request = self._verifier.open(entry.sealed, Request, by="bot")
            except SignatureError:
                continue
            if request.operation in GUEST_GOES_DOWN:
                plan = genuine_plan(entry, self._verifier, self._ledger.instance)
                targets = (one for one in plan.targets if one.site == self._site) if plan is not None else ()
                asked |= {(one.id, request.accepted_at) for one in targets}
        return asked

    def _keep(self, key: int, at: float) -> Cursor:
        cursor = Cursor(instance=self._ledger.instance, site=self._site, key=key, at=at)
        self._ledger.redis.set(self._kept, self._signer.sign(cursor), ex=KEPT)
        return cursor

    def _read(self) -> Cursor | None:
        """How far it is; None before the first look, and where somebody else wrote it."""
        sealed = cast("bytes | None", self._ledger.redis.get(self._kept))
        if sealed is None:
            return None
        try:
            cursor = self._verifier.open(sealed, Cursor, by="worker")
        except SignatureError as error:
            log.warning("forged_cursor", site=self._site, error=error.sentence)
            return None
        if (cursor.instance, cursor.site) != (self._ledger.instance, self._site):
            log.warning("forged_cursor", site=self._site, error="moved from another place")
            return None
        return cursor


def _follows(event: SiteEvent, asked: Iterable[tuple[str, float]]) -> bool:
    soonest, latest = OURS
    return any(vm == event.entity_id and soonest < event.at - at < latest for vm, at in asked)


def _has_no_author(event: SiteEvent) -> bool:
    """Whether a VM went down by itself, as it does after its guest was asked to."""
    return event.name == "vm-off" and not event.user
