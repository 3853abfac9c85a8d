"""Tells the alarms of one vCenter in a channel: each once, as it is now, until it is green again."""

from __future__ import annotations

import time
from collections.abc import Collection, Mapping
from typing import Literal, cast

import structlog

from andock.alarms import Alarm
from andock.cleaning import clean
from andock.errors import SignatureError
from andock.ledger import Ledger
from andock.messages import Notice
from andock.mutes import Mutes, is_muted
from andock.outbox import Outbox
from andock.rendering.notices import alarm_over, alarm_raised
from andock.sight import Sight
from andock.signing import Signer, Verifier

log = structlog.get_logger()
KEPT = 30 * 86_400  # seconds that it is remembered what was told, after a watcher looked last


class AlarmFeed:
    """What it has told is kept in Redis, so a watcher that comes after another one repeats nothing.

    Raises redis' own errors when Redis is away.
    """

    def __init__(
        self,
        ledger: Ledger,
        signer: Signer,
        verifier: Verifier,
        *,
        site: str,
        channel: str,
        least: Literal["red", "yellow"] = "yellow",
    ) -> None:
        """`least` is the status from which on an alarm is told."""
        self._ledger = ledger
        self._signer = signer
        self._verifier = verifier
        self._outbox = Outbox(ledger)
        self._mutes = Mutes(ledger, verifier)
        self._told = ledger.key("alarms", site)
        self.site = site
        self._channel = channel
        self._least = least

    @property
    def sight(self) -> Sight:
        """Where it is said that they cannot be seen."""
        return Sight(self._ledger, self._signer, site=self.site, what="alarms", channel=self._channel)

    @property
    def instance(self) -> str:
        """The installation that tells them."""
        return self._ledger.instance

    def take(self, raised: Collection[Alarm]) -> None:
        """All alarms that are raised now: tell those that are new, and what became of the others."""
        told = self._read()
        mutes = self._mutes.standing()
        seen: Mapping[str, Alarm] = {alarm.key: clean(alarm, self._ledger.redactor) for alarm in raised}
        for key, alarm in seen.items():
            before = told.get(key)
            if before is None:
                if (alarm.status == "red" or self._least == "yellow") and not is_muted(alarm, mutes):
                    self._outbox.tell(self._notice(alarm, alarm_raised(alarm)), self._signer)
                    self._keep(alarm)
                continue
            now = alarm.model_copy(update={"since": before.since})
            if now != before:
                self._outbox.edit(self._notice(now, alarm_raised(now)), self._signer)
                self._keep(now)
        for key in told.keys() - seen.keys():
            over = told[key]
            self._outbox.edit(self._notice(over, alarm_over(over, time.time())), self._signer)
            self._ledger.redis.hdel(self._told, key)
        self._ledger.redis.expire(self._told, KEPT)

    def _notice(self, alarm: Alarm, text: str) -> Notice:
        return Notice(
            id=alarm.notice, instance=self.instance, channel=self._channel, text=text, at=time.time()
        )

    def _keep(self, alarm: Alarm) -> None:
        self._ledger.redis.hset(self._told, alarm.key, self._signer.sign(alarm))

    def _read(self) -> dict[str, Alarm]:
        """What was told and is not over, by key; forged ones are passed over."""
        kept = cast("dict[bytes, bytes]", self._ledger.redis.hgetall(self._told))
        found = (self._genuine(key.decode(errors="replace"), sealed) for key, sealed in kept.items())
        return {alarm.key: alarm for alarm in found if alarm is not None}

    def _genuine(self, key: str, sealed: bytes) -> Alarm | None:
        try:
            alarm = self._verifier.open(sealed, Alarm, by="worker")
        except SignatureError as error:
            log.warning("forged_alarm", alarm=key, error=error.sentence)
            return None
        return alarm if (alarm.key, alarm.site, alarm.instance) == (key, self.site, self.instance) else None
